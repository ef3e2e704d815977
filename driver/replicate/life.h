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

/* The job's images are not shown as its own any more. */
void
replReplicationForget(ReplReplication *replication, ReplJob *job);

/* A planned job may start: its source and its target are what they were when it was planned. What was opened for
 * that is ready for its attempt; call replReplicationSettle() when the start has been asked for. Any number of
 * clients at once. Returns 0, or -1 with VIR_ERR_OPERATION_INVALID that names what has changed. */
int
replReplicationCheckStart(ReplJob *job, GError **err);

/* A job that was started, or could not be, lets go of what was ready for its attempt unless that is under way: while it
 * waits in the queue, it holds nothing. */
void
replReplicationSettle(ReplJob *job);
