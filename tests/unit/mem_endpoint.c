/*
 * mem_endpoint.c: a world in memory, and its faults
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mem_endpointpriv.h"

#include <string.h>

#include "base/error.h"

static MemWorld *memWorld; /* set before any job */

/* --- faults --- */

/* Whether @op belongs to the end that is away. Called with the lock. */
static gboolean
memIsAway(const MemWorld *world, const char *op)
{
    gboolean source = g_str_has_prefix(op, "source") || g_str_has_prefix(op, "reader");
    gboolean sourceGone = world->fault.op && (g_str_has_prefix(world->fault.op, "source") ||
                                              g_str_has_prefix(world->fault.op, "reader"));

    return world->gone && source == sourceGone;
}

/* Called with the lock. */
static int
memWait(MemWorld *world, const gboolean *cancelled, GError **err)
{
    world->stalled = TRUE;
    replLockWake(&world->lock);
    while (world->fault.op && !*cancelled)
        replLockWait(&world->lock);
    world->stalled = FALSE;
    if (!*cancelled)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled while it waited");
    return -1;
}

int
memCall(MemWorld *world, const char *op, const gboolean *cancelled, GError **err)
{
    REPL_GUARD(&world->lock);

    if (*cancelled) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled");
        return -1;
    }
    if (memIsAway(world, op)) {
        replErrorSet(err, VIR_ERR_NO_CONNECT, "the peer is away");
        return -1;
    }
    if (!world->fault.op || !g_str_equal(world->fault.op, op) || ++world->calls != world->fault.nth)
        return 0;
    world->fired = TRUE;
    switch (world->fault.kind) {
    case MEM_STALL:
        return memWait(world, cancelled, err);
    case MEM_GONE:
        world->gone = TRUE;
        replErrorSet(err, VIR_ERR_NO_CONNECT, "the peer has disappeared");
        return -1;
    case MEM_SHORT:
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "it ends before it should");
        return -1;
    case MEM_FAIL:
        break;
    }
    replErrorSet(err, VIR_ERR_SYSTEM_ERROR, "input/output error");
    return -1;
}

void
memOpened(MemWorld *world, int count)
{
    REPL_GUARD(&world->lock);

    world->open += count;
}

/* --- the world --- */

static void
memLayerFree(gpointer opaque)
{
    MemLayer *layer = opaque;

    g_byte_array_unref(layer->data);
    g_free(layer);
}

/* Bytes that differ from layer to layer and from block to block, with a hole in the middle. */
static GBytes *
memContent(guint layer, guint64 size)
{
    guint8 *data = g_malloc(size);
    guint64 i;

    for (i = 0; i < size; i++)
        data[i] = i >= size / 3 && i < size / 2 ? 0 : (i >> 12) * 7 + i + layer * 31 + 1;
    return g_bytes_new_take(data, size);
}

MemWorld *
memWorldNew(const char *sourceUuid, const char *targetUuid, const guint64 *sizes)
{
    MemWorld *world = g_new0(MemWorld, 1);
    guint i;

    replLockInit(&world->lock);
    world->sourceUuid = g_strdup(sourceUuid);
    world->targetUuid = g_strdup(targetUuid);
    world->names = g_ptr_array_new_with_free_func(g_free);
    world->layers = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (i = 0; sizes[i] > 0; i++) {
        g_ptr_array_add(world->names, g_strdup_printf("layer%u.qcow2", i));
        g_ptr_array_add(world->layers, memContent(i, sizes[i]));
    }
    world->sourceVolume = g_strdup(g_ptr_array_index(world->names, 0));
    world->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    world->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    world->written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, memLayerFree);
    return world;
}

void
memWorldFree(MemWorld *world)
{
    g_free(world->sourceUuid);
    g_free(world->targetUuid);
    g_free(world->sourceVolume);
    g_ptr_array_unref(world->names);
    g_ptr_array_unref(world->layers);
    g_hash_table_unref(world->volumes);
    g_hash_table_unref(world->held);
    g_hash_table_unref(world->written);
    replLockClear(&world->lock);
    g_free(world);
}

void
memWorldFault(MemWorld *world, const char *op, guint nth, MemFaultKind kind)
{
    REPL_GUARD(&world->lock);

    world->fault = (MemFault){op, nth, kind};
    world->calls = 0;
    world->fired = FALSE;
}

void
memWorldBack(MemWorld *world)
{
    REPL_GUARD(&world->lock);

    world->fault.op = NULL;
    world->gone = FALSE;
    replLockWake(&world->lock);
}

void
memWorldCrash(MemWorld *world)
{
    REPL_GUARD(&world->lock);
    GHashTableIter iter;
    gpointer layer;

    g_hash_table_iter_init(&iter, world->written);
    while (g_hash_table_iter_next(&iter, NULL, &layer)) {
        MemLayer *one = layer;

        if (!one->done && one->data->len > one->safe_bytes)
            memset(one->data->data + one->safe_bytes, 0xee, one->data->len - one->safe_bytes);
    }
}

gboolean
memWorldStalled(MemWorld *world)
{
    gint64 until_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    REPL_GUARD(&world->lock);

    while (!world->stalled && g_get_monotonic_time() < until_us)
        replLockWaitUntil(&world->lock, until_us);
    return world->stalled;
}

void
memWorldCheckReplica(MemWorld *world, const char *replica)
{
    REPL_GUARD(&world->lock);
    guint i;

    for (i = 0; i < world->names->len; i++) {
        const char *name = i == 0 ? replica : g_ptr_array_index(world->names, i);
        GBytes *there = g_hash_table_lookup(world->volumes, name);

        g_assert_nonnull(there);
        g_assert_true(g_bytes_equal(there, g_ptr_array_index(world->layers, i)));
    }
    g_assert_cmpint(g_hash_table_size(world->volumes), ==, world->names->len);
    g_assert_cmpint(g_hash_table_size(world->held), ==, 0);
    g_assert_cmpint(g_hash_table_size(world->written), ==, 0);
    g_assert_cmpint(world->open, ==, 0);
}

void
memWorldCheckNothing(MemWorld *world, guint count)
{
    REPL_GUARD(&world->lock);

    g_assert_cmpint(g_hash_table_size(world->volumes), ==, count);
    g_assert_cmpint(g_hash_table_size(world->held), ==, 0);
    g_assert_cmpint(g_hash_table_size(world->written), ==, 0);
    g_assert_cmpint(world->open, ==, 0);
}

/* --- where replications find it --- */

static ReplSource *
memKindSource(const char *poolUuid, const char *volume, ReplSourceIs is)
{
    (void)is;
    if (!memWorld || !g_str_equal(poolUuid, memWorld->sourceUuid))
        return NULL;
    g_assert_cmpstr(volume, ==, memWorld->sourceVolume);
    return memSourceNew(memWorld);
}

static ReplTarget *
memKindTarget(ReplJournal *journal, ReplHolding *holding)
{
    (void)holding;
    if (!memWorld || !g_str_equal(journal->targetUuidstr, memWorld->targetUuid))
        return NULL;
    return memTargetNew(memWorld, journal);
}

void
memWorldUse(MemWorld *world)
{
    static const ReplEndpointKind kind = {memKindSource, memKindTarget};
    static gboolean registered;

    if (!registered)
        replEndpointRegister(&kind);
    registered = TRUE;
    memWorld = world;
}
