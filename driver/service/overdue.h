/*
 * overdue.h: jobs that are over, but of which something is still to be done on disk
 *
 * Either the request was refused (record->refused), and what it has left could not be taken back yet: the client was told
 * that it failed, so it must never become a job. Or the job has ended, and its record could not be written: the record on
 * disk still says an earlier state. Both are known from here whatever the disk says, with all that the record says of the
 * job's files. Every function may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/jobrecord.h"

/* Takes @record over, in place of an earlier one of the job. */
void
replOverdueAdd(const char *poolUuid, ReplJobRecord *record);

gboolean
replOverdueHas(const char *jobId);

/* The record of the job as it should be: the caller's, or NULL. */
ReplJobRecord *
replOverdueFind(const char *jobId);

/* Those of a pool: of ReplJobRecord, the caller's. */
GPtrArray *
replOverdueList(const char *poolUuid);

/* Takes the job @jobId out, if it is there: nothing is to be done any more. */
void
replOverdueForget(const char *jobId);
