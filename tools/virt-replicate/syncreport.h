/*
 * syncreport.h: what a run of `sync` did, and what lags behind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* An image and the region that it was copied to, deleted from, or lags behind in. */
typedef struct {
    char *image;
    char *region;
    char *from; /* region of the source of a copy, else NULL */
} ReplSyncPlace;

/* Pairs of image and region. A dry run counts what would be done. */
typedef struct {
    guint there; /* nothing to do */
    GPtrArray *copies;
    guint coming;    /* jobs that go on after the run */
    GPtrArray *lags; /* failed, away, taken, or outside of the time for copies */
    GPtrArray *deletions;
    guint kept;  /* would be deleted, but may not yet */
    bool closed; /* the time for copies is over */
} ReplSyncReport;

void
replSyncReportInit(ReplSyncReport *report);
void
replSyncReportClear(ReplSyncReport *report);

/* Appends to one of the arrays. @from: NULL but for copies. */
void
replSyncReportAdd(GPtrArray *places, const char *image, const char *region, const char *from);

/* Prints it: lines that name what lags and a last one that counts, or one event with --json. */
void
replSyncReportPrint(const ReplClient *client, const ReplSyncReport *report, int status);
