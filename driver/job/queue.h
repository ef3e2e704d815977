/*
 * queue.h: the jobs of a daemon: which run, which wait, and their threads
 *
 * At most so many jobs run at a time. The others wait, first come, first served within a lane (the
 * target region) and in turn between lanes; a waiting job knows its position. A running job has a
 * thread of its own, with all signals blocked, made on demand and joined after its end.
 *
 * A paused job holds no turn: one that waited leaves the line; one that ran keeps its thread, parked
 * with what it has open, and others run instead. After the resume it stands at the end of
 * its lane like a new one.
 *
 * A job stays in the queue until it has completed or was cancelled; a failed one stays for a retry
 * until it is cancelled or forgotten.
 *
 * Every function may be called by any thread, with no job's lock held, but New and Free.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"

typedef struct _ReplQueue ReplQueue;

/* inhibit: TRUE when the first job is queued or runs, FALSE when the last one no longer does (a
 * planned, paused or failed job inhibits nothing). One call at a time, alternating. */
typedef struct {
    void (*inhibit)(gboolean on, void *opaque);
    void *opaque;
} ReplQueueHooks;

/* @hooks may be NULL. */
ReplQueue *
replQueueNew(guint maxRunning, const ReplQueueHooks *hooks);

/* Stops the queue if that is still to do. No other thread may be in the queue or in a verb of one of its
 * jobs; jobs that are still referenced elsewhere remain readable. */
void
replQueueFree(ReplQueue *queue);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplQueue, replQueueFree)

/* More turns are used at once, fewer as running jobs end. At least 1. */
void
replQueueSetMaxRunning(ReplQueue *queue, guint maxRunning);

/* The limit of all jobs together, 0: none. */
void
replQueueSetBandwidth(ReplQueue *queue, guint64 rate_bytesPerSec);

/* Takes @job in: one that is queued gets in line, any other waits for its verb. @start: does the
 * verb start as well. Returns 0, or -1 with @err set: VIR_ERR_OPERATION_INVALID when the daemon
 * shuts down, when the id is there already, or when the verb is refused (the job is not taken in then). */
int
replQueueSubmit(ReplQueue *queue, ReplJob *job, gboolean start, GError **err);

/* A new reference, or NULL. */
ReplJob *
replQueueFind(ReplQueue *queue, const char *id);

/* All jobs (of ReplJob, referenced), in the order of submission. */
GPtrArray *
replQueueList(ReplQueue *queue);

/* Lets go of a job that is planned, paused before it ran, or failed, without touching what it left on the
 * disk: for a pool that goes away. FALSE when it is unknown, waits or works. */
gboolean
replQueueForget(ReplQueue *queue, const char *id);

/* Jobs with @key (a lane, or a key of replJobAddKey) do not start until the release, and have no
 * position meanwhile; those that run go on. Holding twice is holding once. */
void
replQueueHold(ReplQueue *queue, const char *key);

void
replQueueRelease(ReplQueue *queue, const char *key);

/* Counts a synchronous request that is going to block a worker of the daemon. Returns 0, or -1 with
 * VIR_ERR_RESOURCE_BUSY when @max are blocked already. Each success is paired with a Leave. */
int
replQueueEnterWait(ReplQueue *queue, guint max, GError **err);

void
replQueueLeaveWait(ReplQueue *queue);

/* The first half of Stop, which waits for nothing: for the thread of the event loop. */
void
replQueueInterrupt(ReplQueue *queue);

/* The daemon's shutdown: no job starts any more, those that work are interrupted (their state on record
 * goes back to queued, abort keeps what is there), waiters are woken; all threads are joined on
 * return. May be called again. */
void
replQueueStop(ReplQueue *queue);
