/*
 * sync.h: making a policy so
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"
#include "policyplan.h"

/* What a run did; counts of pairs of image and region. */
typedef struct {
    guint there; /* nothing to do */
    guint copied;
    guint coming;  /* jobs that go on after the run */
    guint lagging; /* failed, away, taken, or outside of the time for copies */
    guint deleted;
    guint kept;  /* would be deleted, but may not yet */
    bool closed; /* the time for copies is over */
} ReplSyncReport;

typedef struct {
    bool dryRun;
    bool wait;       /* for jobs, and then for those that they make possible */
    int allowDelete; /* -1: 10 % */
} ReplSyncOptions;

/* Runs a policy. @state is changed, and saved now and then unless it is a dry run. Reports each failure where it
 * happens; returns an exit status. */
int
replSyncRun(ReplClient *client, const ReplPolicy *policy, ReplSyncState *state,
            const ReplSyncOptions *options, ReplSyncReport *report);
