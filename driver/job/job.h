/*
 * job.h: a job: its state, its progress, the way it is steered, and the contract of those who do
 * its work
 *
 * A job knows nothing of what it does: ReplJobOps does it. Nothing here does I/O but the ops.
 * Every function may be called by any thread unless it says otherwise.
 *
 * The contract of the ops. An attempt is, in one thread of the queue (job/queue.h),
 *
 *     prepare -> run -> verify -> publish
 *
 * each called once and only when the one before returned 0; then exactly one of
 *   - publish returned 0: the job is committed, or
 *   - abort,
 * then always clean, once. The state in which the job has ended can be seen only after clean. A job that is
 * cancelled while no attempt is under way (planned, queued, paused before it ran, failed) gets abort and
 * clean without the others, in the thread of the one who cancels: hold no lock there that these two take. A
 * retry, and a resume after a restart, is a new attempt: prepare looks at the world again and plans from what
 * is there.
 *
 *   prepare  plans, pins, makes what is needed; calls replJobSetSteps and replJobSetProcessed.
 *   run      moves the bytes; calls replJobAdmit before and replJobAdvance after each block.
 *   verify   proves what was written; replJobCheck now and then.
 *   publish  contains the commit point. Before it, -1 undoes everything; after it, publish returns
 *            0 in every case, and only warns.
 *   abort    undoes what prepare, run, verify and publish did, however far they came, also when
 *            prepare failed half-way or was never called. keepPartials TRUE: a later attempt can go on
 *            (shutdown, or a failure that may be retried), so keep what it can use unless @why, such
 *            as a full disk, speaks against it. FALSE: cancelled, nothing may remain. Returns 0, or -1
 *            with @err set when something remains: a cancelled job has failed then, for that reason,
 *            and can be cancelled again.
 *   stop     wakes what the attempt waits for elsewhere than in replJobAdmit (a peer, say): the job is
 *            cancelled, or the daemon shuts down. Called by any thread while an attempt is under way, perhaps
 *            several times; must not wait, nor call functions of the job or the queue.
 *   clean    lets go of what the attempt held: descriptors, pins, identities.
 *   record   persists the job as @info says: called by the one transition function, and when the
 *            bandwidth changes; one call at a time and in order. A state in which the job has ended
 *            is persisted before anybody can see it, others are seen first.
 *            It must not call replJobDo nor wait for the job. The job's other functions are
 *            free meanwhile. A failure to persist is record's own to log. (The transition has
 *            happened; a restart finds the older state and does a little more again.)
 *   ended    tells those who watch that the job has ended: what they see by then is @info.
 *   describe what the job does, for log lines, such as "image 'web.qcow2' to region 'cn-east-2'".
 *   release  frees @opaque, after the last reference to the job is gone.
 *
 * Any of them may be NULL. The first four return 0, or -1 with @err set.
 *
 * A pause works within replJobAdmit and replJobCheck and between the phases: there the thread
 * parks and gives its turn in the queue to others; after the resume the job queues for a turn
 * again. A cancel or a shutdown makes them return -1, which the op hands up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"
#include "base/traffic.h"
#include "job/limit.h"
#include "job/state.h"

typedef struct _ReplJob ReplJob;

typedef struct {
    int (*prepare)(ReplJob *job, void *opaque, GError **err);
    int (*run)(ReplJob *job, void *opaque, GError **err);
    int (*verify)(ReplJob *job, void *opaque, GError **err);
    int (*publish)(ReplJob *job, void *opaque, GError **err);
    int (*abort)(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials, GError **err);
    void (*stop)(ReplJob *job, void *opaque);
    void (*clean)(ReplJob *job, void *opaque);
    void (*record)(ReplJob *job, const ReplJobInfo *info, void *opaque);
    void (*ended)(ReplJob *job, const ReplJobInfo *info, void *opaque);
    char *(*describe)(ReplJob *job, void *opaque);
    void (*release)(void *opaque);
} ReplJobOps;

/* A planned job. @id: a UUID. @lane: the target region; the queue is fair between lanes.
 * @bandwidth_bytesPerSec: 0 is no limit. @ops must live as long as the module. */
ReplJob *
replJobNew(const char *id, const char *lane, const ReplJobOps *ops, void *opaque,
           guint64 bandwidth_bytesPerSec);

ReplJob *
replJobRef(ReplJob *job);

void
replJobUnref(ReplJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplJob, replJobUnref)

/* Takes over what the record of an earlier life of the daemon says: state, steps, progress, times,
 * bandwidth, error. Active states become queued. Before the job is submitted; records nothing. */
void
replJobRestore(ReplJob *job, const ReplJobInfo *info);

/* While @key is held (replQueueHold), the job waits in the queue. Its lane is one of its keys without being
 * added. Meant for the UUIDs of the pools that it needs. Before the job is submitted. */
void
replJobAddKey(ReplJob *job, const char *key);

const char *
replJobId(const ReplJob *job);

const char *
replJobLane(const ReplJob *job);

void *
replJobOpaque(const ReplJob *job);

ReplJobState
replJobState(ReplJob *job);

/* --- for those who look --- */

/* A copy of all there is to see. Never waits for the copying, nor for a disk. Progress and
 * processed bytes never go back, not over a resume, a retry or a new plan either. Rate and ETA are
 * 0 and -1 unless the job runs. */
ReplJobInfo *
replJobInfo(ReplJob *job);

/* Does @verb: start, cancel, retry, pause or resume. Returns 0, or -1 with VIR_ERR_OPERATION_INVALID
 * when the table of job/state.h refuses it or when the job is just about to end.
 *
 * A cancelled job that works is marked, stops within 100 ms (or as soon as its op asks), and has
 * the state cancelled when its partial files are gone: replJobWaitFor() tells. A cancelled job that
 * does not work is cleaned up before the call returns. When something of it could not be removed,
 * the job has failed with the reason; the call that saw it returns -1. Cancelling twice is no error. */
int
replJobDo(ReplJob *job, ReplVerb verb, GError **err);

/* Changes the limit, of a running job at once. 0: none. Returns 0, or -1 with VIR_ERR_OPERATION_INVALID
 * when the job has completed or was cancelled. */
int
replJobSetBandwidth(ReplJob *job, guint64 rate_bytesPerSec, GError **err);

/* Waits until the job has ended and its attempt is cleaned up. Returns 0 when it completed, else -1 with its reason: that
 * of the failure, or VIR_ERR_OPERATION_ABORTED when it was cancelled, or when the daemon shuts down meanwhile
 * (replJobIsInterrupted), and the job goes on when the daemon starts again. */
int
replJobWait(ReplJob *job, GError **err);

/* Waits at most @timeout_ms, or until the daemon shuts down. Returns whether the job has ended. */
gboolean
replJobWaitFor(ReplJob *job, guint timeout_ms);

/* --- for those who do the work --- */

/* Sets the plan: @steps (of ReplStep, copied), whose bytes add up to the total. */
void
replJobSetSteps(ReplJob *job, const GPtrArray *steps, guint64 peakSpace_bytes);

void
replJobSetStepState(ReplJob *job, guint index, ReplStepState state);

/* Sets what the job has to do without, in words of ReplJobInfo; NULL: nothing. Call it with the first
 * plan. */
void
replJobSetWithout(ReplJob *job, const char *without);

/* The host that the job belongs to, when that is another one; NULL: this one. */
void
replJobSetOwner(ReplJob *job, const char *host);

/* Where connections tell what they carry for the job, and which host it waits for: it is shown as waiting while it runs. Fixed,
 * borrowed. */
ReplTraffic *
replJobTraffic(const ReplJob *job);

/* So many bytes of the total are there already, from an earlier attempt. */
void
replJobSetProcessed(ReplJob *job, guint64 bytes);

/* So many more bytes are written. */
void
replJobAdvance(ReplJob *job, guint64 bytes);

/* Asks to move @bytes: waits while the job is paused and until its own and the daemon's limit allow it.
 * Returns 0, or -1 with VIR_ERR_OPERATION_ABORTED when the job is cancelled or interrupted by the
 * daemon's shutdown, within 100 ms also when it waits. May be called by several threads of a job. */
int
replJobAdmit(ReplJob *job, guint64 bytes, GError **err);

/* replJobAdmit without bytes. */
int
replJobCheck(ReplJob *job, GError **err);

/* Goes back into the queue in the middle of prepare: the turn goes to others, the thread waits until the job gets
 * one again. Hold a key of the job before (replQueueHold) and release it when there is something to go on with.
 * Returns 0, or -1 with @err set as replJobAdmit. */
int
replJobRequeue(ReplJob *job, GError **err);

/* Whether an attempt is under way: it has a turn (its thread may not have begun yet) and has not come to
 * abort or clean, so that clean is still going to be called. */
gboolean
replJobIsToGoOn(ReplJob *job);

/* Never waits. */
gboolean
replJobIsInterrupted(ReplJob *job);
