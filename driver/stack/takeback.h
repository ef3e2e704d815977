/*
 * takeback.h: refused requests whose undo failed: taken back later, and nothing else is done with them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/replication.h"

/* A request is refused, and something of it could not be taken back. Notes it in memory and, where that can be written, in
 * the job's record. @replication stays the caller's. */
void
replTakeBackNote(ReplReplication *replication);

/* Those on record (of ReplJobRecord) that an earlier life of the daemon refused are known from here on. */
void
replTakeBackKnow(const ReplRegion *region, const GPtrArray *records);

/* Tries again; @record, of replRefusedList(), is taken. Returns 0, or -1 when something of it is left still. */
int
replTakeBack(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record);
