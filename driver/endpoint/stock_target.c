/*
 * stock_target.c: a pool of a host without the module, as a target
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_target.h"

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

static void
replStockTargetCancel(ReplTarget *base)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    REPL_GUARD(&target->lock);

    target->cancelled = TRUE;
    if (target->line)
        replLineCancel(target->line);
}

static void
replStockTargetFree(ReplTarget *base)
{
    ReplStockTarget *target = (ReplStockTarget *)base;

    replLineUnref(target->line);
    replPeerPoolEntryFree(target->entry);
    if (target->home)
        replStagingUnref(target->home);
    g_free(target->label.name);
    g_free(target->label.project);
    replLockClear(&target->lock);
    g_free(target);
}

/* What is there cannot be told by its content: nothing is ever reused. */
static int
replStockTargetPresent(ReplTarget *base, ReplSource *source, const ReplPresentLook *look,
                       ReplPresent *present, gboolean *closely, GError **err)
{
    (void)base;
    (void)source;
    (void)look;
    (void)present;
    (void)err;
    *closely = FALSE;
    return 0;
}

ReplTarget *
replStockTarget(ReplJournal *journal, ReplHolding *holding)
{
    static const ReplTargetOps ops = {
        .facts = replStockTargetFacts,
        .present = replStockTargetPresent,
        .accept = replStockTargetAccept,
        .begin = replStockTargetBegin,
        .openLayer = replStockTargetOpenLayer,
        .again = replStockTargetAgain,
        .finishLayer = replStockTargetFinishLayer,
        .verify = replStockTargetVerify,
        .publish = replStockTargetPublish,
        .look = replStockTargetLook,
        .undo = replStockTargetUndo,
        .cancel = replStockTargetCancel,
        .free = replStockTargetFree,
        .without = "records resume reuse locks keys",
    };
    g_autoptr(ReplPeerPoolEntry) entry = replPeerPoolsFind(journal->targetUuid);
    ReplStockTarget *target;

    if (!entry)
        return NULL;
    target = g_new0(ReplStockTarget, 1);
    target->base.ops = &ops;
    target->journal = journal;
    target->holding = holding;
    replLockInit(&target->lock);
    return &target->base;
}
