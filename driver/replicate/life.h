/*
 * life.h: a replication as a job: the operations of its life
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/replication.h"

/* A job around @replication, which it owns from now on; known to the service, not yet queued. */
ReplJob *
replReplicationToJob(ReplReplication *replication);

/* The job is no longer known as the maker of its images (service/makers.h). */
void
replReplicationForget(ReplReplication *replication, ReplJob *job);

/* Checks that a planned job may start: its source and its target are what they were when it was planned. What
 * this opens stays ready for the job's attempt; call replReplicationSettle() when the start has been asked
 * for. May be called for several clients at once. Returns 0, or -1 with VIR_ERR_OPERATION_INVALID that names
 * what has changed. */
int
replReplicationCheckStart(ReplJob *job, GError **err);

/* Called after a start was asked for, whether the job was started or not. Frees what is ready for the
 * attempt, unless the attempt is under way and takes it: a job that waits in the queue holds nothing open. */
void
replReplicationSettle(ReplJob *job);
