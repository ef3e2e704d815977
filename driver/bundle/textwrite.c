/*
 * textwrite.c: the JSON of bundles is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <json-glib/json-glib.h>

#include "bundle/text.h"

static char *
replTextOf(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);

    return json_to_string(root, FALSE);
}

static void
replTextString(JsonBuilder *builder, const char *name, const char *value)
{
    if (!value)
        return;
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void
replTextNumber(JsonBuilder *builder, const char *name, guint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, (gint64)value);
}

static void
replTextFlag(JsonBuilder *builder, const char *name, gboolean value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

static void
replTextDescriptor(JsonBuilder *builder, const char *mediaType, const char *digest, guint64 size_bytes)
{
    g_autofree char *full = g_strconcat("sha256:", digest, NULL);

    json_builder_begin_object(builder);
    replTextString(builder, "mediaType", mediaType);
    replTextString(builder, "digest", full);
    replTextNumber(builder, "size", size_bytes);
    json_builder_end_object(builder);
}

static void
replTextImage(JsonBuilder *builder, const ReplBundle *bundle)
{
    const ReplImage *image = bundle->image;

    json_builder_set_member_name(builder, "image");
    json_builder_begin_object(builder);
    replTextString(builder, "id", image->id);
    replTextString(builder, "volume", bundle->volume);
    replTextString(builder, "name", image->name);
    replTextString(builder, "description", image->description);
    replTextString(builder, "type", replImageTypeToString(image->type));
    replTextString(builder, "region", image->source.region);
    replTextFlag(builder, "fast-create", image->fastCreate);
    json_builder_end_object(builder);
}

/* A part is three numbers: start, end, data. */
static void
replTextParts(JsonBuilder *builder, const ReplBundleLayer *layer)
{
    json_builder_set_member_name(builder, "parts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < layer->parts->len; i++) {
        const ReplBundlePart *part = replBundlePart(layer, i);

        json_builder_begin_array(builder);
        json_builder_add_int_value(builder, (gint64)part->start_bytes);
        json_builder_add_int_value(builder, (gint64)part->end_bytes);
        json_builder_add_int_value(builder, (gint64)part->data_bytes);
        json_builder_end_array(builder);
    }
    json_builder_end_array(builder);
}

static void
replTextLayer(JsonBuilder *builder, const ReplBundleLayer *layer)
{
    json_builder_begin_object(builder);
    replTextString(builder, "volume", layer->volume);
    replTextString(builder, "format", replFormatToString(layer->format));
    replTextFlag(builder, "encrypted", layer->encrypted);
    replTextString(builder, "secret", layer->secretUsage);
    replTextNumber(builder, "size", layer->size_bytes);
    replTextNumber(builder, "data", layer->data_bytes);
    replTextNumber(builder, "capacity", layer->virtualSize_bytes);
    replTextNumber(builder, "snapshots", layer->snapshotCount);
    replTextNumber(builder, "bitmaps", layer->bitmapCount);
    replTextString(builder, "content", layer->content);
    if (!layer->absent)
        replTextParts(builder, layer);
    json_builder_end_object(builder);
}

char *
replBundleConfigText(const ReplBundle *bundle)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    replTextNumber(builder, "version", 1);
    replTextImage(builder, bundle);
    json_builder_set_member_name(builder, "layers");
    json_builder_begin_array(builder);
    for (guint i = 0; i < bundle->layers->len; i++)
        replTextLayer(builder, replBundleLayer(bundle, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return replTextOf(builder);
}

char *
replBundleManifestText(const ReplBundle *bundle, const char *configDigest, gsize configSize)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    replTextNumber(builder, "schemaVersion", 2);
    replTextString(builder, "mediaType", REPL_BUNDLE_MANIFEST_TYPE);
    json_builder_set_member_name(builder, "config");
    replTextDescriptor(builder, REPL_BUNDLE_CONFIG_TYPE, configDigest, configSize);
    json_builder_set_member_name(builder, "layers");
    json_builder_begin_array(builder);
    for (guint i = 0; i < bundle->layers->len; i++) {
        const ReplBundleLayer *layer = replBundleLayer(bundle, i);

        for (guint k = 0; k < layer->parts->len; k++) {
            const ReplBundlePart *part = replBundlePart(layer, k);

            replTextDescriptor(builder, part->zstd ? REPL_BUNDLE_ZSTD_TYPE : REPL_BUNDLE_PART_TYPE,
                               part->digest, part->packed_bytes);
        }
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return replTextOf(builder);
}

char *
replBundleIndexText(const char *manifestDigest, gsize manifestSize)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    replTextNumber(builder, "schemaVersion", 2);
    json_builder_set_member_name(builder, "manifests");
    json_builder_begin_array(builder);
    replTextDescriptor(builder, REPL_BUNDLE_MANIFEST_TYPE, manifestDigest, manifestSize);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return replTextOf(builder);
}
