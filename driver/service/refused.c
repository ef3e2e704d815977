/*
 * refused.c: requests that were refused, but have left something that could not be taken back yet
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/refused.h"

#include "base/lock.h"

typedef struct {
    char *poolUuid;
    ReplJobRecord *record;
} ReplRefused;

/* Guards the table. */
static ReplLock replRefusedLock = REPL_LOCK_INIT;
static GHashTable *replRefused; /* job id -> ReplRefused */

static void
replRefusedFree(gpointer opaque)
{
    ReplRefused *refused = opaque;

    g_free(refused->poolUuid);
    replJobRecordFree(refused->record);
    g_free(refused);
}

void
replRefusedAdd(const char *poolUuid, ReplJobRecord *record)
{
    REPL_GUARD(&replRefusedLock);
    ReplRefused *refused;

    if (!replRefused)
        replRefused = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replRefusedFree);
    if (g_hash_table_contains(replRefused, record->id)) {
        replJobRecordFree(record);
        return;
    }
    refused = g_new0(ReplRefused, 1);
    refused->poolUuid = g_strdup(poolUuid);
    refused->record = record;
    g_hash_table_insert(replRefused, record->id, refused);
}

gboolean
replRefusedHas(const char *jobId)
{
    REPL_GUARD(&replRefusedLock);

    return replRefused && g_hash_table_contains(replRefused, jobId);
}

GPtrArray *
replRefusedList(const char *poolUuid)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)replJobRecordFree);
    REPL_GUARD(&replRefusedLock);
    GHashTableIter iter;
    gpointer value;

    if (!replRefused)
        return list;
    g_hash_table_iter_init(&iter, replRefused);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ReplRefused *refused = value;

        if (g_str_equal(refused->poolUuid, poolUuid))
            g_ptr_array_add(list, replJobRecordCopy(refused->record));
    }
    return list;
}

void
replRefusedForget(const char *jobId)
{
    REPL_GUARD(&replRefusedLock);

    if (replRefused)
        g_hash_table_remove(replRefused, jobId);
}
