/*
 * ending.h: the administrator's hook is told of the end of a replication
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"
#include "replicate/replication.h"

/* @info: of the ended job. Never waits; called by the thread that records the end. */
void
replEndingTell(ReplReplication *replication, const ReplJobInfo *info);

/* The same of the verification or healing of an image. */
void
replEndingTellCheck(const ReplRegion *region, const char *volume, const ReplJobInfo *info);
