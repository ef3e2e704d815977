/*
 * claims.h: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * A job claims all layers of its chain at once or none, so jobs never wait for each other in a
 * circle; one that had to wait gives its slot in the queue to others meanwhile, plans afterwards,
 * and finds the layers in the target.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "probe/chain.h"

/* Claims all layers for @job. FALSE when another job has one of them: then the job is held in the
 * queue by its key until some job has dropped its claims, and is to requeue itself (replJobRequeue)
 * and try again. */
gboolean
replClaimsTake(ReplJob *job, const char *targetUuid, const ReplChain *chain);

/* The key that each job has for that (replJobAddKey). */
char *
replClaimsWaitKey(const char *jobId);

void
replClaimsDrop(ReplJob *job);
