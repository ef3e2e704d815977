/*
 * pulse.c: whether the daemon at the other end of a connection is still there, asked from time to time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/pulse.h"

#include <libvirt/virterror.h>

#define REPL_PULSE_TICK_us (G_USEC_PER_SEC / 2)

typedef struct {
    ReplCallTask task;
    ReplLink *link; /* a reference */
} ReplPulseQuestion;

static void
replPulseRun(ReplCallTask *task)
{
    unsigned long version;

    /* Any answer will do, a refusal as well; and libvirt itself tells when the connection ends. */
    virConnectGetLibVersion(((ReplPulseQuestion *)task)->link->conn, &version);
    virResetLastError();
}

static void
replPulseRelease(ReplCallTask *task)
{
    replLinkUnref(((ReplPulseQuestion *)task)->link);
}

static void
replPulseAsk(ReplPulse *pulse, ReplLink *link)
{
    ReplPulseQuestion *question = replCallTaskNew(sizeof(*question), replPulseRun, replPulseRelease);

    question->link = replLinkRef(link);
    /* Where there is no thread to ask in, nothing is known about the peer. */
    if (replCallsStart(link->calls, &question->task, NULL) == 0)
        pulse->question = &question->task;
    else
        replCallTaskUnref(&question->task);
}

gboolean
replPulseBeats(ReplPulse *pulse, ReplLink *link, guint wait_s, gint64 *again_us)
{
    gint64 now_us = g_get_monotonic_time();

    if (pulse->question && replCallsWait(link->calls, pulse->question, 0, FALSE) == REPL_CALL_DONE)
        g_clear_pointer(&pulse->question, replCallTaskUnref);
    if (!pulse->question && now_us >= pulse->asked_us + MAX(1, wait_s / 5) * G_USEC_PER_SEC) {
        replPulseAsk(pulse, link);
        pulse->asked_us = now_us;
    }
    *again_us = now_us + REPL_PULSE_TICK_us;
    return !pulse->question || now_us < pulse->asked_us + wait_s * G_USEC_PER_SEC;
}

void
replPulseClear(ReplPulse *pulse)
{
    g_clear_pointer(&pulse->question, replCallTaskUnref);
    pulse->asked_us = 0;
}
