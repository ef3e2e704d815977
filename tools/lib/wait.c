/*
 * wait.c: waiting for jobs, by asking
 *
 * libvirt has events of pools, but none of a job's progress, and an application without an event
 * loop gets none at all: asking each replica 5 times a second costs the daemon less than a
 * thousandth of a core.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "overview.h"

#define REPL_WAIT_us (200 * 1000)

/* The volume is gone: its job was cancelled, or its image deleted. */
static void
replWaitGone(virtReplicationJob **job)
{
    if (!*job)
        *job = g_new0(virtReplicationJob, 1);
    if (virtReplicationJobStateIsEnded((*job)->state) && (*job)->id)
        return;
    g_free((*job)->stateName);
    (*job)->stateName = g_strdup("cancelled");
    (*job)->state = VIRT_REPLICATION_JOB_CANCELLED;
    (*job)->eta = -1;
    (*job)->rate = 0;
}

/* Asks for one job anew. */
static int
replWaitAsk(virStorageVolPtr vol, virtReplicationJob **job)
{
    virtReplicationJob *now = virtReplicationJobGet(vol);

    if (now) {
        virtReplicationJobFree(*job);
        *job = now;
        return 0;
    }
    if (replErrorCode() != VIR_ERR_NO_STORAGE_VOL)
        return -1;
    replErrorReset();
    replWaitGone(job);
    return 0;
}

/* One round. Returns how many have not ended, -1 on error. */
static int
replWaitRound(virStorageVolPtr *vols, size_t nvols, virtReplicationJob **jobs,
              virtReplicationProgressFunc progress, void *opaque)
{
    int left = 0;
    size_t i;

    for (i = 0; i < nvols; i++) {
        if (!(jobs[i] && virtReplicationJobStateIsEnded(jobs[i]->state)) &&
            replWaitAsk(vols[i], &jobs[i]) < 0)
            return -1;
        if (progress && progress(i, jobs[i], opaque) != 0)
            return replError(VIR_ERR_OPERATION_ABORTED, _("Waiting was stopped; the jobs go on"));
        left += !virtReplicationJobStateIsEnded(jobs[i]->state);
    }
    return left;
}

static int
replWaitAll(virStorageVolPtr *vols, size_t nvols, virtReplicationJob **jobs,
            virtReplicationProgressFunc progress, void *opaque, int timeout_ms)
{
    gint64 end_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    for (;;) {
        int left = replWaitRound(vols, nvols, jobs, progress, opaque);

        if (left <= 0)
            return left;
        if (timeout_ms >= 0 && g_get_monotonic_time() >= end_us)
            return replError(VIR_ERR_OPERATION_TIMEOUT, _("After %d ms %d jobs have not ended; they go on"),
                             timeout_ms, left);
        g_usleep(REPL_WAIT_us);
    }
}

int
virtReplicationJobWait(virStorageVolPtr *vols, size_t nvols, virtReplicationProgressFunc progress,
                       void *opaque, int timeout_ms)
{
    g_autofree virtReplicationJob **jobs = g_new0(virtReplicationJob *, nvols);
    int ret;
    size_t i;

    replErrorReset();
    ret = replWaitAll(vols, nvols, jobs, progress, opaque, timeout_ms);
    for (i = 0; i < nvols; i++) {
        if (ret >= 0 && jobs[i]->state != VIRT_REPLICATION_JOB_COMPLETED)
            ret++;
        virtReplicationJobFree(jobs[i]);
    }
    return ret;
}
