/*
 * replication.c: what a job makes: one replica
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/replication.h"

#include <glib-object.h>
#include <string.h>

#include "base/lock.h"
#include "region/lease.h"

ReplReplication *
replReplicationNew(const ReplRegion *target, ReplJobRecord *record, ReplImage *image, gboolean asRequester)
{
    ReplReplication *replication = g_new0(ReplReplication, 1);

    replLockInit(&replication->lock);
    replication->id = g_strdup(record->id);
    memcpy(replication->targetUuid, target->uuid, sizeof(replication->targetUuid));
    replication->targetUuidstr = g_strdup(target->uuidstr);
    replication->sourceUuidstr = g_strdup(record->sourcePoolUuid);
    replication->replica = g_strdup(record->volume);
    replication->record = record;
    replication->holding = replHoldingNew(record->volume, image);
    if (asRequester)
        replication->identity = replVirt.IdentityGetCurrent();
    return replication;
}

void
replReplicationFree(ReplReplication *replication)
{
    if (!replication)
        return;
    g_clear_pointer(&replication->opened, g_ptr_array_unref);
    replReplicationLease(replication, NULL, FALSE, NULL);
    replJobRecordFree(replication->record);
    replHoldingUnref(replication->holding);
    if (replication->identity)
        g_object_unref(replication->identity);
    g_free(replication->id);
    g_free(replication->targetUuidstr);
    g_free(replication->sourceUuidstr);
    g_free(replication->replica);
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
replReplicationLease(ReplReplication *replication, ReplStaging *staging, gboolean on, GError **err)
{
    gboolean was;

    replLockTake(&replication->lock);
    was = replication->leased;
    replication->leased = on;
    replLockDrop(&replication->lock);
    if (was == on)
        return 0;
    if (!on) {
        replLeasesDrop(replication->targetUuidstr);
        return 0;
    }
    if (replLeasesHold(replication->targetUuidstr, staging, err) == 0)
        return 0;
    replLockTake(&replication->lock);
    replication->leased = FALSE;
    replLockDrop(&replication->lock);
    return -1;
}

int
replReplicationSave(ReplReplication *replication, ReplStaging *staging, GError **err)
{
    g_autoptr(ReplJobRecord) copy = NULL;

    replLockTake(&replication->lock);
    copy = replJobRecordCopy(replication->record);
    replication->persisted = replPhaseOfRecord(copy);
    replication->unsaved_bytes = 0;
    replLockDrop(&replication->lock);
    return replJobRecordSave(staging, copy, err);
}

ReplJobRecord *
replReplicationCopyRecord(ReplReplication *replication)
{
    ReplJobRecord *copy;

    replLockTake(&replication->lock);
    copy = replJobRecordCopy(replication->record);
    replLockDrop(&replication->lock);
    return copy;
}

void
replReplicationShowNames(ReplReplication *replication)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func(g_free);
    guint i;

    for (i = 0; i < replication->record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, i);

        if (layer->placeholder && !layer->published && !g_str_equal(layer->volume, replication->replica))
            g_ptr_array_add(layers, g_strdup(layer->volume));
    }
    replHoldingSetNames(replication->holding, replication->listed, layers);
}
