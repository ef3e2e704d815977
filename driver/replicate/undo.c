/*
 * undo.c: what a job has in its target is given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/undo.h"

#include "base/lock.h"
#include "endpoint/open.h"

int
replUndo(ReplReplication *replication, ReplUndo what, GError **err)
{
    g_autoptr(ReplTarget) target = replEndpointTarget(replication->journal, replication->holding);

    return replTargetUndo(target, what, err);
}

int
replUndoRefused(ReplReplication *replication, GError **err)
{
    ReplJournal *journal = replication->journal;
    const ReplJobLayer *image;

    replLockTake(&journal->lock);
    image = replJournalImageLayer(journal);
    journal->accepted = image && image->holder != 0;
    replLockDrop(&journal->lock);
    return replUndo(replication, REPL_UNDO_ALL, err);
}
