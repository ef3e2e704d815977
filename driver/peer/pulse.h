/*
 * pulse.h: whether the daemon at the other end of a connection is still there, asked from time to time
 *
 * Owner: a peer's connector (connection.c), which calls everything here, with its peer's lock held.
 * The question is made in the thread of the connection's calls, behind those that wait already: a call that hangs there and
 * a host that is gone are the same to all who wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/link.h"

/* Of one connection; zeroed at first. */
typedef struct {
    ReplCallTask *question; /* under way; NULL: none */
    gint64 asked_us;        /* when a question was asked last */
} ReplPulse;

/* Asks when it is time to, and looks for the answer. FALSE: there has been none for @wait_s seconds. *again_us: when to look
 * again (monotonic). */
gboolean
replPulseBeats(ReplPulse *pulse, ReplLink *link, guint wait_s, gint64 *again_us);

/* Waits for no answer any more. The question is left to its thread. */
void
replPulseClear(ReplPulse *pulse);
