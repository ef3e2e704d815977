/*
 * attempt.c: the work of a job: phases, pause, limits, the end, and waiting for it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/lock.h"
#include "base/log.h"
#include "job/jobpriv.h"

/* How long a change of the daemon's limit may go unnoticed; all else wakes the waiting at once. */
#define ATTEMPT_LOOK_US (100 * 1000)

/* --- going on, or not; called with job->monitor held --- */

static int
replJobStopped(ReplJob *job, GError **err)
{
    if (job->cancel) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("Replication job '%s' was cancelled"), job->id);
        return -1;
    }
    if (job->interrupt) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED,
                     _("Replication job '%s' was interrupted by the shutdown of the daemon and "
                       "goes on when it starts again"),
                     job->id);
        return -1;
    }
    return 0;
}

/* Gives the turn to others. The monitor is released meanwhile. */
static void
replJobPark(ReplJob *job)
{
    const ReplJobHost *host = job->host;
    void *opaque = job->hostOpaque;

    job->hasTurn = FALSE;
    replLockDrop(&job->monitor);
    if (host)
        host->turnFree(job, opaque);
    replLockTake(&job->monitor);
}

/* Waits until the job is in an active state: through a pause, and the queueing after it. */
static int
replJobGate(ReplJob *job, GError **err)
{
    for (;;) {
        ReplJobState state = job->info->state;

        if (replJobStopped(job, err) < 0)
            return -1;
        if (replJobStateIsActive(state))
            return 0;
        if (state == REPL_JOB_PAUSED && job->hasTurn) {
            replJobPark(job);
        } else if (state == REPL_JOB_QUEUED && job->hasTurn) {
            replLockDrop(&job->monitor);
            replJobMove(job, REPL_JOB_QUEUED, REPL_JOB_RUNNING, NULL);
            replLockTake(&job->monitor);
        } else {
            replLockWait(&job->monitor);
        }
    }
}

static int
replJobGateLocked(ReplJob *job, GError **err)
{
    REPL_GUARD(&job->monitor);

    return replJobGate(job, err);
}

/* Waits in the lines of both limits at once. Returns 1 when both admit, 0 when the job is to pause,
 * -1 when it is to stop; other than 1, the caller gives the reservations back. */
static int
replJobInLine(ReplJob *job, guint64 own, guint64 shared, GError **err)
{
    for (;;) {
        gint64 now_us = g_get_monotonic_time();
        gint64 wait_us = replLimitWait(&job->limit, own, now_us);

        if (replJobStopped(job, err) < 0)
            return -1;
        if (!replJobStateIsActive(job->info->state))
            return 0;
        if (job->shared)
            wait_us = MAX(wait_us, replLimiterWait(job->shared, shared));
        if (wait_us == 0)
            return 1;
        replLockWaitUntil(&job->monitor, now_us + MIN(wait_us, ATTEMPT_LOOK_US));
    }
}

int
replJobAdmit(ReplJob *job, guint64 bytes, GError **err)
{
    REPL_GUARD(&job->monitor);

    for (;;) {
        guint64 own, shared;
        int rc;

        if (replJobGate(job, err) < 0)
            return -1;
        if (bytes == 0)
            return 0;
        own = replLimitReserve(&job->limit, bytes, g_get_monotonic_time());
        shared = job->shared ? replLimiterReserve(job->shared, bytes) : 0;
        rc = replJobInLine(job, own, shared, err);
        if (rc > 0)
            return 0;
        replLimitRefund(&job->limit, bytes, g_get_monotonic_time());
        if (job->shared)
            replLimiterRefund(job->shared, bytes);
        if (rc < 0)
            return -1;
    }
}

int
replJobCheck(ReplJob *job, GError **err)
{
    return replJobAdmit(job, 0, err);
}

int
replJobRequeue(ReplJob *job, GError **err)
{
    int rc;

    /* A pause that came first has taken the job out of the line already. */
    replJobMove(job, REPL_JOB_RUNNING, REPL_JOB_QUEUED, NULL);
    replLockTake(&job->monitor);
    if (job->hasTurn && job->info->state == REPL_JOB_QUEUED)
        replJobPark(job);
    replLockDrop(&job->monitor);
    /* The move was told while the job had its turn still: only now it stands in line. */
    replJobNotify(job);
    replLockTake(&job->monitor);
    rc = replJobGate(job, err);
    replLockDrop(&job->monitor);
    return rc;
}

gboolean
replJobIsInterrupted(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    return job->interrupt;
}

/* --- the phases --- */

typedef int (*ReplJobPhase)(ReplJob *job, void *opaque, GError **err);

/* Reaches @to by way of a gate; a pause may come between the two. */
static int
replJobReach(ReplJob *job, ReplJobState from, ReplJobState to, GError **err)
{
    do {
        if (replJobGateLocked(job, err) < 0)
            return -1;
    } while (!replJobMove(job, from, to, NULL));
    return 0;
}

static int
replJobDoPhase(ReplJob *job, ReplJobPhase phase, const char *name, GError **err)
{
    if (!phase || phase(job, job->opaque, err) == 0)
        return 0;
    if (err && !*err)
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                     _("Replication job '%s' failed without a reason in phase %s"), job->id, name);
    return -1;
}

static int
replJobPhases(ReplJob *job, GError **err)
{
    const ReplJobOps *ops = job->ops;

    /* The gate moves the job from queued to running. */
    if (replJobGateLocked(job, err) < 0 || replJobDoPhase(job, ops->prepare, "prepare", err) < 0)
        return -1;
    if (replJobGateLocked(job, err) < 0 || replJobDoPhase(job, ops->run, "run", err) < 0)
        return -1;
    if (replJobReach(job, REPL_JOB_RUNNING, REPL_JOB_VERIFYING, err) < 0 ||
        replJobDoPhase(job, ops->verify, "verify", err) < 0)
        return -1;
    /* From here on a cancel is refused: publishing either commits or fails. */
    if (replJobReach(job, REPL_JOB_VERIFYING, REPL_JOB_PUBLISHING, err) < 0)
        return -1;
    return replJobDoPhase(job, ops->publish, "publish", err);
}

/* --- the end --- */

/* Moves the job from its current state to @to, unless the table or a bar forbids it. */
static void
replJobSettleIn(ReplJob *job, ReplJobState to, const GError *why)
{
    ReplJobState from;

    do {
        from = replJobState(job);
        if (!replJobMayMove(from, to))
            return;
    } while (!replJobMove(job, from, to, why) && replJobState(job) != from);
}

static void
replJobClean(ReplJob *job)
{
    if (job->ops->clean)
        job->ops->clean(job, job->opaque);
}

/* What could not be undone is not cancelled: it can be tried again. */
static void
replJobStays(ReplJob *job, const GError *why)
{
    replLockTake(&job->monitor);
    job->cancel = FALSE;
    replLockDrop(&job->monitor);
    if (replJobState(job) == REPL_JOB_FAILED)
        replJobFailAgain(job, why);
    else
        replJobSettleIn(job, REPL_JOB_FAILED, why);
}

/* Undoes the attempt, lets go of everything, and then moves to the state that this leaves the job in. Returns -1
 * with @err set when a cancelled job could not be undone. */
static int
replJobAbort(ReplJob *job, const GError *why, GError **err)
{
    g_autoptr(GError) remains = NULL;
    gboolean cancel, interrupt;
    int rc = 0;

    replLockTake(&job->monitor);
    cancel = job->cancel;
    interrupt = job->interrupt;
    replLockDrop(&job->monitor);

    if (job->ops->abort)
        rc = job->ops->abort(job, job->opaque, why, !cancel, &remains);
    replJobClean(job);
    if (cancel && rc < 0) {
        replJobStays(job, remains);
        g_propagate_error(err, g_steal_pointer(&remains));
        return -1;
    }
    if (cancel)
        replJobSettleIn(job, REPL_JOB_CANCELLED, NULL);
    else if (!interrupt)
        replJobSettleIn(job, REPL_JOB_FAILED, why);
    else if (replJobStateIsActive(replJobState(job)))
        replJobSettleIn(job, REPL_JOB_QUEUED, NULL); /* a paused job stays paused */
    return 0;
}

/* Ends the attempt. FALSE when a cancel came too late for it: the job is still to be undone. */
static gboolean
replJobRest(ReplJob *job)
{
    const ReplJobHost *host;
    void *opaque;
    gboolean hadTurn;

    replLockTake(&job->monitor);
    if (job->cancel && replJobMayMove(job->info->state, REPL_JOB_CANCELLED)) {
        replLockDrop(&job->monitor);
        return FALSE;
    }
    host = job->host;
    opaque = job->hostOpaque;
    hadTurn = job->hasTurn;
    job->attempt = job->settling = job->hasTurn = FALSE;
    replLockWake(&job->monitor);
    replLockDrop(&job->monitor);
    if (host && hadTurn)
        host->turnFree(job, opaque);
    if (host)
        host->changed(job, opaque);
    return TRUE;
}

int
replJobDiscard(ReplJob *job, GError **err)
{
    g_autoptr(GError) why = NULL;
    int rc;

    replErrorSet(&why, VIR_ERR_OPERATION_ABORTED, _("Replication job '%s' was cancelled"), job->id);
    do {
        g_clear_error(err);
        rc = replJobAbort(job, why, err);
    } while (!replJobRest(job));
    return rc;
}

static void
replJobSettle(ReplJob *job, gboolean committed, const GError *why)
{
    replLockTake(&job->monitor);
    job->settling = TRUE;
    replLockDrop(&job->monitor);

    if (committed) {
        replJobClean(job);
        replJobSettleIn(job, REPL_JOB_COMPLETED, NULL);
    } else {
        replJobAbort(job, why, NULL);
    }
    if (!replJobRest(job))
        replJobDiscard(job, NULL);
}

void
replJobAttempt(ReplJob *job)
{
    g_autoptr(GError) err = NULL;
    gboolean committed = replJobPhases(job, &err) == 0;

    replJobSettle(job, committed, err);
}

void
replJobFailAttempt(ReplJob *job, const GError *why)
{
    replJobSettle(job, FALSE, why);
}

/* --- turns --- */

/* Called with job->monitor held. */
static gboolean
replJobLacksTurn(const ReplJob *job)
{
    return job->info->state == REPL_JOB_QUEUED && !job->hasTurn && !job->settling && !job->cancel &&
           !job->interrupt;
}

gboolean
replJobWantsTurn(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    return replJobLacksTurn(job);
}

ReplJobGrant
replJobGrantTurn(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    if (!replJobLacksTurn(job))
        return REPL_GRANT_REFUSED;
    job->hasTurn = TRUE;
    job->info->position = 0;
    replLockWake(&job->monitor);
    if (job->attempt)
        return REPL_GRANT_RESUMED;
    job->attempt = TRUE;
    return REPL_GRANT_START;
}

gboolean
replJobIsToGoOn(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    return job->attempt && job->hasTurn && !job->settling;
}

gboolean
replJobIsBusy(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    return job->attempt;
}

void
replJobWakeWork(ReplJob *job)
{
    if (job->ops->stop)
        job->ops->stop(job, job->opaque);
}

void
replJobInterrupt(ReplJob *job)
{
    gboolean working;

    replLockTake(&job->monitor);
    job->interrupt = TRUE;
    working = job->attempt;
    replLockWake(&job->monitor);
    replLockDrop(&job->monitor);
    if (working)
        replJobWakeWork(job);
}

void
replJobWaitIdle(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    while (job->attempt)
        replLockWait(&job->monitor);
}

/* --- waiting for the end --- */

/* Waits until the job has ended, @deadline_us, or, if so wanted, the daemon's shutdown. */
static ReplJobState
replJobAwaitEnd(ReplJob *job, gint64 deadline_us, GError **err)
{
    const ReplJobInfo *info;

    REPL_GUARD(&job->monitor);
    while (job->attempt || !replJobStateIsEnded(job->info->state)) {
        if (job->interrupt && !job->attempt)
            break;
        if (deadline_us < G_MAXINT64 && g_get_monotonic_time() >= deadline_us)
            break;
        if (deadline_us < G_MAXINT64)
            replLockWaitUntil(&job->monitor, deadline_us);
        else
            replLockWait(&job->monitor);
    }
    info = job->info;
    if (info->state == REPL_JOB_FAILED)
        replErrorSet(err, info->errorCode ? info->errorCode : VIR_ERR_OPERATION_FAILED, "%s",
                     info->error ? info->error : _("The replication job failed"));
    else if (info->state == REPL_JOB_CANCELLED)
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("Replication job '%s' was cancelled"), job->id);
    else if (info->state != REPL_JOB_COMPLETED)
        replJobStopped(job, err);
    return job->attempt && replJobStateIsEnded(info->state) ? REPL_JOB_PUBLISHING : info->state;
}

int
replJobWait(ReplJob *job, GError **err)
{
    return replJobAwaitEnd(job, G_MAXINT64, err) == REPL_JOB_COMPLETED ? 0 : -1;
}

gboolean
replJobWaitFor(ReplJob *job, guint timeout_ms)
{
    gint64 deadline_us = g_get_monotonic_time() + timeout_ms * G_GINT64_CONSTANT(1000);

    return replJobStateIsEnded(replJobAwaitEnd(job, deadline_us, NULL));
}
