/*
 * prepare.h: opens, holds and plans
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Both ends of @replication; nothing is opened yet. */
ReplPrepared *
replPrepareNew(const ReplReplication *replication);

/* Holds the source and describes it; what is open already stays. There is no plan yet. Returns 0, or -1 with @err set. */
int
replPrepareOpen(const ReplReplication *replication, ReplPrepared *prepared, GError **err);

/* Looks at the target and plans, or plans again. Layers are looked for in the target as @look says; when they are
 * not looked at by their contents, and quota or space are too short for what that leaves to be made, contents are looked at
 * before the shortage is reported. Keys that were loaded stay. Returns 0, or -1 with @err set. */
int
replPreparePlan(const ReplReplication *replication, ReplPrepared *prepared, const ReplPresentLook *look,
                GError **err);

/* Whether the quota of the target still holds what the plan adds: asked right before it is published. Returns 0, or -1
 * with @err set. */
int
replPrepareCheckQuota(const ReplReplication *replication, const ReplPrepared *prepared, GError **err);
