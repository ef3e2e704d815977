/*
 * prepare.h: opens, locks and plans
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/prepared.h"

/* Opens, locks and plans for @job. Without one the plan is quick: layers in the target are found by
 * what records say, and their contents are only read before a shortage is reported. NULL with @err
 * set, or with *busy set and no error when another job is copying one of the layers (claims.h). */
ReplPrepared *
replPrepare(ReplReplication *replication, ReplJob *job, gboolean *busy, GError **err);
