/*
 * prepared.c: a replication that is opened, held and planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/prepared.h"

#include "base/lock.h"
#include "service/service.h"

void
replPreparedFree(ReplPrepared *prepared)
{
    if (!prepared)
        return;
    g_clear_pointer(&prepared->sourceSecrets, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceKeys, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceUuids, g_ptr_array_unref);
    g_clear_pointer(&prepared->keys, g_array_unref);
    replChainFree(prepared->scratch);
    replTargetFree(prepared->target);
    if (prepared->present)
        replPresentClear(prepared->present, prepared->facts->layerCount);
    g_free(prepared->present);
    replPlanFree(prepared->plan);
    replSourceFree(prepared->source);
    g_free(prepared);
}

const char *
replPreparedWithout(const ReplPrepared *prepared)
{
    const char *target = prepared->target->ops->without;

    return target ? target : prepared->facts->without;
}

GPtrArray *
replPreparedSteps(const ReplPrepared *prepared)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        const ReplPlanLayer *layer = replPreparedLayer(prepared, step);
        ReplStep *shown = replStepNew(layer->volume, step->volume, step->action, step->bytes);

        shown->below = g_strdup(step->backingVolume);
        if (step->action == REPL_STEP_CONVERT) {
            shown->snapshotsLost = step->convert.snapshotsLost;
            shown->bitmapsLost = step->convert.bitmapsLost;
        } else if (layer->onDemand) {
            shown->action = REPL_STEP_CONVERT;
            shown->snapshotsLost = layer->lostSnapshots;
            shown->bitmapsLost = layer->lostBitmaps;
        }
        g_ptr_array_add(steps, shown);
    }
    return steps;
}

ReplConvertJob
replPreparedConversion(const ReplPrepared *prepared, const ReplPlanStep *step, const ReplRequest *request,
                       const ReplCopyWatch *watch)
{
    const ReplPreparedKey *key = replPreparedKey(prepared, step->disk);

    return (ReplConvertJob){
        .step = step,
        .sources = (const ReplSecretBuf *const *)prepared->sourceSecrets->pdata,
        .keys = (const ReplSecretBuf *const *)prepared->sourceKeys->pdata,
        .secret = key->secret,
        .kdf = key->kdf,
        .request = request,
        .limits = replServiceConvertLimits(),
        .watch = watch,
    };
}

void
replPreparedHandOver(ReplReplication *replication, ReplPrepared *prepared)
{
    ReplPrepared *before;

    replLockTake(&replication->lock);
    before = replication->ready;
    replication->ready = prepared;
    replLockDrop(&replication->lock);
    replPreparedFree(before);
}

ReplPrepared *
replPreparedTake(ReplReplication *replication)
{
    ReplPrepared *prepared;

    replLockTake(&replication->lock);
    prepared = g_steal_pointer(&replication->ready);
    replLockDrop(&replication->lock);
    return prepared;
}

void
replPreparedUse(ReplReplication *replication, ReplPrepared *prepared)
{
    ReplPrepared *before;

    replLockTake(&replication->lock);
    before = replication->prepared;
    replication->prepared = prepared;
    if (prepared && replication->stopping) {
        replSourceCancel(prepared->source);
        replTargetCancel(prepared->target);
    }
    replLockDrop(&replication->lock);
    replPreparedFree(before);
}

void
replPreparedStop(ReplJob *job, void *opaque)
{
    ReplReplication *replication = opaque;

    (void)job;
    replLockTake(&replication->lock);
    replication->stopping = TRUE;
    if (replication->prepared) {
        replSourceCancel(replication->prepared->source);
        replTargetCancel(replication->prepared->target);
    }
    replLockDrop(&replication->lock);
}

void
replPreparedRest(ReplReplication *replication)
{
    replLockTake(&replication->lock);
    replication->stopping = FALSE;
    replLockDrop(&replication->lock);
}

void
replPreparedShow(ReplReplication *replication, const ReplPrepared *prepared)
{
    ReplJobRecord *record = replication->journal->record;
    ReplAmounts adds = prepared->plan->adds;
    guint i;

    adds.images -= prepared->plan->freshImages;
    replHoldingSetPlan(replication->holding, prepared->facts->layers[0].virtualSize_bytes, &adds);
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        ReplJobMember *member = step->disk > 0 ? g_ptr_array_index(record->members, step->disk - 1) : NULL;
        guint64 capacity_bytes = replPreparedLayer(prepared, step)->virtualSize_bytes;
        const char *format = replFormatToString(step->format);

        if (!step->isImage)
            continue;
        replLockTake(&replication->journal->lock);
        *(member ? &member->capacity_bytes : &record->capacity_bytes) = capacity_bytes;
        g_free(member ? member->format : record->format);
        *(member ? &member->format : &record->format) = g_strdup(format);
        replLockDrop(&replication->journal->lock);
        replHoldingSetForm(step->disk > 0 ? g_ptr_array_index(replication->members, step->disk - 1)
                                          : replication->holding,
                           capacity_bytes, format);
    }
}
