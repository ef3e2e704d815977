/*
 * pushpriv.h: the inside of a push, for push.c, which has its attempts, and pushes.c, which has its record and keeps it to be found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "endpoint/serve.h"
#include "replicate/push.h"
#include "replicate/pushlink.h"

typedef struct {
    /* fixed */
    gboolean resumed;
    char *region;               /* lane of the queue */
    ReplVirtIdentity *identity; /* the requester's, a reference; NULL: the daemon's */

    ReplLock saving; /* as the journal's (endpoint/journal.h) */
    ReplLock lock;   /* guards these */
    ReplJobRecord *record;
    ReplPushLink *link; /* NULL: no attempt */
    gboolean listed;    /* the other host has made the replica's name */

    /* The attempt's thread alone. */
    ReplSource *source;
    ReplServe *serve;
} ReplPush;

/* record of the job's operations. */
void
replPushRecord(ReplJob *job, const ReplJobInfo *info, void *opaque);

/* Into the table of pushes that have not ended. */
void
replPushAdd(ReplJob *job);
