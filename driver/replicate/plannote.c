/*
 * plannote.c: a plan goes into the record of its job, and pins its volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/plannote.h"

#include "base/lock.h"
#include "job/pins.h"
#include "replicate/placeholder.h"
#include "service/service.h"

/* --- the plan goes into the record --- */

/* What an earlier attempt wrote of a source that has not changed since is still good. */
static void
replPlanNoteKeepDone(ReplJobLayer *layer, const GPtrArray *earlier)
{
    guint i;

    for (i = 0; i < earlier->len; i++) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);

        if (!g_str_equal(old->sourceVolume, layer->sourceVolume) ||
            !g_str_equal(old->sourcePoolUuid, layer->sourcePoolUuid))
            continue;
        layer->placeholder = old->placeholder && g_str_equal(old->volume, layer->volume);
        if (old->action == layer->action && replFileIdentityEqual(&old->source, &layer->source)) {
            layer->done = old->done;
            layer->checkpoint_bytes = old->checkpoint_bytes;
        }
        return;
    }
}

/* Placeholders of the earlier plan that this one has no use for. */
static void
replPlanNoteDropUnused(const ReplPrepared *prepared, const GPtrArray *earlier, const GPtrArray *layers)
{
    guint i, k;

    for (i = 0; i < earlier->len; i++) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);
        gboolean used = !old->placeholder || old->published;

        for (k = 0; !used && k < layers->len; k++) {
            const ReplJobLayer *layer = g_ptr_array_index(layers, k);

            used = layer->placeholder && g_str_equal(layer->volume, old->volume);
        }
        if (!used)
            replPlaceholderRemove(prepared->target, old->volume, FALSE);
    }
}

static void
replPlanNotePin(const ReplReplication *replication, const ReplPrepared *prepared)
{
    ReplPins *pins = replServicePins();
    guint i;

    for (i = 0; i < prepared->chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(prepared->chain, i);

        replPinsAdd(pins, layer->pool->uuid, layer->pool->name, layer->volume, replication->id,
                    i == 0 ? REPL_PIN_SOURCE : REPL_PIN_BASE,
                    i == 0 ? NULL : replChainLayer(prepared->chain, 0)->volume);
    }
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);
        ReplPinKind kind = step->action == REPL_STEP_REUSE ? REPL_PIN_REUSE : REPL_PIN_LAYER;

        if (step->layer == 0)
            replPinsAdd(pins, replication->targetUuidstr, prepared->target->name, step->volume,
                        replication->id, REPL_PIN_TARGET, NULL);
        else
            replPinsAdd(pins, replication->targetUuidstr, prepared->target->name, step->volume,
                        replication->id, kind, replication->replica);
    }
}

void
replPlanNote(ReplReplication *replication, const ReplPrepared *prepared)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    g_autoptr(GPtrArray) earlier = NULL;
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);
        const ReplLayer *source = replChainLayer(prepared->chain, step->layer);
        ReplJobLayer *layer = replJobLayerNew(source->volume, source->pool->uuid, step->volume, step->action);

        layer->source = source->identity;
        replPlanNoteKeepDone(layer, replication->record->layers);
        g_ptr_array_add(layers, layer);
    }
    replPlanNoteDropUnused(prepared, replication->record->layers, layers);

    replLockTake(&replication->lock);
    earlier = replication->record->layers;
    replication->record->layers = layers;
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
    replHoldingSetPlan(replication->holding, replChainLayer(prepared->chain, 0)->virtualSize_bytes,
                       &prepared->plan->adds);
    replPlanNotePin(replication, prepared);
}
