/*
 * resumejob.h: one job that an earlier life of the daemon did not finish
 *
 * Called by resume.c alone, which reads the records and sees to it that each job is taken up once. What the
 * target has of a job decides what becomes of it; no record is believed in that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/replication.h"
#include "store/staging.h"

/* Takes up the job of @record (taken over) with its target in @region: queues it, or completes or drops what an
 * earlier life had completed or given up. @home holds its record. Returns 0, or -1 when that cannot be told now:
 * the record stays as it is, and the caller looks again later. */
int
replResumeJob(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record);

/* Takes up a push; @record is taken over. The other host, which makes the replica, knows how far it is. */
void
replResumePush(ReplJobRecord *record);
