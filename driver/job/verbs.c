/*
 * verbs.c: how a job is steered from outside
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/job.h"

#include "job/jobpriv.h"

static int
replJobRefuse(ReplJob *job, ReplJobState state, ReplVerb verb, GError **err)
{
    const char *word = replVerbToString(verb);

    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Replication job '%s' is %s: the action '%s' is not possible in this state"), job->id,
                 replJobStateToString(state), word ? word : "?");
    return -1;
}

static int
replJobCancel(ReplJob *job, GError **err)
{
    ReplJobState state;
    gboolean refused, idle;

    replLockTake(&job->monitor);
    state = job->info->state;
    refused = !replJobVerbAllowed(state, REPL_VERB_CANCEL);
    idle = !refused && !job->cancel && !job->attempt;
    if (!refused)
        job->cancel = TRUE;
    if (idle)
        job->attempt = job->settling = TRUE; /* it is ours now */
    replLockWake(&job->monitor);
    replLockDrop(&job->monitor);
    if (refused)
        return replJobRefuse(job, state, REPL_VERB_CANCEL, err);
    if (!idle)
        replJobWakeWork(job);
    return idle ? replJobDiscard(job, err) : 0;
}

int
replJobDo(ReplJob *job, ReplVerb verb, GError **err)
{
    if (verb == REPL_VERB_CANCEL)
        return replJobCancel(job, err);

    for (;;) {
        ReplJobState state;
        gboolean ending;
        int to;

        replLockTake(&job->monitor);
        state = job->info->state;
        to = replJobVerbTarget(state, verb);
        ending = to >= 0 && replJobIsBarred(job, to);
        replLockDrop(&job->monitor);
        if (to < 0)
            return replJobRefuse(job, state, verb, err);
        if (ending) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Replication job '%s' is %s and just ending: the action '%s' is not "
                           "possible any more"),
                         job->id, replJobStateToString(state), replVerbToString(verb));
            return -1;
        }
        if (replJobMove(job, state, to, NULL))
            return 0;
        /* It moved on by itself meanwhile: look again. */
    }
}

int
replJobSetBandwidth(ReplJob *job, guint64 rate_bytesPerSec, GError **err)
{
    g_autoptr(ReplJobInfo) info = NULL;

    REPL_GUARD(&job->order);
    replLockTake(&job->monitor);
    if (job->info->state != REPL_JOB_COMPLETED && job->info->state != REPL_JOB_CANCELLED) {
        job->info->bandwidth_bytesPerSec = rate_bytesPerSec;
        replLimitSetRate(&job->limit, rate_bytesPerSec, g_get_monotonic_time());
        replLockWake(&job->monitor);
    }
    info = replJobSnapshot(job);
    replLockDrop(&job->monitor);
    if (info->state == REPL_JOB_COMPLETED || info->state == REPL_JOB_CANCELLED) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Replication job '%s' is %s: it has no bandwidth to change"), job->id,
                     replJobStateToString(info->state));
        return -1;
    }
    if (job->ops->record)
        job->ops->record(job, info, job->opaque);
    return 0;
}
