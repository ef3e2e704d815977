/*
 * resume.h: jobs that an earlier life of the daemon did not finish
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/replication.h"

/* Takes up the unfinished jobs of all active region pools. */
void
replResumeAll(void);

/* A pool has become active or was refreshed: its unfinished jobs go on, and those that waited for it as their source. What is still to
 * be done for jobs whose target it is on another host is done soon, since that may wait for the host. */
void
replResumePool(virStoragePoolPtr pool);

/* Notes a refused request whose undo failed. The undo is tried again until nothing of the request is left in
 * its target. The request never becomes a job, not after a restart either. @replication stays the
 * caller's. */
void
replResumeRefused(ReplReplication *replication);
