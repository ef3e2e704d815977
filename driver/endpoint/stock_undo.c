/*
 * stock_undo.c: what a job has in a pool of a host without the module, looked at and given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/log.h"
#include "endpoint/stocktargetpriv.h"
#include "store/partial.h"

/* A file system with less than this left is full for everybody. */
#define REPL_STOCK_FULL_bytes (64 * 1024 * G_GUINT64_CONSTANT(1024))

/* Always says HELD, without asking the peer: a start of the daemon must not wait for one. So the job goes on,
 * and its attempt finds out how far the replica is, even that it is complete. */
int
replStockTargetLook(ReplTarget *base, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    REPL_GUARD(&target->journal->lock);

    (void)err;
    target->journal->accepted = TRUE;
    replStockTargetShowNames(target);
    return REPL_TARGET_HELD;
}

/* Whether the image is in place: then all is. */
static gboolean
replStockIsImagePlaced(ReplStockTarget *target, const ReplStockSight *sight)
{
    REPL_GUARD(&target->journal->lock);
    const ReplJobRecord *record = target->journal->record;

    for (guint i = 0; i < record->layers->len && i < sight->states->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (g_str_equal(layer->volume, record->volume))
            return g_array_index(sight->states, int, i) == REPL_STOCK_PLACED;
    }
    return FALSE;
}

/* Removes all volumes of the job, overlays before their backing files. */
static int
replStockUndoAll(ReplStockTarget *target, const ReplStockSight *sight, GError **err)
{
    const char *job = target->journal->record->id;
    guint count = sight->states->len;

    if (replStockIsImagePlaced(target, sight))
        return 0;
    for (guint i = count; i-- > 0;) {
        g_autoptr(ReplStockHeld) held = replStockTargetHeld(target, i);

        if (held->nonce_bytes && replStockTargetGiveBack(target, held, err) < 0)
            return -1;
    }
    if (replPartialsDrop(target->home, job, err) < 0)
        return -1;
    REPL_GUARD(&target->journal->lock);
    g_ptr_array_set_size(target->journal->record->layers, 0);
    target->journal->accepted = target->journal->record->holdsPlaceholder = FALSE;
    replStockTargetShowNames(target);
    return 0;
}

/* When the peer's file system is full, empties the volumes that are half written; their names stay held. */
static int
replStockUndoPartials(ReplStockTarget *target, const ReplStockSight *sight, GError **err)
{
    if (sight->available_bytes >= REPL_STOCK_FULL_bytes)
        return 0;
    for (guint i = 0; i < sight->states->len; i++) {
        g_autoptr(ReplStockHeld) held = replStockTargetHeld(target, i);

        if (g_array_index(sight->states, int, i) != REPL_STOCK_MARKED)
            continue;
        if (replStockTargetTake(target, held, TRUE, NULL, err) < 0)
            return -1;
        REPL_GUARD(&target->journal->lock);
        ReplJobLayer *layer = g_ptr_array_index(target->journal->record->layers, i);

        layer->done = FALSE;
        layer->checkpoint_bytes = 0;
        layer->ino = 0;
    }
    return 0;
}

/* Whether no volume was ever asked of the peer, so that there is none to remove. */
static gboolean
replStockIsUntouched(ReplStockTarget *target)
{
    REPL_GUARD(&target->journal->lock);

    for (guint i = 0; i < target->journal->record->layers->len; i++) {
        if (((const ReplJobLayer *)g_ptr_array_index(target->journal->record->layers, i))->holder)
            return FALSE;
    }
    return TRUE;
}

int
replStockTargetUndo(ReplTarget *base, ReplUndo what, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    g_autoptr(ReplStockSight) sight = NULL;

    if (replStockIsUntouched(target))
        return 0;
    if (replStockTargetOpen(target, err) < 0 || !(sight = replStockTargetSee(target, err)))
        return -1;
    return what == REPL_UNDO_ALL ? replStockUndoAll(target, sight, err)
                                 : replStockUndoPartials(target, sight, err);
}
