/*
 * stock_own.c: what a job has in a pool of a host without the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "endpoint/stocktargetpriv.h"
#include "region/home.h"
#include "service/service.h"

int
replStockTargetOpen(ReplStockTarget *target, GError **err)
{
    g_autoptr(ReplConfig) config = NULL;

    if (!target->entry && !(target->entry = replPeerPoolsFind(target->journal->targetUuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("There is no pool of type 'region' with UUID '%s' any more"),
                     target->journal->targetUuidstr);
        return -1;
    }
    if (!target->entry->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     target->entry->pool->def->name);
        g_clear_pointer(&target->entry, replPeerPoolEntryFree);
        return -1;
    }
    if (!target->home && !(target->home = replHomeOwn(TRUE, err)))
        return -1;
    if (target->line)
        return 0;
    config = replServiceConfig();
    REPL_GUARD(&target->lock);
    target->line =
        replLineNew(target->entry->pool->uri, target->entry->pool->def->source, config->peerGone_s);
    if (target->traffic)
        replLineWatch(target->line, target->traffic, target->entry->pool->def->name);
    if (target->cancelled)
        replLineCancel(target->line);
    return 0;
}

ReplStockHeld *
replStockTargetHeld(ReplStockTarget *target, guint index)
{
    REPL_GUARD(&target->journal->lock);
    const ReplJobLayer *layer = g_ptr_array_index(target->journal->record->layers, index);

    return replStockHeldNew(target->journal->record->id, layer->volume, layer->holder, layer->ino);
}

void
replStockTargetShowNames(ReplStockTarget *target)
{
    const ReplJobRecord *record = target->journal->record;
    GPtrArray *layers = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (layer->placeholder && !layer->published && !g_str_equal(layer->volume, record->volume))
            g_ptr_array_add(layers, g_strdup(layer->volume));
    }
    replHoldingSetNames(target->holding, target->journal->accepted, layers);
}
