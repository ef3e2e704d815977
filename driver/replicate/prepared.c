/*
 * prepared.c: a replication that is opened, held and planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/lock.h"
#include "replicate/prepared.h"

void
replPreparedFree(ReplPrepared *prepared)
{
    if (!prepared)
        return;
    g_clear_pointer(&prepared->sourceSecrets, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceKeys, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceUuids, g_ptr_array_unref);
    replSecretBufFree(prepared->secret);
    g_free(prepared->secretUuid);
    replChainFree(prepared->scratch);
    replTargetFree(prepared->target);
    if (prepared->present)
        replPresentClear(prepared->present, prepared->facts->layerCount);
    g_free(prepared->present);
    replPlanFree(prepared->plan);
    replSourceFree(prepared->source);
    g_free(prepared);
}

GPtrArray *
replPreparedSteps(const ReplPrepared *prepared)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        ReplStep *shown =
            replStepNew(replPreparedLayer(prepared, step)->volume, step->volume, step->action, step->bytes);

        if (step->action == REPL_STEP_CONVERT) {
            shown->snapshotsLost = step->convert.snapshotsLost;
            shown->bitmapsLost = step->convert.bitmapsLost;
        }
        g_ptr_array_add(steps, shown);
    }
    return steps;
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

/* Called with the lock held. */
static void
replPreparedCancel(const ReplPrepared *prepared)
{
    replSourceCancel(prepared->source);
    replTargetCancel(prepared->target);
}

void
replPreparedUse(ReplReplication *replication, ReplPrepared *prepared)
{
    ReplPrepared *before;

    replLockTake(&replication->lock);
    before = replication->prepared;
    replication->prepared = prepared;
    if (prepared && replication->stopping)
        replPreparedCancel(prepared);
    replLockDrop(&replication->lock);
    replPreparedFree(before);
}

void
replPreparedStop(ReplReplication *replication)
{
    replLockTake(&replication->lock);
    replication->stopping = TRUE;
    if (replication->prepared)
        replPreparedCancel(replication->prepared);
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
    const ReplPlanStep *last = replPreparedStep(prepared, prepared->plan->steps->len - 1);
    const char *format = replFormatToString(last->format);
    guint64 capacity_bytes = prepared->facts->layers[0].virtualSize_bytes;

    replLockTake(&replication->journal->lock);
    record->capacity_bytes = capacity_bytes;
    g_free(record->format);
    record->format = g_strdup(format);
    replLockDrop(&replication->journal->lock);
    replHoldingSetPlan(replication->holding, capacity_bytes, &prepared->plan->adds);
    replHoldingSetForm(replication->holding, capacity_bytes, format);
}
