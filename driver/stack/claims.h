/*
 * claims.h: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * A job claims all layers of its chain at once or none, so jobs never wait for each other in a circle; one
 * that had to wait plans afterwards and finds the layers in the target.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "probe/chain.h"

/* Waits until no other job has one of the layers, then claims them all for @job. Returns 0, or -1 with
 * @err set when the job is to stop. */
int
replClaimsTake(ReplJob *job, const char *targetUuid, const ReplChain *chain, GError **err);

void
replClaimsDrop(ReplJob *job);
