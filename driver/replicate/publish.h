/*
 * publish.h: a replica that is written becomes available
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/prepared.h"

/* Asks for the quota again, and has the target put everything in place, with the records of what each layer
 * came from. Returns 0 when the replica is available, even if something behind the commit point fails; or -1
 * with @err set when it is not available. */
int
replPublishCommit(ReplReplication *replication, GError **err);
