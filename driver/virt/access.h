/*
 * access.h: identities, access control, and libvirt's objects as scoped references
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

static inline void
replPoolObjRefEnd(ReplVirtPoolObj *obj)
{
    replVirt.StoragePoolObjEndAPI(&obj);
}

/* A locked pool object; the lock ends with the scope. Never hold two, and no lock of ours over it
 * that is also taken under it. */
typedef ReplVirtPoolObj *ReplPoolObjRef;
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(ReplPoolObjRef, replPoolObjRefEnd, NULL)

typedef virStoragePool ReplPool;
typedef virStorageVol ReplVol;

static inline void
replPoolUnref(ReplPool *pool)
{
    replVirt.ObjectUnref(pool);
}

static inline void
replVolUnref(ReplVol *vol)
{
    replVirt.ObjectUnref(vol);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPool, replPoolUnref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplVol, replVolUnref)

typedef virConnect ReplConn;

static inline void
replConnUnref(ReplConn *conn)
{
    replVirt.ObjectUnref(conn);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplConn, replConnUnref)

/* The identity to go back to at the end of the scope; NULL: nothing was changed. */
typedef ReplVirtIdentity *ReplIdentity;

void
replIdentityRestore(ReplIdentity identity);

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(ReplIdentity, replIdentityRestore, NULL)

/* Makes the thread act as the daemon itself until the returned identity is restored. */
ReplIdentity
replIdentityBecomeSystem(void);

/* Makes the thread act as @who, NULL: as the daemon itself, from here on. */
void
replIdentityAct(ReplVirtIdentity *who);

/* Who is asking: the name by SASL, of the client's certificate, or of its user on this host. NULL:
 * not known. */
char *
replIdentityName(void);

/* What a volume call needs: access control asks about both definitions. */
typedef struct {
    ReplVirtPoolDef *pool;
    ReplVirtVolDef *vol;
} ReplAccessDefs;

/* Asks @check about a pool by UUID. Returns 0, or -1 with the error reported: denied, or no such
 * pool. */
int
replAccessPool(virConnectPtr conn, const unsigned char *uuid, ReplVirtPoolAcl check);

/* Asks @check about an existing volume. Returns 0, or -1 with the error reported: denied, pool not
 * active, no such volume. */
int
replAccessVol(virConnectPtr conn, const unsigned char *uuid, const char *volume, ReplVirtVolAcl check);

/* What VALIDATE means for volume XML. libvirt 9.0.0 refuses its own flag ("unsupported flags (0x4)
 * in function virStorageVolDefParseXML"), so for region pools we do it. Returns 0, or -1 with the
 * error reported. */
int
replAccessValidate(const char *xml);

/* Asks @check about a volume that @xml describes; @validate against libvirt's schema too. Returns
 * 0, or -1 with the error reported. */
int
replAccessNewVol(virConnectPtr conn, const unsigned char *uuid, const char *xml, gboolean validate,
                 ReplVirtVolAcl check);

/* Pool UUIDs as text and as libvirt's 16 bytes. */
void
replUuidFormat(const unsigned char *uuid, char *str);
gboolean
replUuidParse(const char *str, unsigned char *uuid);
