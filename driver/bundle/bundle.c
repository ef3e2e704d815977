/*
 * bundle.c: an image with its chain and its record in one file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/bundle.h"

#include <gcrypt.h>
#include <string.h>

static void
replBundleLayerFree(gpointer opaque)
{
    ReplBundleLayer *layer = opaque;

    g_free(layer->volume);
    g_free(layer->secretUsage);
    g_free(layer->content);
    g_array_unref(layer->parts);
    g_free(layer);
}

ReplBundle *
replBundleNew(const char *imageId)
{
    ReplBundle *bundle = g_new0(ReplBundle, 1);

    bundle->image = replImageNew(imageId);
    bundle->layers = g_ptr_array_new_with_free_func(replBundleLayerFree);
    return bundle;
}

void
replBundleFree(ReplBundle *bundle)
{
    if (!bundle)
        return;
    replImageFree(bundle->image);
    g_free(bundle->volume);
    g_ptr_array_unref(bundle->layers);
    g_free(bundle);
}

ReplBundleLayer *
replBundleAddLayer(ReplBundle *bundle, const char *volume)
{
    ReplBundleLayer *layer = g_new0(ReplBundleLayer, 1);

    layer->volume = g_strdup(volume);
    layer->parts = g_array_new(FALSE, TRUE, sizeof(ReplBundlePart));
    g_ptr_array_add(bundle->layers, layer);
    return layer;
}

gboolean
replBundleIsInventory(const ReplBundle *bundle)
{
    for (guint i = 0; i < bundle->layers->len; i++) {
        if (!replBundleLayer(bundle, i)->absent)
            return FALSE;
    }
    return TRUE;
}

void
replBundleLayerName(const ReplBundleLayer *layer, guint8 *name)
{
    g_autoptr(GString) what = g_string_new(NULL);

    g_string_append_printf(what, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                           replFormatToString(layer->format), layer->size_bytes, layer->virtualSize_bytes);
    if (layer->absent)
        g_string_append_printf(what, "content %s\n", layer->content);
    for (guint i = 0; i < layer->parts->len; i++)
        g_string_append_printf(what, "%s\n", replBundlePart(layer, i)->digest);
    gcry_md_hash_buffer(GCRY_MD_SHA256, name, what->str, what->len);
}
