/*
 * claims.h: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * A job claims all layers that it is going to make, or none of them: so jobs never wait for each other in a
 * circle. A job that does not get its claims gives its turn in the queue to other jobs. When it gets a turn
 * again it plans anew, and finds in the target the layers that the other job has made.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"

/* A number that changes when claims in the pool @targetUuid are taken or dropped: a plan that was made before may have
 * missed something there. */
guint64
replClaimsEra(const char *targetUuid);

/* The name of a layer for claims, from where it lies. */
char *
replClaimsLayer(const char *sourcePoolUuid, const char *sourceVolume);

/* Claims @layers (of char *) for @job. Returns TRUE with *era set to the number that the pool had before.
 * Returns FALSE when another job has claimed one of them: the job is then held in the queue by its key
 * (replClaimsWaitKey) until any job drops claims; the caller requeues it (replJobRequeue) and tries again. */
gboolean
replClaimsTake(ReplJob *job, const char *targetUuid, const GPtrArray *layers, guint64 *era);

/* The key by which replClaimsTake holds job @jobId in the queue; each job is given it at the start
 * (replJobAddKey). */
char *
replClaimsWaitKey(const char *jobId);

void
replClaimsDrop(ReplJob *job, const char *targetUuid);
