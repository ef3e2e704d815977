/*
 * stock_target.c: a pool of a host without the module, as a target
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_target.h"

#include "endpoint/stocktargetpriv.h"

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
replStockTargetWatch(ReplTarget *base, ReplTraffic *traffic)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    REPL_GUARD(&target->lock);

    replTrafficUnref(target->traffic);
    target->traffic = replTrafficRef(traffic);
    if (target->line)
        replLineWatch(target->line, traffic, target->entry->pool->def->name);
}

static void
replStockTargetFree(ReplTarget *base)
{
    ReplStockTarget *target = (ReplStockTarget *)base;

    replLineUnref(target->line);
    replPeerPoolEntryFree(target->entry);
    if (target->home)
        replStagingUnref(target->home);
    g_strfreev(target->taken);
    g_free(target->label.name);
    g_free(target->label.project);
    replTrafficUnref(target->traffic);
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
        .taken = replStockTargetTaken,
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
        .watch = replStockTargetWatch,
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
