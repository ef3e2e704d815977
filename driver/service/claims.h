/*
 * claims.h: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * A job claims all layers that it is going to make at once or none, so jobs never wait for each other in a circle; one
 * that had to wait gives its turn in the queue to others meanwhile, plans afterwards, and finds the layers in
 * the target.
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

/* Claims @layers (of char *) for @job. FALSE when another job has one of them: then the job is held in the
 * queue by its key until some job has dropped its claims, and is to requeue itself (replJobRequeue) and try again.
 * Otherwise *era is the number of the pool from before. */
gboolean
replClaimsTake(ReplJob *job, const char *targetUuid, const GPtrArray *layers, guint64 *era);

/* The key that each job has for that (replJobAddKey). */
char *
replClaimsWaitKey(const char *jobId);

void
replClaimsDrop(ReplJob *job, const char *targetUuid);
