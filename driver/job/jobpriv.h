/*
 * jobpriv.h: the inside of a job, for job.c and attempt.c, and what the queue does with one
 *
 * Locks, in the order in which they may be taken: job->order, the queue's, job->monitor, a limiter's.
 * Ops are called with none of them held, but record and describe, which are with job->order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "job/meter.h"
#include "base/lock.h"

/* What a job tells its queue; called with no lock held, by any thread. */
typedef struct {
    void (*changed)(ReplJob *job, void *opaque); /* its state has changed, or an attempt has begun or ended */
    void (*turnFree)(ReplJob *job, void *opaque); /* the job gave its turn back */
} ReplJobHost;

struct _ReplJob {
    gint refs; /* atomic */

    /* fixed after creation */
    char *id;
    char *lane;
    const ReplJobOps *ops;
    void *opaque;
    ReplTraffic *traffic;

    /* fixed after submission */
    guint64 before_bytes; /* on the wire, in earlier lives of the daemon */
    GPtrArray *keys;      /* of char *, the lane first */

    ReplLock order;   /* held over a transition and its record; guards nothing else */
    ReplLock monitor; /* signalled at every change that a thread may wait for */

    /* guarded by monitor */
    ReplJobInfo *info;    /* processed_bytes is the highest ever shown */
    guint64 actual_bytes; /* what this attempt has, may be behind what was shown */
    guint shown_percent;  /* the highest ever shown */
    ReplMeter meter;
    ReplLimit limit;
    ReplLimiter *shared;     /* of the daemon, NULL: none */
    const ReplJobHost *host; /* NULL: not in a queue */
    void *hostOpaque;
    gboolean cancel;    /* asked for; taken back only when undoing the job failed */
    gboolean interrupt; /* the daemon shuts down, never taken back */
    gboolean attempt;   /* a thread works on the job: from the grant of a turn to clean */
    gboolean settling;  /* the phases of the attempt are over, abort or clean is under way */
    gboolean hasTurn;   /* of the queue, for the attempt */
};

/* --- job.c --- */

/* The one transition function: moves from @from to @to, records and emits. FALSE, and nothing done,
 * when the job is not in @from, the table forbids the move, or a cancel or shutdown bars it.
 * @why: the reason of a failure. */
gboolean
replJobMove(ReplJob *job, ReplJobState from, ReplJobState to, const GError *why);

/* Gives a job that has failed another reason. */
void
replJobFailAgain(ReplJob *job, const GError *why);

/* A copy of all there is to see; job->monitor is held. */
ReplJobInfo *
replJobSnapshot(ReplJob *job);

/* Whether a cancel, a shutdown or the end of the attempt forbids the move to @to; job->monitor is held. */
gboolean
replJobIsBarred(const ReplJob *job, ReplJobState to);

/* Tells the queue that something changed. */
void
replJobNotify(ReplJob *job);

/* --- attempt.c --- */

/* Undoes a cancelled job that no thread works on; the caller has set job->attempt. Returns
 * 0, or -1 with @err set when something of it remains: it has failed then. */
int
replJobDiscard(ReplJob *job, GError **err);

/* Wakes what the attempt waits for elsewhere. Called without the monitor. */
void
replJobWakeWork(ReplJob *job);

/* --- attempt.c, for the queue --- */

typedef enum {
    REPL_GRANT_REFUSED, /* wants no turn any more */
    REPL_GRANT_START,   /* the caller starts a thread with replJobAttempt */
    REPL_GRANT_RESUMED, /* the parked thread goes on */
} ReplJobGrant;

/* Gives the job a turn. */
ReplJobGrant
replJobGrantTurn(ReplJob *job);

/* Whether the job is queued and has no turn. */
gboolean
replJobWantsTurn(ReplJob *job);

/* Whether a thread works on it. */
gboolean
replJobIsBusy(ReplJob *job);

/* A whole attempt, after REPL_GRANT_START. */
void
replJobAttempt(ReplJob *job);

/* Instead of the attempt, when no thread could be had: the job fails with @why. */
void
replJobFailAttempt(ReplJob *job, const GError *why);

/* The daemon shuts down: an attempt ends with keepPartials and the job goes back to queued. */
void
replJobInterrupt(ReplJob *job);

/* Waits until no thread works on the job. */
void
replJobWaitIdle(ReplJob *job);

/* --- job.c, for the queue --- */

/* Enters or, with NULL, leaves a queue. FALSE when it is in one already. */
gboolean
replJobSetHost(ReplJob *job, const ReplJobHost *host, void *opaque, ReplLimiter *shared);

void
replJobSetPosition(ReplJob *job, guint position);
