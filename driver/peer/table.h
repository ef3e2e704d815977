/*
 * table.h: the storage functions of pools of type region, which a peer answers
 *
 * A ReplVirtStorageDriver like the stock driver's (virt/below.h). Each entry asks the local access control first, as for a dir
 * pool of that name and UUID; then the peer answers, for the identity of its daemon's client, which is this daemon.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/pools.h"
#include "virt/virt.h"

/* All entries that concern one pool or volume; those for lists and new definitions are NULL (lists.h). */
extern const ReplVirtStorageDriver replPeerTable;
