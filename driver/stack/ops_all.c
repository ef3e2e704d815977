/*
 * ops_all.c: what concerns all pools at once asks both tables: the stock driver's pools and those on other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/ops.h"

#include <stdlib.h>
#include <string.h>

#include "peer/announce.h"
#include "peer/lists.h"
#include "service/service.h"
#include "stack/peers.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "wire/wire.h"

static int
replConnectNumOfStoragePools(virConnectPtr conn)
{
    int count = replNext.connectNumOfStoragePools(conn);

    if (count < 0)
        return count;
    return count + replPeerListNames(conn, TRUE, NULL, G_MAXINT, replVirt.ConnectNumOfStoragePoolsCheckACL);
}

static int
replConnectListStoragePools(virConnectPtr conn, char **const names, int maxnames)
{
    int count = replNext.connectListStoragePools(conn, names, maxnames);

    if (count < 0)
        return count;
    return count + replPeerListNames(conn, TRUE, names + count, maxnames - count,
                                     replVirt.ConnectListStoragePoolsCheckACL);
}

static int
replConnectNumOfDefinedStoragePools(virConnectPtr conn)
{
    int count = replNext.connectNumOfDefinedStoragePools(conn);

    if (count < 0)
        return count;
    return count +
           replPeerListNames(conn, FALSE, NULL, G_MAXINT, replVirt.ConnectNumOfDefinedStoragePoolsCheckACL);
}

static int
replConnectListDefinedStoragePools(virConnectPtr conn, char **const names, int maxnames)
{
    int count = replNext.connectListDefinedStoragePools(conn, names, maxnames);

    if (count < 0)
        return count;
    return count + replPeerListNames(conn, FALSE, names + count, maxnames - count,
                                     replVirt.ConnectListDefinedStoragePoolsCheckACL);
}

static int
replConnectListAllStoragePools(virConnectPtr conn, virStoragePoolPtr **pools, unsigned int flags)
{
    int count = replNext.connectListAllStoragePools(conn, pools, flags);
    g_autoptr(GPtrArray) ours = count < 0 ? NULL : replPeerListAll(conn, flags);
    virStoragePoolPtr *list;
    guint i;

    if (count < 0)
        return count;
    if (!pools || ours->len == 0)
        return count + (int)ours->len;
    /* The array is the client's, who frees it as libvirt allocated it. */
    if (!(list = realloc(*pools, sizeof(*list) * ((gsize)count + ours->len + 1))))
        return count;
    for (i = 0; i < ours->len; i++)
        list[count++] = g_steal_pointer(&g_ptr_array_index(ours, i));
    list[count] = NULL;
    *pools = list;
    return count;
}

static char *
replConnectGetStoragePoolCapabilities(virConnectPtr conn, unsigned int flags)
{
    char *stock = replNext.connectGetStoragePoolCapabilities(conn, flags);
    g_autoptr(GString) versions = g_string_new(NULL);
    g_autoptr(ReplConfig) config = NULL;
    ReplAnnounced announced;
    guint version;
    char *ret;

    if (!stock || !replStackDaemonId())
        return stock;
    config = replServiceConfig();
    for (version = REPL_WIRE_VERSION_MIN; version <= REPL_WIRE_VERSION_MAX; version++)
        g_string_append_printf(versions, "%s%u", versions->len ? " " : "", version);
    announced = (ReplAnnounced){(char *)replStackDaemonId(), versions->str, config->serveHosts};
    ret = replAnnounceInsert(stock, &announced);
    free(stock);
    return ret;
}

static virStoragePoolPtr
replStoragePoolLookupByName(virConnectPtr conn, const char *name)
{
    return replPeerHasName(name) ? replPeerLookupName(conn, name)
                                 : replNext.storagePoolLookupByName(conn, name);
}

static virStoragePoolPtr
replStoragePoolLookupByUUID(virConnectPtr conn, const unsigned char *uuid)
{
    return replBelowUuid(uuid)->storagePoolLookupByUUID(conn, uuid);
}

static virStoragePoolPtr
replStoragePoolLookupByVolume(virStorageVolPtr vol)
{
    return replBelowVol(vol)->storagePoolLookupByVolume(vol);
}

static int
replStoragePoolGetAutostart(virStoragePoolPtr pool, int *autostart)
{
    return replBelowPool(pool)->storagePoolGetAutostart(pool, autostart);
}

static int
replStoragePoolSetAutostart(virStoragePoolPtr pool, int autostart)
{
    return replBelowPool(pool)->storagePoolSetAutostart(pool, autostart);
}

static int
replStoragePoolIsActive(virStoragePoolPtr pool)
{
    return replBelowPool(pool)->storagePoolIsActive(pool);
}

static int
replStoragePoolIsPersistent(virStoragePoolPtr pool)
{
    return replBelowPool(pool)->storagePoolIsPersistent(pool);
}

void
replAllOpsInstall(ReplVirtStorageDriver *table)
{
    table->connectNumOfStoragePools = replConnectNumOfStoragePools;
    table->connectListStoragePools = replConnectListStoragePools;
    table->connectNumOfDefinedStoragePools = replConnectNumOfDefinedStoragePools;
    table->connectListDefinedStoragePools = replConnectListDefinedStoragePools;
    table->connectListAllStoragePools = replConnectListAllStoragePools;
    table->connectGetStoragePoolCapabilities = replConnectGetStoragePoolCapabilities;
    table->storagePoolLookupByName = replStoragePoolLookupByName;
    table->storagePoolLookupByUUID = replStoragePoolLookupByUUID;
    table->storagePoolLookupByVolume = replStoragePoolLookupByVolume;
    table->storagePoolGetAutostart = replStoragePoolGetAutostart;
    table->storagePoolSetAutostart = replStoragePoolSetAutostart;
    table->storagePoolIsActive = replStoragePoolIsActive;
    table->storagePoolIsPersistent = replStoragePoolIsPersistent;
}
