/*
 * pending.c: what a client does with a replica that is not there yet
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/pending.h"

/* A job stops within one block and removes a few files; a disk that hangs may take longer. */
#define REPL_PENDING_CANCEL_MS (20 * 1000)

int
replPendingCancel(ReplJob *job, GError **err)
{
    g_autoptr(GError) refused = NULL;

    if (replJobDo(job, REPL_VERB_CANCEL, &refused) < 0) {
        /* It is past the point of return, and will have ended in a moment. */
        if (replJobWaitFor(job, REPL_PENDING_CANCEL_MS) && replJobState(job) == REPL_JOB_COMPLETED)
            return 1;
        g_propagate_error(err, g_steal_pointer(&refused));
        return -1;
    }
    if (replJobWaitFor(job, REPL_PENDING_CANCEL_MS)) {
        g_autoptr(ReplJobInfo) info = replJobInfo(job);

        if (info->state == REPL_JOB_CANCELLED)
            return 0;
        replErrorSet(err, info->errorCode ? info->errorCode : VIR_ERR_OPERATION_FAILED,
                     _("Replication job '%s' cannot be cancelled: %s"), replJobId(job),
                     info->error ? info->error : "?");
        return -1;
    }
    replErrorSet(err, VIR_ERR_OPERATION_TIMEOUT,
                 _("Replication job '%s' is cancelled, but has not ended within %d seconds"), replJobId(job),
                 REPL_PENDING_CANCEL_MS / 1000);
    return -1;
}
