/*
 * refused.h: requests that were refused, but have left something that could not be taken back yet
 *
 * The client was told that the request failed, so it must never become a job. Its record on disk is marked as
 * refused where that could be written. This table knows the request in any case, with all that its record
 * said of its files. Every function may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/jobrecord.h"

/* Takes @record over. No effect when the job is known already. */
void
replRefusedAdd(const char *poolUuid, ReplJobRecord *record);

gboolean
replRefusedHas(const char *jobId);

/* Those of a pool: of ReplJobRecord, the caller's. */
GPtrArray *
replRefusedList(const char *poolUuid);

/* Takes the job @jobId out: nothing of it is left in the target. */
void
replRefusedForget(const char *jobId);
