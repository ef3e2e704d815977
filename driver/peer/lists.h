/*
 * lists.h: calls that concern all pools at once: those of type region in lists, look-ups and new definitions
 *
 * stack/ asks the stock driver and these. Everything here reports, and asks the local access control.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* The names of active, or of defined but inactive pools that the caller may see, at most @max; allocated ones, put into @names (NULL:
 * only counted). */
int
replPeerListNames(virConnectPtr conn, gboolean active, char **names, int max, ReplVirtPoolFilter filter);

/* Those that virConnectListAllStoragePools() wants with @flags, handles. */
GPtrArray *
replPeerListAll(virConnectPtr conn, unsigned int flags);

/* Whether a pool of type region has this name; sends nothing to a peer. */
gboolean
replPeerHasName(const char *name);

/* NULL, reported. */
virStoragePoolPtr
replPeerLookupName(virConnectPtr conn, const char *name);
virStoragePoolPtr
replPeerLookupUuid(virConnectPtr conn, const unsigned char *uuid);

/* define and create from XML with type='region'. */
virStoragePoolPtr
replPeerDefine(virConnectPtr conn, const char *xml, unsigned int flags);
virStoragePoolPtr
replPeerCreate(virConnectPtr conn, const char *xml, unsigned int flags);
