/*
 * pool.h: one pool of type region: its definition, its peer, and the pool behind it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/call.h"
#include "virt/virt.h"
#include "xml/regionpool.h"

/* What the peer's pool turned out to be, on one connection. */
typedef struct {
    guint64 link;  /* id of the connection; 0: not looked at yet */
    char *region;  /* of its label, or its name */
    char *project; /* NULL: it has no label */
    char *path;    /* of its target there, NULL: none */
} ReplPeerFacts;

/* All but the facts are fixed. */
typedef struct {
    gatomicrefcount refs;
    ReplRegionPool *def; /* with a UUID */
    unsigned char uuid[VIR_UUID_BUFLEN];
    ReplPeerUri *uri;
    ReplPeer *peer;
    ReplVirtPoolDef *aclDef; /* what access control is asked about: a dir pool of that name and UUID */

    ReplLock lock;
    ReplPeerFacts facts; /* these two guarded by lock */
    GHashTable *aclVols; /* name -> what access control is asked about, ReplPeerAclVol */
} ReplPeerPool;

/* A volume as access control is asked about it; immutable. */
typedef struct {
    gatomicrefcount refs;
    ReplVirtVolDef *def;
} ReplPeerAclVol;

void
replPeerAclVolUnref(ReplPeerAclVol *vol);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerAclVol, replPeerAclVolUnref)

/* A pool of the definition @def, which must have a UUID. @allowed: the URIs that the configuration lets in. NULL with @err set
 * when its URI is not to be used. */
ReplPeerPool *
replPeerPoolNew(const ReplRegionPool *def, const char *allowed, GError **err);

ReplPeerPool *
replPeerPoolRef(ReplPeerPool *pool);

void
replPeerPoolUnref(ReplPeerPool *pool);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerPool, replPeerPoolUnref)

/* In a call's thread: the pool there, once it is known to be one that may stand behind @pool. The caller frees it; NULL with
 * @err set. */
virStoragePoolPtr
replPeerPoolRemote(ReplPeerPool *pool, ReplLink *link, GError **err);

/* In a call's thread: what the XML of the pool there says now. Takes the facts from it. Returns 0, or -1 with @err set when it
 * may not stand behind @pool. */
int
replPeerPoolLearn(ReplPeerPool *pool, ReplLink *link, const char *xml, GError **err);

/* Something happened to the pool there: what is known of it is looked up anew. */
void
replPeerPoolForget(ReplPeerPool *pool);

/* Its region, project (NULL: not known) and path there (NULL: not known), as they were last seen; any may be NULL. */
void
replPeerPoolSeen(ReplPeerPool *pool, char **region, char **project, char **path);

/* A volume of that name, a reference, kept since making one takes as long as a call. NULL, reported by libvirt. */
ReplPeerAclVol *
replPeerPoolAclVol(ReplPeerPool *pool, const char *volume);
