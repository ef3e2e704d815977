/*
 * takeback.h: refused requests whose undo failed: taken back later, and nothing else is done with them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/replication.h"

/* Notes that a request was refused and that its undo failed: in memory and, where that can be written, in the
 * job's record. @replication stays the caller's. */
void
replTakeBackNote(ReplReplication *replication);

/* Notes in memory those of @records (of ReplJobRecord) that an earlier life of the daemon has marked as
 * refused. */
void
replTakeBackKnow(const ReplRegion *region, const GPtrArray *records);

/* Tries again to undo the refused request of @record, which is from replOverdueList() and taken over. Returns
 * 0, or -1 when something of the request is still left. */
int
replTakeBack(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record);
