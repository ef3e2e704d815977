/*
 * standing.h: how a volume stands: what is on disk, in records and known of it, and the state that follows (state.h)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "image/state.h"
#include "job/job.h"
#include "region/region.h"
#include "service/holding.h"
#include "store/files.h"

typedef struct {
    ReplState state;
    ReplImage *record;    /* of the image, NULL: none that can be read */
    ReplJob *job;         /* that makes the volume, a reference; NULL: none of this daemon */
    ReplHolding *holding; /* of the job if the volume is its replica, a reference; else NULL */
    ReplJobInfo *info;    /* of the job, or of one on record that this daemon has not taken up; NULL: none */
} ReplStanding;

/* Where the records of a pool are. Opened once for a look at one volume or at many. */
typedef struct {
    ReplStaging *staging; /* a reference; NULL: there are none to be read */
    gboolean doubt;       /* there may be some all the same */
    GPtrArray *marks;     /* of uploads that have not ended well; NULL: none */
} ReplStandingRecords;

void
replStandingRecordsOpen(const ReplRegion *region, ReplStandingRecords *records);

void
replStandingRecordsClear(ReplStandingRecords *records);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplStandingRecords, replStandingRecordsClear)

/* Of a volume whose file is as @look says. Cleared with replStandingClear(). */
void
replStandingFind(const ReplRegion *region, const ReplStandingRecords *records, const char *volume,
                 const ReplFileLook *look, ReplStanding *standing);

/* The same, looking at the file itself. */
void
replStandingOf(const ReplRegion *region, const char *volume, ReplStanding *standing);

void
replStandingClear(ReplStanding *standing);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplStanding, replStandingClear)
