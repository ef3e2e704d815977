/*
 * turn.c: threads that carry pieces of one stream of bytes take turns
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/turn.h"

#include "base/error.h"

void
replTurnInit(ReplTurn *turn, guint64 next_bytes)
{
    replLockInit(&turn->lock);
    turn->next_bytes = next_bytes;
}

void
replTurnClear(ReplTurn *turn)
{
    g_clear_error(&turn->error);
    replLockClear(&turn->lock);
}

void
replTurnStop(ReplTurn *turn, GError *why)
{
    REPL_GUARD(&turn->lock);

    if (!turn->error && why)
        turn->error = g_steal_pointer(&why);
    g_clear_error(&why);
    turn->stopped = TRUE;
    replLockWake(&turn->lock);
}

int
replTurnStopped(ReplTurn *turn, GError **err)
{
    REPL_GUARD(&turn->lock);

    if (turn->error)
        g_propagate_error(err, g_error_copy(turn->error));
    else
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "%s", _("The copy was ended"));
    return -1;
}

gboolean
replTurnTake(ReplTurn *turn, guint64 offset)
{
    REPL_GUARD(&turn->lock);

    while (!turn->stopped && (turn->taken || turn->next_bytes != offset))
        replLockWait(&turn->lock);
    turn->taken = !turn->stopped;
    return turn->taken;
}

void
replTurnPass(ReplTurn *turn, guint64 length)
{
    REPL_GUARD(&turn->lock);

    turn->next_bytes += length;
    turn->taken = FALSE;
    replLockWake(&turn->lock);
}
