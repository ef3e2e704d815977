/*
 * bundling.c: the whole chain of an image is packed into one file
 *
 * Layers that the destination has are left out, from the base up to the first one that it has not: above that
 * one, a layer of its own is of no use to it. The image itself always goes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/bundling.h"

#include "base/error.h"
#include "bundle/content.h"
#include "bundle/pack.h"
#include "endpoint/layerkey.h"
#include "replicate/have.h"
#include "service/service.h"

/* Layers are counted from the base up in a bundle. */
static guint
replBundlingIndex(const ReplBundling *bundling, guint number)
{
    return bundling->prepared->facts->layerCount - 1 - number;
}

static const ReplRequest *
replBundlingRequest(const ReplBundling *bundling)
{
    return bundling->replication->journal->record->request;
}

static ReplReader *
replBundlingOpen(void *opaque, guint number, GError **err)
{
    const ReplBundling *bundling = opaque;

    return replSourceOpenLayer(bundling->prepared->source, replBundlingIndex(bundling, number), err);
}

/* --- what is known of the layers --- */

static void
replBundlingAddLayer(ReplBundle *bundle, const ReplPlanLayer *from)
{
    ReplBundleLayer *layer = replBundleAddLayer(bundle, from->volume);

    layer->format = from->format;
    layer->encrypted = from->encrypted;
    layer->secretUsage = replLayerKeyUsage(from);
    layer->size_bytes = from->size_bytes;
    layer->virtualSize_bytes = from->virtualSize_bytes;
    layer->snapshotCount = from->snapshotCount;
    layer->bitmapCount = from->bitmapCount;
}

static ReplBundle *
replBundlingDescribe(const ReplBundling *bundling)
{
    const ReplSourceFacts *facts = bundling->prepared->facts;
    ReplBundle *bundle = replBundleNew(facts->image->id);

    bundle->volume = g_strdup(facts->volume);
    bundle->image->name = g_strdup(facts->image->name);
    bundle->image->description = g_strdup(facts->image->description);
    bundle->image->type = facts->image->type;
    bundle->image->fastCreate = facts->image->fastCreate;
    bundle->image->source.region = g_strdup(facts->label->name);
    for (guint i = facts->layerCount; i-- > 0;)
        replBundlingAddLayer(bundle, &facts->layers[i]);
    return bundle;
}

/* --- what is left out --- */

static int
replBundlingProceed(void *opaque, guint64 bytes, GError **err)
{
    const ReplCopyWatch *watch = ((const ReplBundling *)opaque)->watch;

    return watch->admit(watch->opaque, bytes, err);
}

/* The digest of a layer's content; read once. */
static int
replBundlingDigest(const ReplBundling *bundling, ReplBundle *bundle, guint number, GError **err)
{
    ReplBundleLayer *layer = replBundleLayer(bundle, number);
    const ReplContent content = {.volume = layer->volume,
                                 .format = layer->format,
                                 .size_bytes = layer->size_bytes,
                                 .proceed = replBundlingProceed,
                                 .opaque = (void *)bundling};
    g_autoptr(ReplReader) reader = replBundlingOpen((void *)bundling, number, err);
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];

    if (!reader || replContentDigest(reader, &content, digest, err) < 0)
        return -1;
    layer->content = g_strdup(digest);
    return 0;
}

static void
replBundlingLeaveOut(const ReplBundling *bundling, ReplBundleLayer *layer, guint number)
{
    const ReplCopyWatch *watch = bundling->watch;

    layer->absent = TRUE;
    watch->advance(watch->opaque,
                   bundling->prepared->facts->layers[replBundlingIndex(bundling, number)].allocated_bytes);
}

/* Leaves layer @number out of the bundle if one of @haves holds it. Returns 1: it is left out, 0: it goes
 * into the bundle, or -1 with @err set. */
static int
replBundlingTry(const ReplBundling *bundling, ReplBundle *bundle, guint number, GPtrArray *haves,
                GError **err)
{
    ReplBundleLayer *layer = replBundleLayer(bundle, number);

    for (guint i = 0; i < haves->len; i++) {
        ReplHaveFile *have = g_ptr_array_index(haves, i);
        int has = 0;

        if (!replHaveMayHold(have, layer))
            continue;
        if ((!layer->content && replBundlingDigest(bundling, bundle, number, err) < 0) ||
            (has = replHaveHolds(have, layer, replBundlingProceed, (void *)bundling, err)) < 0)
            return -1;
        if (has == 0)
            continue;
        replBundlingLeaveOut(bundling, layer, number);
        return 1;
    }
    g_clear_pointer(&layer->content, g_free);
    return 0;
}

static int
replBundlingLeave(const ReplBundling *bundling, ReplBundle *bundle, GError **err)
{
    g_autoptr(GPtrArray) haves = replHavesOpen(replBundlingRequest(bundling), err);
    int rc = 1;

    if (!haves)
        return -1;
    for (guint i = 0; haves->len > 0 && rc > 0 && i + 1 < bundle->layers->len; i++)
        rc = replBundlingTry(bundling, bundle, i, haves, err);
    return rc < 0 ? -1 : 0;
}

static int
replBundlingInventory(const ReplBundling *bundling, ReplBundle *bundle, GError **err)
{
    for (guint i = 0; i < bundle->layers->len; i++) {
        if (replBundlingDigest(bundling, bundle, i, err) < 0)
            return -1;
        replBundlingLeaveOut(bundling, replBundleLayer(bundle, i), i);
    }
    return 0;
}

int
replBundlingRun(const ReplBundling *bundling, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_autoptr(ReplBundle) bundle = replBundlingDescribe(bundling);
    const ReplBundlePack pack = {
        .bundle = bundle,
        .open = replBundlingOpen,
        .opaque = (void *)bundling,
        .fd = bundling->fd,
        .level = config->bundleLevel,
        .part_bytes = REPL_PACK_PART_BYTES,
        .start_bytes = bundling->start_bytes,
        .watch = bundling->watch,
    };
    gboolean inventory = replBundlingRequest(bundling)->bundle == REPL_BUNDLE_INVENTORY;

    if ((inventory ? replBundlingInventory(bundling, bundle, err)
                   : replBundlingLeave(bundling, bundle, err)) < 0)
        return -1;
    return replBundlePack(&pack, err);
}

int
replBundlingCheckHave(const ReplRequest *request, GError **err)
{
    g_autoptr(GPtrArray) haves = replHavesOpen(request, err);

    return haves ? 0 : -1;
}
