/*
 * below.h: which table of storage functions a pool's calls fall through to
 *
 * Each pool has one below it: the stock driver's for pools of this host, the peers' for pools of type region, whose
 * volumes are those of a pool on another host. Both have the same shape, so the entries of stack/ are the same for
 * both, and no code but this asks what kind of pool it has. (What concerns all pools at once, lists and new
 * definitions, asks both tables.)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* What keys and paths of volumes on other hosts begin with. */
#define REPL_BELOW_PEER_PREFIX "replication:"

const ReplVirtStorageDriver *
replBelowUuid(const unsigned char *uuid);

const ReplVirtStorageDriver *
replBelowPool(virStoragePoolPtr pool);

/* By the volume's key, since a volume's handle does not tell its pool's UUID. The table's functions find the pool by
 * themselves, so a handle that a client made up leads nowhere else than one that was looked up. */
const ReplVirtStorageDriver *
replBelowVol(virStorageVolPtr vol);

/* By a key or a path as a client gives it. */
const ReplVirtStorageDriver *
replBelowAddress(const char *keyOrPath);

/* Sets the peers' table, all of whose entries work, and the function that knows which pools are theirs (by any thread, at any
 * time, without waiting for a peer). Called once, before any client connects; without it every pool is the stock
 * driver's. */
void
replBelowSetPeers(const ReplVirtStorageDriver *peers, gboolean (*hasPool)(const unsigned char *uuid));

/* How many pools are the peers' from now on; by any thread. As long as there is none, no one looks further. */
void
replBelowCountPeers(guint pools);
