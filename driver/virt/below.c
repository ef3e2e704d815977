/*
 * below.c: which table of storage functions a pool's calls fall through to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/below.h"

/* Set once at start, before clients connect; constant afterwards. NULL: no pool is on another host. */
static const ReplVirtStorageDriver *replBelowPeers;
static gboolean (*replBelowHasPool)(const unsigned char *uuid);
static gint replBelowPools; /* atomic: how many are the peers' */

const ReplVirtStorageDriver *
replBelowUuid(const unsigned char *uuid)
{
    return replBelowPeers && g_atomic_int_get(&replBelowPools) > 0 && replBelowHasPool(uuid) ? replBelowPeers
                                                                                             : &replNext;
}

const ReplVirtStorageDriver *
replBelowPool(virStoragePoolPtr pool)
{
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (g_atomic_int_get(&replBelowPools) == 0 || virStoragePoolGetUUID(pool, uuid) < 0)
        return &replNext;
    return replBelowUuid(uuid);
}

const ReplVirtStorageDriver *
replBelowVol(virStorageVolPtr vol)
{
    return g_atomic_int_get(&replBelowPools) == 0 ? &replNext : replBelowAddress(virStorageVolGetKey(vol));
}

const ReplVirtStorageDriver *
replBelowAddress(const char *keyOrPath)
{
    return replBelowPeers && keyOrPath && g_str_has_prefix(keyOrPath, REPL_BELOW_PEER_PREFIX) ? replBelowPeers
                                                                                              : &replNext;
}

void
replBelowSetPeers(const ReplVirtStorageDriver *peers, gboolean (*hasPool)(const unsigned char *uuid))
{
    replBelowPeers = peers;
    replBelowHasPool = hasPool;
}

void
replBelowCountPeers(guint pools)
{
    g_atomic_int_set(&replBelowPools, (gint)pools);
}
