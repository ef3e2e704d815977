/*
 * pinning.c: a job pins the volumes that it reads, makes and relies on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/pinning.h"

#include "region/region.h"
#include "service/service.h"

int
replPinningTakeRoute(const ReplReplication *replication, GError **err)
{
    const ReplJobRecord *record = replication->journal->record;
    guint i;

    /* An image may be written into several files at once: each has a name of its own. */
    if (record->request->bundle != REPL_BUNDLE_NONE)
        return 0;
    if (replPinsTakeRoute(replServicePins(), record->id, record->sourcePoolUuid, record->sourceVolume,
                          record->targetRegion, err) < 0)
        return -1;
    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        if (replPinsTakeRoute(replServicePins(), record->id, record->sourcePoolUuid, member->sourceVolume,
                              record->targetRegion, err) < 0)
            return -1;
    }
    return 0;
}

/* @uuid and @pool: of the pool that the layer lies in. */
static void
replPinningSource(const ReplJobRecord *record, const char *uuid, const char *pool, const char *volume)
{
    gboolean isImage =
        g_strcmp0(uuid, record->sourcePoolUuid) == 0 && replJobRecordReadsImage(record, volume);

    replPinsAdd(replServicePins(), uuid, pool, volume, record->id, isImage ? REPL_PIN_SOURCE : REPL_PIN_BASE,
                isImage ? NULL : record->sourceVolume);
}

static void
replPinningTarget(const ReplReplication *replication, const char *pool, const char *volume,
                  ReplStepAction action)
{
    const ReplJournal *journal = replication->journal;
    ReplPinKind kind = action == REPL_STEP_REUSE ? REPL_PIN_REUSE : REPL_PIN_LAYER;
    gboolean isReplica = replJobRecordMakesImage(journal->record, volume);

    replPinsAdd(replServicePins(), journal->targetUuidstr, pool, volume, replication->id,
                isReplica ? REPL_PIN_TARGET : kind, isReplica ? NULL : replication->replica);
}

/* A pool of this host as it is called now; @fallback where it is gone, or is on another host. */
static char *
replPinningPool(const char *uuid, const char *fallback)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(uuid);

    return g_strdup(region ? region->name : fallback);
}

void
replPinningPlan(const ReplReplication *replication, const ReplPrepared *prepared)
{
    const ReplJobRecord *record = replication->journal->record;
    const char *far = replication->journal->record->targetPool;
    g_autofree char *pool = replPinningPool(replication->journal->targetUuidstr, far ? far : "");
    guint i;

    /* A bundle's layers are no volumes: what is read is the bundle itself. */
    replPinningSource(record, record->sourcePoolUuid, record->sourcePool, record->sourceVolume);
    for (i = 0; i < prepared->facts->layerCount; i++) {
        const ReplPlanLayer *layer = &prepared->facts->layers[i];

        replPinningSource(record, layer->poolUuid, layer->pool, layer->volume);
    }
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);

        replPinningTarget(replication, pool, step->volume, step->action);
    }
}

void
replPinningJournal(const ReplReplication *replication)
{
    g_autoptr(ReplJobRecord) record = replJournalCopy(replication->journal);
    g_autofree char *source = replPinningPool(record->sourcePoolUuid, record->sourcePool);
    g_autofree char *target =
        replPinningPool(replication->journal->targetUuidstr, record->targetPool ? record->targetPool : "");
    guint i;

    replPinningSource(record, record->sourcePoolUuid, source, record->sourceVolume);
    replPinningTarget(replication, target, record->volume, REPL_STEP_COPY);
    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        replPinningSource(record, record->sourcePoolUuid, source, member->sourceVolume);
        replPinningTarget(replication, target, member->volume, REPL_STEP_COPY);
    }
    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);
        g_autofree char *pool = replPinningPool(layer->sourcePoolUuid, record->sourcePool);

        replPinningSource(record, layer->sourcePoolUuid, pool, layer->sourceVolume);
        replPinningTarget(replication, target, layer->volume, layer->action);
    }
}
