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

/* Looks at the target and plans, or plans again. Looks in the target for layers that can be reused, as @look
 * says. When @look compares no contents and quota or space are too short for the plan, compares contents
 * before it reports the shortage: more layers may be found, and fewer have to be made. Keys that were loaded
 * stay. Returns 0, or -1 with @err set. */
int
replPreparePlan(const ReplReplication *replication, ReplPrepared *prepared, const ReplPresentLook *look,
                GError **err);

/* Opens and plans as a request on its way in does, which a client waits for: contents are not compared. They are when a client only wants to
 * see the plan (start='no') and the source is on another host, since nothing but digests tells which of such layers are there; the digests are
 * kept. A planned job that is to start is looked at in the same way. Returns 0, or -1 with @err set. */
int
replPrepareFirst(const ReplReplication *replication, ReplPrepared *prepared, GError **err);

/* Whether the quota of the target still holds what the plan adds: asked right before it is published. Returns 0, or -1
 * with @err set. */
int
replPrepareCheckQuota(const ReplReplication *replication, const ReplPrepared *prepared, GError **err);
