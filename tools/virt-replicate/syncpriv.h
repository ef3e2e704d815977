/*
 * syncpriv.h: what sync.c and synccopy.c share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "sync.h"

/* A copy of this run, from its start to its end. */
typedef struct {
    char *origin;
    char *name;
    char *from; /* region that it is copied from */
    char *to;
    virStorageVolPtr replica;
} ReplSyncCopy;

typedef struct {
    ReplClient *client;
    const ReplPolicy *policy;
    ReplSyncState *state;
    const ReplSyncOptions *options;
    ReplSyncReport *report;
    GPtrArray *running;  /* ReplSyncCopy */
    GHashTable *refused; /* "ORIGIN REGION": not tried again in this run */
    guint64 rate;        /* limit of each copy now, 0: none */
} ReplSync;

void
replSyncCopyFree(gpointer copy);

/* Whether a copy of this run takes the image to the region. */
bool
replSyncIsRunning(const ReplSync *sync, const char *origin, const char *region);

/* Begins the copies that can begin now. */
void
replSyncCopyBegin(ReplSync *sync, const ReplPolicyPlan *plan);

/* Takes over copies that another run has begun, so that this one waits for them, too. */
void
replSyncCopyAdopt(ReplSync *sync, virtReplicationRegion *const *regions, const ReplPolicyPlan *plan);

/* Looks at the copies that run; takes out those that have ended. Returns how many ended. */
guint
replSyncCopyLook(ReplSync *sync);

/* Pauses the copies that run, because their time is over. */
void
replSyncCopyPause(ReplSync *sync);

/* Lets copies go on that an earlier run paused, and gives those that run the rate of now. */
void
replSyncCopyResume(ReplSync *sync, const ReplPolicyPlan *plan);
