/*
 * pinning.h: a job pins the volumes that it reads, makes and relies on
 *
 * The one place that pins. All pins of a job go with replPinsDropJob().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* "This image is on its way to that region", for this job alone. Returns 0, or -1 with @err set that names the
 * other job. */
int
replPinningTakeRoute(const ReplReplication *replication, GError **err);

/* What the plan reads, makes and reuses. */
void
replPinningPlan(const ReplReplication *replication, const ReplPrepared *prepared);

/* What the journal says of the last plan: for a job that waits after a restart. */
void
replPinningJournal(const ReplReplication *replication);
