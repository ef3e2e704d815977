/*
 * layers.h: what an open chain is to a plan
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plan/facts.h"
#include "probe/chain.h"

/* The layers' facts from an open chain, without what only a target knows. compressed is set for every qcow2 layer,
 * since only a walk over its tables could deny it; it, byQemu and written_bytes are left for replConvertFacts(). The
 * result has an element for each layer, borrows from @chain, and is freed with g_free(). */
ReplPlanLayer *
replConvertLayersNew(const ReplChain *chain);
