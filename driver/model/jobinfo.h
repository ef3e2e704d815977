/*
 * jobinfo.h: what a job looks like from outside: <replication:job>, running or ended
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/label.h"

/* The life of a job:
 *
 *   planned -> queued -> running -> verifying -> publishing -> completed
 *                 ^  \      |  \        |            |
 *                 |   \     v   \-------+------------+--> failed, cancelled
 *                 +--- paused
 *
 * The legal moves and verbs are the tables of job/state.h. */
typedef enum {
    REPL_JOB_PLANNED,
    REPL_JOB_QUEUED,
    REPL_JOB_RUNNING,
    REPL_JOB_VERIFYING,
    REPL_JOB_PUBLISHING,
    REPL_JOB_PAUSED,
    REPL_JOB_COMPLETED,
    REPL_JOB_FAILED,
    REPL_JOB_CANCELLED,
    REPL_JOB_STATE_LAST,
    /* No state of its own, only shown: a running job that waits for another host. */
    REPL_JOB_WAITING = REPL_JOB_STATE_LAST,
} ReplJobState;

typedef enum {
    REPL_STEP_COPY,    /* bytes are read and written */
    REPL_STEP_CLONE,   /* the file system shares the blocks */
    REPL_STEP_REUSE,   /* the target has this layer already */
    REPL_STEP_CONVERT, /* the layer is written in another form */
    REPL_STEP_VERIFY,  /* the layer is held against its digests */
} ReplStepAction;

typedef enum {
    REPL_STEP_WAITING,
    REPL_STEP_RUNNING,
    REPL_STEP_DONE,
    REPL_STEP_FAILED,
} ReplStepState;

typedef struct {
    char *layer;  /* volume in the source pool */
    char *volume; /* volume in the target pool */
    ReplStepAction action;
    ReplStepState state;
    guint64 bytes;       /* data to move; 0 for reuse and clone */
    guint snapshotsLost; /* internal snapshots that the new form cannot keep */
    guint bitmapsLost;   /* persistent dirty bitmaps, the same */
    char *below;         /* volume in the target pool that it stands on, NULL: none. Not shown. */
} ReplStep;

/* A snapshot of a job. */
typedef struct {
    char *id; /* UUID */
    ReplJobState state;
    guint64 processed_bytes;
    guint64 total_bytes;
    guint64 wire_bytes; /* that went over networks, both directions; 0: it is all on this host */
    guint64 rate_bytesPerSec;
    guint64 link_bytesPerSec;      /* that its link to another host was seen to carry; 0: not seen, or none */
    gint64 eta_s;                  /* -1: unknown */
    guint position;                /* in the queue, 1 is next; 0: not waiting */
    gint64 started_s;              /* UNIX time, 0: not yet */
    gint64 ended_s;                /* UNIX time, 0: not yet */
    guint64 bandwidth_bytesPerSec; /* 0: no limit */
    guint64 peakSpace_bytes;       /* what the plan needs at most on the target */
    gboolean hasAfter;
    ReplAmounts after; /* usage of the target once the job is completed; of a planned job */
    GPtrArray *steps;  /* of ReplStep, bases first */
    int errorCode;     /* virErrorNumber */
    char *error;       /* NULL: none */
    char *peer;        /* that a waiting job waits for; NULL: none */
    char *host;        /* that the job belongs to, by its own name; NULL: this one */
    char *without;     /* words: what cannot be had since a host has no module; NULL: nothing */
} ReplJobInfo;

ReplJobInfo *
replJobInfoNew(const char *id);

ReplJobInfo *
replJobInfoCopy(const ReplJobInfo *info);

void
replJobInfoFree(ReplJobInfo *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplJobInfo, replJobInfoFree)

ReplStep *
replStepNew(const char *layer, const char *volume, ReplStepAction action, guint64 bytes);

ReplStep *
replStepCopy(const ReplStep *step);

void
replStepFree(ReplStep *step);

/* 0..100: whole percent done, rounded down; 100 only when all is done. */
guint
replJobInfoProgress(const ReplJobInfo *info);

/* The words of the XML; the From functions return -1 for an unknown one. */
const char *
replJobStateToString(ReplJobState state);

/* completed, failed, cancelled: the job goes nowhere unless a client asks. */
gboolean
replJobStateIsEnded(ReplJobState state);
int
replJobStateFromString(const char *str);
const char *
replStepActionToString(ReplStepAction action);
int
replStepActionFromString(const char *str);
const char *
replStepStateToString(ReplStepState state);
int
replStepStateFromString(const char *str);
