/*
 * refused.h: requests that were refused, but have left something that could not be taken back yet
 *
 * The client was told that nothing was made; so nothing may ever come of them. Their records say so on disk where that
 * could be written; here they are known in any case, with all that the request knew of its files. Every function may be
 * called by any thread.
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

/* Nothing of it is left. */
void
replRefusedForget(const char *jobId);
