/*
 * checkwait.c: what an attempt of a check waits for on other hosts, and the end of that
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/checkpriv.h"

void
replCheckAsks(ReplCheck *check, ReplSource *source)
{
    REPL_GUARD(&check->lock);

    check->asked = source;
    if (source && check->stopping)
        replSourceCancel(source);
}

void
replCheckStopWaits(ReplCheck *check, gboolean stop)
{
    REPL_GUARD(&check->lock);

    check->stopping = stop;
    if (stop && check->asked)
        replSourceCancel(check->asked);
}
