/*
 * holding.c: what a job makes, as everybody else may see it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/holding.h"

#include "base/lock.h"

struct _ReplHolding {
    gint refs;         /* atomic */
    char *replica;     /* fixed */
    gboolean isMember; /* fixed */
    ReplLock lock;

    /* Guarded by lock. */
    ReplImage *image;
    GPtrArray *layers; /* of char *: placeholders of layers */
    gboolean listed;   /* the replica's name is held in the pool */
    guint64 capacity_bytes;
    char *format;
    ReplAmounts adds;
};

ReplHolding *
replHoldingNew(const char *replica, ReplImage *image)
{
    ReplHolding *holding = g_new0(ReplHolding, 1);

    holding->refs = 1;
    holding->replica = g_strdup(replica);
    holding->image = image;
    holding->layers = g_ptr_array_new_with_free_func(g_free);
    replLockInit(&holding->lock);
    return holding;
}

ReplHolding *
replHoldingNewMember(const char *replica, ReplImage *image)
{
    ReplHolding *holding = replHoldingNew(replica, image);

    holding->isMember = TRUE;
    return holding;
}

gboolean
replHoldingIsMember(const ReplHolding *holding)
{
    return holding->isMember;
}

ReplHolding *
replHoldingRef(ReplHolding *holding)
{
    g_atomic_int_inc(&holding->refs);
    return holding;
}

void
replHoldingUnref(ReplHolding *holding)
{
    if (!holding || !g_atomic_int_dec_and_test(&holding->refs))
        return;
    g_free(holding->replica);
    replImageFree(holding->image);
    g_free(holding->format);
    g_ptr_array_unref(holding->layers);
    replLockClear(&holding->lock);
    g_free(holding);
}

void
replHoldingSetPlan(ReplHolding *holding, guint64 capacity_bytes, const ReplAmounts *adds)
{
    replLockTake(&holding->lock);
    holding->capacity_bytes = capacity_bytes;
    holding->adds = *adds;
    replLockDrop(&holding->lock);
}

void
replHoldingSetNames(ReplHolding *holding, gboolean listed, GPtrArray *layers)
{
    g_autoptr(GPtrArray) before = NULL;

    replLockTake(&holding->lock);
    before = holding->layers;
    holding->layers = layers;
    holding->listed = listed;
    replLockDrop(&holding->lock);
}

gboolean
replHoldingMakes(ReplHolding *holding, const char *volume)
{
    gboolean makes;

    if (g_str_equal(holding->replica, volume))
        return TRUE;
    replLockTake(&holding->lock);
    makes = g_ptr_array_find_with_equal_func(holding->layers, volume, g_str_equal, NULL);
    replLockDrop(&holding->lock);
    return makes;
}

void
replHoldingCorrectUsage(ReplHolding *holding, gboolean reserve, ReplAmounts *usage)
{
    replLockTake(&holding->lock);
    usage->images -= holding->layers->len;
    /* The replica itself is there as a placeholder already; what is published is counted. */
    if (reserve && holding->listed) {
        usage->snapshots += holding->adds.snapshots;
        usage->bytes += holding->adds.bytes;
    }
    replLockDrop(&holding->lock);
}

ReplAmounts
replHoldingAdds(ReplHolding *holding)
{
    ReplAmounts adds;

    replLockTake(&holding->lock);
    adds = holding->adds;
    replLockDrop(&holding->lock);
    return adds;
}

void
replHoldingSetForm(ReplHolding *holding, guint64 capacity_bytes, const char *format)
{
    REPL_GUARD(&holding->lock);

    holding->capacity_bytes = capacity_bytes;
    g_free(holding->format);
    holding->format = g_strdup(format);
}

char *
replHoldingFormat(ReplHolding *holding)
{
    REPL_GUARD(&holding->lock);

    return g_strdup(holding->format);
}

guint64
replHoldingCapacity(ReplHolding *holding)
{
    guint64 capacity_bytes;

    replLockTake(&holding->lock);
    capacity_bytes = holding->capacity_bytes;
    replLockDrop(&holding->lock);
    return capacity_bytes;
}

ReplImage *
replHoldingImage(ReplHolding *holding)
{
    ReplImage *image;

    replLockTake(&holding->lock);
    image = replImageCopy(holding->image);
    replLockDrop(&holding->lock);
    return image;
}

void
replHoldingChangeImage(ReplHolding *holding, void (*change)(ReplImage *image, const void *opaque),
                       const void *opaque)
{
    replLockTake(&holding->lock);
    change(holding->image, opaque);
    replLockDrop(&holding->lock);
}
