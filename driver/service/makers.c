/*
 * makers.c: the jobs of this daemon by the volume that they make
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/makers.h"

#include <string.h>

#include "base/lock.h"

typedef struct {
    ReplJob *job;
    ReplHolding *holding;
} ReplMaker;

static ReplLock replMakersLock = REPL_LOCK_INIT;
static GHashTable *replMakers; /* guarded by the lock: "pool UUID/volume" -> ReplMaker; NULL: none yet */

static void
replMakerFree(gpointer opaque)
{
    ReplMaker *maker = opaque;

    replJobUnref(maker->job);
    replHoldingUnref(maker->holding);
    g_free(maker);
}

static char *
replMakersKey(const char *poolUuid, const char *volume)
{
    return g_strdup_printf("%s/%s", poolUuid, volume);
}

/* Takes the entry of @key out, if it is of @job (NULL: of any), to be freed without the lock.
 * Called with the lock. */
static ReplMaker *
replMakersSteal(const char *key, const ReplJob *job)
{
    g_autofree char *stolenKey = NULL;
    ReplMaker *maker = replMakers ? g_hash_table_lookup(replMakers, key) : NULL;

    if (!maker || (job && maker->job != job))
        return NULL;
    g_hash_table_steal_extended(replMakers, key, (gpointer *)&stolenKey, NULL);
    return maker;
}

ReplJob *
replMakersAdd(const char *poolUuid, const char *volume, ReplJob *job, ReplHolding *holding)
{
    char *key = replMakersKey(poolUuid, volume);
    ReplMaker *maker = g_new0(ReplMaker, 1);
    ReplMaker *before;
    ReplJob *had;

    maker->job = replJobRef(job);
    maker->holding = replHoldingRef(holding);
    replLockTake(&replMakersLock);
    if (!replMakers)
        replMakers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replMakerFree);
    before = replMakersSteal(key, NULL);
    g_hash_table_insert(replMakers, key, maker);
    replLockDrop(&replMakersLock);
    if (!before)
        return NULL;
    had = replJobRef(before->job);
    replMakerFree(before);
    return had;
}

void
replMakersRemove(const char *poolUuid, const char *volume, const ReplJob *job)
{
    g_autofree char *key = replMakersKey(poolUuid, volume);
    ReplMaker *gone;

    replLockTake(&replMakersLock);
    gone = replMakersSteal(key, job);
    replLockDrop(&replMakersLock);
    if (gone)
        replMakerFree(gone);
}

static gboolean
replMakersIsJob(gpointer key, gpointer maker, gpointer wanted)
{
    (void)key;
    return ((ReplMaker *)maker)->job == wanted;
}

gboolean
replMakersHas(const ReplJob *job)
{
    gboolean found;

    replLockTake(&replMakersLock);
    found = replMakers && g_hash_table_find(replMakers, replMakersIsJob, (gpointer)job);
    replLockDrop(&replMakersLock);
    return found;
}

ReplJob *
replMakersFind(const char *poolUuid, const char *volume, ReplHolding **holding)
{
    g_autofree char *key = NULL;
    ReplMaker *maker = NULL;
    ReplJob *job = NULL;

    replLockTake(&replMakersLock);
    if (replMakers && g_hash_table_size(replMakers) > 0) {
        key = replMakersKey(poolUuid, volume);
        maker = g_hash_table_lookup(replMakers, key);
    }
    if (maker) {
        job = replJobRef(maker->job);
        if (holding)
            *holding = replHoldingRef(maker->holding);
    }
    replLockDrop(&replMakersLock);
    return job;
}

ReplJob *
replMakersFindAny(const char *poolUuid, const char *volume)
{
    ReplJob *found = NULL;
    GHashTableIter iter;
    gpointer key, value;

    replLockTake(&replMakersLock);
    if (replMakers)
        g_hash_table_iter_init(&iter, replMakers);
    while (replMakers && !found && g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplMaker *maker = value;

        if (g_str_has_prefix(key, poolUuid) && replHoldingMakes(maker->holding, volume))
            found = replJobRef(maker->job);
    }
    replLockDrop(&replMakersLock);
    return found;
}

static void
replMadeFree(gpointer opaque)
{
    ReplMade *made = opaque;

    g_free(made->poolUuid);
    g_free(made->volume);
    replJobUnref(made->job);
    g_free(made);
}

static gboolean
replMakerIsFrom(const ReplMaker *maker, const char *sourceId)
{
    g_autoptr(ReplImage) image = sourceId ? replHoldingImage(maker->holding) : NULL;

    return !image || g_strcmp0(image->source.id, sourceId) == 0;
}

static int
replMadeCompare(gconstpointer a, gconstpointer b)
{
    const ReplMade *x = *(ReplMade *const *)a;
    const ReplMade *y = *(ReplMade *const *)b;

    return strcmp(x->volume, y->volume);
}

GPtrArray *
replMakersList(const char *poolUuid, const char *sourceId)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(replMadeFree);
    GHashTableIter iter;
    gpointer key, value;

    replLockTake(&replMakersLock);
    if (replMakers)
        g_hash_table_iter_init(&iter, replMakers);
    while (replMakers && g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplMaker *maker = value;
        const char *slash = strchr(key, '/');
        ReplMade *made;

        if ((poolUuid && !g_str_has_prefix(key, poolUuid)) || !replMakerIsFrom(maker, sourceId))
            continue;
        made = g_new0(ReplMade, 1);
        made->poolUuid = g_strndup(key, slash - (const char *)key);
        made->volume = g_strdup(slash + 1);
        made->job = replJobRef(maker->job);
        made->isMember = replHoldingIsMember(maker->holding);
        g_ptr_array_add(list, made);
    }
    replLockDrop(&replMakersLock);
    g_ptr_array_sort(list, replMadeCompare);
    return list;
}

void
replMakersCorrectUsage(const char *poolUuid, const ReplHolding *except, gboolean reserve, ReplAmounts *usage)
{
    GHashTableIter iter;
    gpointer key, value;

    replLockTake(&replMakersLock);
    if (replMakers)
        g_hash_table_iter_init(&iter, replMakers);
    while (replMakers && g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplMaker *maker = value;

        if (g_str_has_prefix(key, poolUuid))
            replHoldingCorrectUsage(maker->holding, reserve && maker->holding != except, usage);
    }
    replLockDrop(&replMakersLock);
}
