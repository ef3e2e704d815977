/*
 * kind.h: whether a peer has the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/pools.h"

/* Asks the peer behind @entry, as a quick call does. 1: it has; 0: it is a stock one; -1 with @err set: it cannot be told now. */
int
replPeerHasModule(const ReplPeerPoolEntry *entry, GError **err);
