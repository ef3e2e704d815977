/*
 * ending.h: the administrator's hook is told of the end of a replication
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/replication.h"

/* @info: of the ended job. Never waits; called by the thread that records the end. */
void
replEndingTell(ReplReplication *replication, const ReplJobInfo *info);
