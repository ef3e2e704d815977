/*
 * job.c: a job's state, progress and steering; its work is in attempt.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/job.h"

#include "base/lock.h"
#include "base/log.h"
#include "job/jobpriv.h"

ReplJob *
replJobNew(const char *id, const char *lane, const ReplJobOps *ops, void *opaque,
           guint64 bandwidth_bytesPerSec)
{
    ReplJob *job = g_new0(ReplJob, 1);
    gint64 now_us = g_get_monotonic_time();

    job->refs = 1;
    job->id = g_strdup(id);
    job->lane = g_strdup(lane);
    job->ops = ops;
    job->opaque = opaque;
    job->traffic = replTrafficNew();
    job->keys = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(job->keys, g_strdup(lane));
    replLockInit(&job->order);
    replLockInit(&job->monitor);
    job->info = replJobInfoNew(id);
    job->info->state = REPL_JOB_PLANNED;
    job->info->bandwidth_bytesPerSec = bandwidth_bytesPerSec;
    replLimitInit(&job->limit, bandwidth_bytesPerSec, now_us);
    replMeterReset(&job->meter, now_us);
    return job;
}

ReplJob *
replJobRef(ReplJob *job)
{
    g_atomic_int_inc(&job->refs);
    return job;
}

void
replJobUnref(ReplJob *job)
{
    if (!job || !g_atomic_int_dec_and_test(&job->refs))
        return;
    if (job->ops->release)
        job->ops->release(job->opaque);
    replLimiterUnref(job->shared);
    replLockClear(&job->order);
    replLockClear(&job->monitor);
    replJobInfoFree(job->info);
    replTrafficUnref(job->traffic);
    g_ptr_array_unref(job->keys);
    g_free(job->lane);
    g_free(job->id);
    g_free(job);
}

void
replJobRestore(ReplJob *job, const ReplJobInfo *info)
{
    guint i;

    REPL_GUARD(&job->monitor);
    replJobInfoFree(job->info);
    job->info = replJobInfoCopy(info);
    g_free(job->info->id);
    job->info->id = g_strdup(job->id);
    if (replJobStateIsActive(info->state))
        job->info->state = REPL_JOB_QUEUED;
    for (i = 0; i < job->info->steps->len; i++) {
        ReplStep *step = g_ptr_array_index(job->info->steps, i);

        if (step->state == REPL_STEP_RUNNING)
            step->state = REPL_STEP_WAITING;
    }
    job->info->position = 0;
    job->shown_percent = replJobInfoProgress(job->info);
    job->actual_bytes = job->info->processed_bytes;
    job->before_bytes = info->wire_bytes;
    replLimitSetRate(&job->limit, info->bandwidth_bytesPerSec, g_get_monotonic_time());
}

void
replJobAddKey(ReplJob *job, const char *key)
{
    g_ptr_array_add(job->keys, g_strdup(key));
}

const char *
replJobId(const ReplJob *job)
{
    return job->id;
}

const char *
replJobLane(const ReplJob *job)
{
    return job->lane;
}

void *
replJobOpaque(const ReplJob *job)
{
    return job->opaque;
}

ReplTraffic *
replJobTraffic(const ReplJob *job)
{
    return job->traffic;
}

ReplJobState
replJobState(ReplJob *job)
{
    REPL_GUARD(&job->monitor);

    return job->info->state;
}

/* The smallest count of bytes that shows as @percent of @total. */
static guint64
replJobPercentBytes(guint64 total_bytes, guint percent)
{
    guint64 whole = total_bytes / 100 * percent;

    return whole + (total_bytes % 100 * percent + 99) / 100;
}

/* Lifts what is shown to what is there; it never goes down, even when the total has grown. */
static void
replJobShow(ReplJob *job)
{
    ReplJobInfo *info = job->info;
    guint64 shown_bytes = MAX(info->processed_bytes, job->actual_bytes);

    if (info->state == REPL_JOB_COMPLETED)
        shown_bytes = info->total_bytes;
    info->processed_bytes = MIN(shown_bytes, info->total_bytes);
    if (replJobInfoProgress(info) < job->shown_percent)
        info->processed_bytes = replJobPercentBytes(info->total_bytes, job->shown_percent);
    job->shown_percent = MAX(job->shown_percent, replJobInfoProgress(info));
}

ReplJobInfo *
replJobSnapshot(ReplJob *job)
{
    ReplJobInfo *info;
    gint64 now_us = g_get_monotonic_time();

    replJobShow(job);
    info = replJobInfoCopy(job->info);
    info->link_bytesPerSec = replTrafficLinkRate(job->traffic);
    info->wire_bytes = job->before_bytes + replTrafficBytes(job->traffic);
    info->rate_bytesPerSec = 0;
    info->eta_s = -1;
    if (info->state == REPL_JOB_RUNNING) {
        guint64 actual_bytes = MIN(job->actual_bytes, info->total_bytes);

        info->rate_bytesPerSec = replMeterRate(&job->meter, now_us);
        info->eta_s = replMeterEta(info->total_bytes - actual_bytes, info->rate_bytesPerSec);
    }
    return info;
}

ReplJobInfo *
replJobInfo(ReplJob *job)
{
    ReplJobInfo *info;
    REPL_GUARD(&job->monitor);

    info = replJobSnapshot(job);
    if (info->state == REPL_JOB_RUNNING && (info->peer = replTrafficAwaited(job->traffic)))
        info->state = REPL_JOB_WAITING;
    return info;
}

/* --- the one transition function --- */

gboolean
replJobIsBarred(const ReplJob *job, ReplJobState to)
{
    if (job->cancel)
        return to != REPL_JOB_CANCELLED && to != REPL_JOB_COMPLETED;
    if (job->interrupt)
        return replJobStateIsActive(to);
    return job->settling && to == REPL_JOB_PAUSED;
}

/* Changes the fields that go with the state. */
static void
replJobEnter(ReplJobInfo *info, ReplJobState to, const GError *why)
{
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;

    if (to == REPL_JOB_RUNNING && info->started_s == 0)
        info->started_s = now_s;
    if (info->state == REPL_JOB_FAILED && to == REPL_JOB_QUEUED)
        info->started_s = 0; /* a retry is timed by itself */
    info->ended_s = replJobStateIsEnded(to) ? now_s : 0;
    info->errorCode = !why ? 0 : why->domain == REPL_ERROR ? why->code : VIR_ERR_INTERNAL_ERROR;
    g_free(info->error);
    info->error = why ? g_strdup(why->message) : NULL;
    info->position = 0;
    info->rate_bytesPerSec = 0;
    info->eta_s = -1;
    info->state = to;
    if (to == REPL_JOB_COMPLETED)
        info->processed_bytes = info->total_bytes;
}

/* The job is now as @info says; job->monitor is held. */
static void
replJobAssume(ReplJob *job, const ReplJobInfo *info)
{
    replJobInfoFree(job->info);
    job->info = replJobInfoCopy(info);
    replMeterReset(&job->meter, g_get_monotonic_time());
    replLockWake(&job->monitor);
}

/* Persists and shows an end, in this order. job->order is held. */
static void
replJobEnd(ReplJob *job, const ReplJobInfo *info)
{
    if (job->ops->record)
        job->ops->record(job, info, job->opaque);
    replLockTake(&job->monitor);
    replJobAssume(job, info);
    replLockDrop(&job->monitor);
    if (job->ops->ended)
        job->ops->ended(job, info, job->opaque);
}

static void
replJobLog(ReplJob *job, ReplJobState from, const ReplJobInfo *info)
{
    g_autofree char *what = job->ops->describe ? job->ops->describe(job, job->opaque) : NULL;
    gint64 took_s = MAX(info->ended_s - info->started_s, 0);

    if (!what)
        what = g_strdup("-");
    if (info->state == REPL_JOB_RUNNING)
        replInfo("replication job %s (%s): %s", job->id, what,
                 info->processed_bytes > 0 ? "goes on" : "starts");
    else if (!replJobStateIsEnded(info->state))
        replDebug("replication job %s (%s): %s -> %s", job->id, what, replJobStateToString(from),
                  replJobStateToString(info->state));
    else if (info->started_s == 0)
        replInfo("replication job %s (%s): %s before it ran%s%s", job->id, what,
                 replJobStateToString(info->state), info->error ? ": " : "", info->error ? info->error : "");
    else
        replInfo("replication job %s (%s): %s, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                 " bytes in %" G_GINT64_FORMAT " s, %" G_GUINT64_FORMAT " bytes/s%s%s",
                 job->id, what, replJobStateToString(info->state), info->processed_bytes, info->total_bytes,
                 took_s, info->processed_bytes / (guint64)MAX(took_s, 1), info->error ? ": " : "",
                 info->error ? info->error : "");
}

gboolean
replJobMove(ReplJob *job, ReplJobState from, ReplJobState to, const GError *why)
{
    g_autoptr(ReplJobInfo) info = NULL;

    replLockTake(&job->order);
    replLockTake(&job->monitor);
    if (job->info->state == from && replJobMayMove(from, to) && !replJobIsBarred(job, to)) {
        info = replJobSnapshot(job);
        replJobEnter(info, to, why);
        if (!replJobStateIsEnded(to)) {
            replJobAssume(job, info);
            replJobInfoFree(info);
            info = replJobSnapshot(job);
        }
    }
    replLockDrop(&job->monitor);
    if (info && replJobStateIsEnded(to))
        replJobEnd(job, info);
    else if (info && job->ops->record)
        job->ops->record(job, info, job->opaque);
    if (info)
        replJobLog(job, from, info);
    replLockDrop(&job->order);
    if (info)
        replJobNotify(job);
    return info != NULL;
}

void
replJobFailAgain(ReplJob *job, const GError *why)
{
    g_autoptr(ReplJobInfo) info = NULL;

    REPL_GUARD(&job->order);
    replLockTake(&job->monitor);
    info = replJobSnapshot(job);
    replLockDrop(&job->monitor);
    replJobEnter(info, REPL_JOB_FAILED, why);
    replJobEnd(job, info);
}

void
replJobNotify(ReplJob *job)
{
    const ReplJobHost *host;
    void *opaque;

    replLockTake(&job->monitor);
    host = job->host;
    opaque = job->hostOpaque;
    replLockDrop(&job->monitor);
    if (host)
        host->changed(job, opaque);
}

/* --- progress --- */

void
replJobSetSteps(ReplJob *job, const GPtrArray *steps, guint64 peakSpace_bytes)
{
    guint64 total_bytes = 0;
    guint i;

    REPL_GUARD(&job->monitor);
    replJobShow(job); /* by the old total */
    g_ptr_array_set_size(job->info->steps, 0);
    for (i = 0; i < steps->len; i++) {
        const ReplStep *step = g_ptr_array_index(steps, i);

        g_ptr_array_add(job->info->steps, replStepCopy(step));
        if (!g_uint64_checked_add(&total_bytes, total_bytes, step->bytes))
            total_bytes = G_MAXUINT64;
    }
    job->info->total_bytes = total_bytes;
    job->info->peakSpace_bytes = peakSpace_bytes;
    replJobShow(job);
}

void
replJobSetWithout(ReplJob *job, const char *without)
{
    REPL_GUARD(&job->monitor);

    g_free(job->info->without);
    job->info->without = g_strdup(without);
}

void
replJobSetOwner(ReplJob *job, const char *host)
{
    REPL_GUARD(&job->monitor);

    g_free(job->info->host);
    job->info->host = g_strdup(host);
}

void
replJobSetStepState(ReplJob *job, guint index, ReplStepState state)
{
    REPL_GUARD(&job->monitor);

    if (index < job->info->steps->len)
        ((ReplStep *)g_ptr_array_index(job->info->steps, index))->state = state;
}

void
replJobSetProcessed(ReplJob *job, guint64 bytes)
{
    REPL_GUARD(&job->monitor);

    job->actual_bytes = bytes;
}

void
replJobAdvance(ReplJob *job, guint64 bytes)
{
    REPL_GUARD(&job->monitor);

    if (!g_uint64_checked_add(&job->actual_bytes, job->actual_bytes, bytes))
        job->actual_bytes = G_MAXUINT64;
    replMeterAdd(&job->meter, bytes, g_get_monotonic_time());
}

/* --- for the queue --- */

gboolean
replJobSetHost(ReplJob *job, const ReplJobHost *host, void *opaque, ReplLimiter *shared)
{
    REPL_GUARD(&job->monitor);

    if (host && job->host)
        return FALSE;
    job->host = host;
    job->hostOpaque = opaque;
    replLimiterUnref(job->shared);
    job->shared = shared ? replLimiterRef(shared) : NULL;
    return TRUE;
}

void
replJobSetPosition(ReplJob *job, guint position)
{
    REPL_GUARD(&job->monitor);

    job->info->position = job->info->state == REPL_JOB_QUEUED ? position : 0;
}
