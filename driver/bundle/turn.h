/*
 * turn.h: threads that carry pieces of one stream of bytes take turns
 *
 * In:    where each piece stands; the pieces touch each other and come from many threads in about their order.
 * Out:   the turn, piece by piece in order. Who has it works on the stream alone.
 * Owner: the reader or writer that it is a part of.
 * Lock:  lock, which may guard more of its owner's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"

typedef struct {
    ReplLock lock;
    /* Guarded by lock. */
    guint64 next_bytes; /* of whose piece it is the turn */
    gboolean taken;     /* a thread has it */
    gboolean stopped;   /* nobody gets it any more */
    GError *error;      /* why, NULL: from outside */
} ReplTurn;

void
replTurnInit(ReplTurn *turn, guint64 next_bytes);

void
replTurnClear(ReplTurn *turn);

/* Ends all waits, now and for ever. @why (taken over): an error of the stream; the first one counts. NULL: from outside. */
void
replTurnStop(ReplTurn *turn, GError *why);

/* Sets @err to why it was stopped (VIR_ERR_OPERATION_ABORTED: from outside). Returns -1. */
int
replTurnStopped(ReplTurn *turn, GError **err);

/* Waits until the piece at @offset is next, and takes the turn. FALSE: it was stopped. */
gboolean
replTurnTake(ReplTurn *turn, guint64 offset);

/* Gives the turn to the piece behind @length bytes. */
void
replTurnPass(ReplTurn *turn, guint64 length);
