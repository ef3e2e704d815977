/*
 * overdue.c: jobs that are over, but of which something is still to be done on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/overdue.h"

#include "base/lock.h"

typedef struct {
    char *poolUuid;
    ReplJobRecord *record;
} ReplOverdue;

/* Guards the table. */
static ReplLock replOverdueLock = REPL_LOCK_INIT;
static GHashTable *replOverdue; /* job id -> ReplOverdue */

static void
replOverdueFree(gpointer opaque)
{
    ReplOverdue *overdue = opaque;

    g_free(overdue->poolUuid);
    replJobRecordFree(overdue->record);
    g_free(overdue);
}

void
replOverdueAdd(const char *poolUuid, ReplJobRecord *record)
{
    REPL_GUARD(&replOverdueLock);
    ReplOverdue *overdue;

    if (!replOverdue)
        replOverdue = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replOverdueFree);
    overdue = g_new0(ReplOverdue, 1);
    overdue->poolUuid = g_strdup(poolUuid);
    overdue->record = record;
    g_hash_table_replace(replOverdue, record->id, overdue);
}

gboolean
replOverdueHas(const char *jobId)
{
    REPL_GUARD(&replOverdueLock);

    return replOverdue && g_hash_table_contains(replOverdue, jobId);
}

ReplJobRecord *
replOverdueFind(const char *jobId)
{
    REPL_GUARD(&replOverdueLock);
    const ReplOverdue *overdue = replOverdue ? g_hash_table_lookup(replOverdue, jobId) : NULL;

    return overdue ? replJobRecordCopy(overdue->record) : NULL;
}

GPtrArray *
replOverdueList(const char *poolUuid)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)replJobRecordFree);
    REPL_GUARD(&replOverdueLock);
    GHashTableIter iter;
    gpointer value;

    if (!replOverdue)
        return list;
    g_hash_table_iter_init(&iter, replOverdue);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ReplOverdue *overdue = value;

        if (g_str_equal(overdue->poolUuid, poolUuid))
            g_ptr_array_add(list, replJobRecordCopy(overdue->record));
    }
    return list;
}

void
replOverdueForget(const char *jobId)
{
    REPL_GUARD(&replOverdueLock);

    if (replOverdue)
        g_hash_table_remove(replOverdue, jobId);
}
