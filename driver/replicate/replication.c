/*
 * replication.c: what a job makes: one replica
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/replication.h"

#include <glib-object.h>

#include "base/error.h"
#include "base/lock.h"
#include "region/home.h"
#include "region/lease.h"
#include "virt/below.h"

static ReplLock replReplicationLock = REPL_LOCK_INIT;
static GHashTable *replReplications; /* guarded by it: ids -> how many of each there are */

/* Counts one more or one less. */
static void
replReplicationCount(const char *id, gint by)
{
    REPL_GUARD(&replReplicationLock);
    gint count;

    if (!replReplications)
        replReplications = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    count = GPOINTER_TO_INT(g_hash_table_lookup(replReplications, id)) + by;
    if (count > 0)
        g_hash_table_replace(replReplications, g_strdup(id), GINT_TO_POINTER(count));
    else
        g_hash_table_remove(replReplications, id);
}

gboolean
replReplicationIsAlive(const char *id)
{
    REPL_GUARD(&replReplicationLock);

    return replReplications && g_hash_table_contains(replReplications, id);
}

ReplReplication *
replReplicationNew(const unsigned char *targetUuid, ReplJobRecord *record, ReplImage *image,
                   gboolean asRequester)
{
    ReplReplication *replication = g_new0(ReplReplication, 1);

    replLockInit(&replication->lock);
    replication->journal = replJournalNew(targetUuid, record);
    replication->id = record->id;
    replication->replica = record->volume;
    replication->sourceUuidstr = record->sourcePoolUuid;
    replication->holding = replHoldingNew(record->volume, image);
    replication->members = g_ptr_array_new_with_free_func((GDestroyNotify)replHoldingUnref);
    if (asRequester)
        replication->identity = replVirt.IdentityGetCurrent();
    replReplicationCount(replication->id, 1);
    return replication;
}

void
replReplicationAddMember(ReplReplication *replication, ReplImage *image)
{
    const GPtrArray *members = replication->journal->record->members;
    const ReplJobMember *member = g_ptr_array_index(members, replication->members->len);
    ReplHolding *holding = replHoldingNewMember(member->volume, image);

    replHoldingSetForm(holding, member->capacity_bytes, member->format);
    g_ptr_array_add(replication->members, holding);
}

ReplHolding *
replReplicationHolding(const ReplReplication *replication, guint disk)
{
    return disk == 0 ? replication->holding : g_ptr_array_index(replication->members, disk - 1);
}

void
replReplicationFree(ReplReplication *replication)
{
    if (!replication)
        return;
    g_clear_pointer(&replication->opened, g_ptr_array_unref);
    replReplicationLease(replication, FALSE, NULL);
    replReplicationCount(replication->id, -1);
    replJournalFree(replication->journal);
    replHoldingUnref(replication->holding);
    g_ptr_array_unref(replication->members);
    if (replication->identity)
        g_object_unref(replication->identity);
    replLockClear(&replication->lock);
    g_free(replication);
}

ReplPhase
replPhaseOfRecord(const ReplJobRecord *record)
{
    switch (record->info->state) {
    case REPL_JOB_PLANNED:
        /* A request that starts at once is recorded before it is queued. */
        return record->request && !record->request->start ? REPL_PHASE_PLANNED : REPL_PHASE_GOING;
    case REPL_JOB_QUEUED:
    case REPL_JOB_RUNNING:
    case REPL_JOB_VERIFYING:
        return REPL_PHASE_GOING;
    case REPL_JOB_PAUSED:
        return REPL_PHASE_PAUSED;
    case REPL_JOB_PUBLISHING:
        return REPL_PHASE_PUBLISHING;
    case REPL_JOB_COMPLETED:
    case REPL_JOB_FAILED:
    case REPL_JOB_CANCELLED:
    case REPL_JOB_STATE_LAST:
        break;
    }
    return REPL_PHASE_ENDED;
}

int
replReplicationLease(ReplReplication *replication, gboolean on, GError **err)
{
    const ReplJournal *journal = replication->journal;
    g_autoptr(ReplStaging) home = NULL;
    gboolean was;

    replLockTake(&replication->lock);
    was = replication->leased;
    replication->leased = on;
    replLockDrop(&replication->lock);
    if (was == on)
        return 0;
    if (!on) {
        replLeasesDrop(journal->targetUuidstr);
        return 0;
    }
    /* A job whose target is elsewhere has its record in this host's own folder: no other host works there, so
     * no lease is needed. */
    if (journal->record->targetPool || ((home = replHomeOfUuid(journal->targetUuid, TRUE, err)) &&
                                        replLeasesHold(journal->targetUuidstr, home, err) == 0))
        return 0;
    replLockTake(&replication->lock);
    replication->leased = FALSE;
    replLockDrop(&replication->lock);
    return -1;
}
