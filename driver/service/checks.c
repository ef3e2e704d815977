/*
 * checks.c: the jobs of this daemon that verify or heal an image, by the volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/checks.h"

#include "base/lock.h"

static ReplLock replChecksLock = REPL_LOCK_INIT;
static GHashTable *replChecks; /* guarded by the lock: "pool UUID/volume" -> ReplJob; NULL: none yet */

static char *
replChecksKey(const char *poolUuid, const char *volume)
{
    return g_strdup_printf("%s/%s", poolUuid, volume);
}

gboolean
replChecksAdd(const char *poolUuid, const char *volume, ReplJob *job)
{
    g_autofree char *key = replChecksKey(poolUuid, volume);

    REPL_GUARD(&replChecksLock);
    if (!replChecks)
        replChecks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_contains(replChecks, key))
        return FALSE;
    g_hash_table_insert(replChecks, g_steal_pointer(&key), replJobRef(job));
    return TRUE;
}

void
replChecksRemove(const char *poolUuid, const char *volume, const ReplJob *mine)
{
    g_autofree char *key = replChecksKey(poolUuid, volume);
    g_autofree char *known = NULL;
    gpointer job = NULL;

    replLockTake(&replChecksLock);
    if (replChecks && g_hash_table_lookup(replChecks, key) == mine)
        g_hash_table_steal_extended(replChecks, key, (gpointer *)&known, &job);
    replLockDrop(&replChecksLock);
    replJobUnref(job);
}

ReplJob *
replChecksFind(const char *poolUuid, const char *volume)
{
    g_autofree char *key = NULL;
    ReplJob *job;

    REPL_GUARD(&replChecksLock);
    if (!replChecks || g_hash_table_size(replChecks) == 0)
        return NULL;
    key = replChecksKey(poolUuid, volume);
    job = g_hash_table_lookup(replChecks, key);
    return job ? replJobRef(job) : NULL;
}
