/*
 * pending.c: what a client does with a replica that is not there yet
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/pending.h"

#include "stack/work.h"

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
    if (replJobWaitFor(job, REPL_PENDING_CANCEL_MS))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_TIMEOUT,
                 _("Replication job '%s' is cancelled, but has not ended within %d seconds"),
                 replJobId(job), REPL_PENDING_CANCEL_MS / 1000);
    return -1;
}

void
replPendingSizes(ReplJob *job, guint64 *capacity_bytes, guint64 *allocation_bytes)
{
    ReplWork *work = replJobOpaque(job);
    g_autoptr(ReplJobInfo) info = replJobInfo(job);

    g_mutex_lock(&work->lock);
    *capacity_bytes = work->capacity_bytes;
    g_mutex_unlock(&work->lock);
    *allocation_bytes = info->processed_bytes;
}
