/*
 * local_target.c: a region pool of this host, as a target
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/local_target.h"

#include "base/fd.h"
#include "endpoint/localpriv.h"

static void
replLocalTargetFree(ReplTarget *base)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    guint i;

    for (i = 0; i < target->held->len; i++)
        replFdClose(g_array_index(target->held, int, i));
    g_array_unref(target->held);
    replFdClose(target->fd);
    replBasisFree(target->basis);
    if (target->staging)
        replStagingUnref(target->staging);
    g_clear_pointer(&target->set, replPoolSetFree);
    replRegionFree(target->region);
    g_free(target);
}

static const ReplTargetOps replLocalTargetOps = {
    .facts = replLocalFacts,
    .taken = replLocalTaken,
    .present = replLocalPresent,
    .canClone = replLocalCanClone,
    .accept = replLocalAccept,
    .begin = replLocalBegin,
    .openLayer = replLocalOpenLayer,
    .note = replLocalNote,
    .finishLayer = replLocalFinishLayer,
    .verify = replLocalVerify,
    .publish = replLocalPublish,
    .look = replLocalLook,
    .written = replLocalWritten,
    .undo = replLocalUndo,
    .free = replLocalTargetFree,
};

ReplTarget *
replLocalTargetNew(ReplJournal *journal, ReplHolding *holding)
{
    ReplLocalTarget *target = g_new0(ReplLocalTarget, 1);

    target->base.ops = &replLocalTargetOps;
    target->journal = journal;
    target->holding = holding;
    target->held = g_array_new(FALSE, FALSE, sizeof(int));
    target->fd = -1;
    return &target->base;
}
