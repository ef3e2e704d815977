/*
 * sync.h: making a policy so
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"
#include "policyplan.h"
#include "syncreport.h"

typedef struct {
    bool dryRun;
    bool wait;       /* for jobs, and then for those that they make possible */
    int allowDelete; /* -1: 10 % */
} ReplSyncOptions;

/* Runs a policy. @state is changed, and saved now and then unless it is a dry run. Reports each failure where it
 * happens; returns an exit status. @report: initialised. */
int
replSyncRun(ReplClient *client, const ReplPolicy *policy, ReplSyncState *state,
            const ReplSyncOptions *options, ReplSyncReport *report);
