/*
 * mem_endpointpriv.h: what the files of the endpoints in memory share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "mem_endpoint.h"

/* Counts a call of @op, which may have a fault. Returns 0, or -1 with @err set. *cancelled: guarded by the world's
 * lock. */
int
memCall(MemWorld *world, const char *op, const gboolean *cancelled, GError **err);

/* So many more (fewer) endpoints, readers or writers are open. */
void
memOpened(MemWorld *world, int count);

ReplSource *
memSourceNew(MemWorld *world);

ReplTarget *
memTargetNew(MemWorld *world, ReplJournal *journal);
