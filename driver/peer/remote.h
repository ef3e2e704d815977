/*
 * remote.h: one call on a pool of type region, as an entry of the peers' table makes it
 *
 * In order: the handle's pool, local access control, the call in a thread of the peer's, the result. Everything here reports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/pools.h"

/* One call on a pool there or a volume of it: arguments and results, those that the call needs. All of it belongs to the call
 * until it has returned well. */
typedef struct _ReplRemoteCall ReplRemoteCall;
struct _ReplRemoteCall {
    ReplPeerCall call;
    ReplPeerPool *pool;
    int (*act)(ReplRemoteCall *call, virStoragePoolPtr remote); /* returns -1 when libvirt failed */

    char *volume; /* arguments; NULL: it is about the pool */
    char *xml;
    guint64 number;
    guint flags;
    guint algorithm;

    char *text; /* results */
    GPtrArray *names;
    virStoragePoolInfo poolInfo;
    virStorageVolInfo volInfo;
};

static inline void
replRemoteCallUnref(ReplRemoteCall *call)
{
    if (call)
        replPeerCallUnref(&call->call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplRemoteCall, replRemoteCallUnref)

/* @volume NULL: about the pool. */
ReplRemoteCall *
replRemoteCallNew(const ReplPeerPoolEntry *entry, const char *volume,
                  int (*act)(ReplRemoteCall *call, virStoragePoolPtr remote));

/* A call that only looks whether the pool there may stand behind this one. */
int
replRemoteActNothing(ReplRemoteCall *call, virStoragePoolPtr remote);

/* Make the call; only an active pool has anything behind it. Return 0 or -1. */
int
replRemoteQuick(const ReplPeerPoolEntry *entry, ReplRemoteCall *call);
int
replRemoteSlow(const ReplPeerPoolEntry *entry, ReplRemoteCall *call);

/* In the call's thread: a handle of the volume there, without asking; freed by the caller. */
virStorageVolPtr
replRemoteVol(ReplRemoteCall *call);

/* The pool behind a handle, once @check lets the caller pass. NULL: refused, or none. */
ReplPeerPoolEntry *
replRemotePool(virStoragePoolPtr pool, ReplVirtPoolAcl check);
ReplPeerPoolEntry *
replRemotePoolOfVol(virStorageVolPtr vol, ReplVirtVolAcl check);

/* Asks @check about a volume of that name. 0 or -1. */
int
replRemoteMayVol(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *volume,
                 ReplVirtVolAcl check);

/* Handles for the client. */
virStoragePoolPtr
replRemotePoolHandle(virConnectPtr conn, const ReplPeerPoolEntry *entry);
virStorageVolPtr
replRemoteVolHandle(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *volume);

/* Takes those out of @names that @filter hides from the caller. */
void
replRemoteHide(virConnectPtr conn, const ReplPeerPoolEntry *entry, GPtrArray *names,
               ReplVirtVolFilter filter);
