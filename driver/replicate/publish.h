/*
 * publish.h: names in the target: held by placeholders, then taken by finished layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/prepared.h"

/* Makes the placeholders of the layers that are to be written, and locks all of them. */
int
replPublishHold(ReplReplication *replication, ReplPrepared *prepared, GError **err);

/* Puts the layers in place, bases first, the image last. Contains the commit point. */
int
replPublishCommit(ReplJob *job, ReplReplication *replication, GError **err);

/* Removes partial files and placeholders; with @all also layers already published. */
void
replPublishUndo(ReplReplication *replication, gboolean all);

/* Removes partial files that keep the target's file system full, so that nothing else suffers from
 * a job that waits for its retry. */
void
replPublishMakeRoom(ReplReplication *replication);
