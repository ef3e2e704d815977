/*
 * remote.c: one call on a pool of type region, as an entry of the peers' table makes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/remote.h"

#include <stdlib.h>
#include <string.h>

#include "virt/access.h"
#include "virt/report.h"
#include "xml/peerxml.h"

/* Whether the call failed because the pool there was defined anew since it was looked up. */
static gboolean
replRemoteIsStale(void)
{
    virErrorPtr last = virGetLastError();

    return last && last->code == VIR_ERR_NO_STORAGE_POOL;
}

static int
replRemoteRun(ReplPeerCall *opaque, GError **err)
{
    ReplRemoteCall *call = (ReplRemoteCall *)opaque;
    ReplLink *link = call->call.link;
    gboolean again = TRUE;

    for (;;) {
        virStoragePoolPtr remote = replPeerPoolRemote(call->pool, link, err);
        int ret;

        if (!remote)
            return -1;
        ret = call->act(call, remote);
        replPoolUnref(remote);
        if (ret == 0)
            return 0;
        if (!again || !replRemoteIsStale())
            break;
        again = FALSE;
        replPeerPoolForget(call->pool);
    }
    replLinkTakeError(link->uri, link->transport, FALSE, err);
    return -1;
}

static void
replRemoteClear(ReplPeerCall *opaque)
{
    ReplRemoteCall *call = (ReplRemoteCall *)opaque;

    replPeerPoolUnref(call->pool);
    g_free(call->volume);
    g_free(call->xml);
    free(call->text);
    g_clear_pointer(&call->names, g_ptr_array_unref);
}

ReplRemoteCall *
replRemoteCallNew(const ReplPeerPoolEntry *entry, const char *volume,
                  int (*act)(ReplRemoteCall *call, virStoragePoolPtr remote))
{
    ReplRemoteCall *call = replPeerCallNew(sizeof(*call), replRemoteRun, replRemoteClear);

    call->pool = replPeerPoolRef(entry->pool);
    call->volume = g_strdup(volume);
    call->act = act;
    return call;
}

int
replRemoteActNothing(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    (void)call;
    (void)remote;
    return 0;
}

static int
replRemoteMake(const ReplPeerPoolEntry *entry, ReplRemoteCall *call,
               int (*make)(ReplPeer *, ReplPeerCall *, GError **))
{
    GError *err = NULL;

    if (!entry->active) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is not active"),
                        entry->pool->def->name);
        return -1;
    }
    if (make(entry->pool->peer, &call->call, &err) == 0)
        return 0;
    replReport(err);
    return -1;
}

int
replRemoteQuick(const ReplPeerPoolEntry *entry, ReplRemoteCall *call)
{
    return replRemoteMake(entry, call, replPeerCallQuick);
}

int
replRemoteSlow(const ReplPeerPoolEntry *entry, ReplRemoteCall *call)
{
    return replRemoteMake(entry, call, replPeerCallSlow);
}

virStorageVolPtr
replRemoteVol(ReplRemoteCall *call)
{
    /* A peer finds a volume by the names of its pool and its own; what the key is does not matter to it. */
    return replVirt.GetStorageVol(call->call.link->conn, call->pool->def->source, call->volume, call->volume,
                                  NULL, NULL);
}

ReplPeerPoolEntry *
replRemotePool(virStoragePoolPtr pool, ReplVirtPoolAcl check)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (virStoragePoolGetUUID(pool, uuid) < 0)
        return NULL;
    if (!(entry = replPeerPoolsFind(uuid))) {
        replReportError(VIR_ERR_NO_STORAGE_POOL, _("no storage pool with matching name '%s'"),
                        virStoragePoolGetName(pool));
        return NULL;
    }
    if (check(virStoragePoolGetConnect(pool), entry->pool->aclDef) < 0)
        return NULL;
    return g_steal_pointer(&entry);
}

ReplPeerPoolEntry *
replRemotePoolOfVol(virStorageVolPtr vol, ReplVirtVolAcl check)
{
    const char *name = virStorageVolGetName(vol);
    g_autofree char *uuidstr = NULL;
    g_autofree char *volume = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    /* A client can make up handles: refuse one whose name and key do not fit together. */
    if (!replPeerVolKeyParse(virStorageVolGetKey(vol), &uuidstr, &volume) || !g_str_equal(volume, name) ||
        !replUuidParse(uuidstr, uuid) || !(entry = replPeerPoolsFind(uuid))) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), name);
        return NULL;
    }
    if (replRemoteMayVol(virStorageVolGetConnect(vol), entry, name, check) < 0)
        return NULL;
    return g_steal_pointer(&entry);
}

int
replRemoteMayVol(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *volume, ReplVirtVolAcl check)
{
    g_autoptr(ReplPeerAclVol) vol = replPeerPoolAclVol(entry->pool, volume);

    return vol && check(conn, entry->pool->aclDef, vol->def) == 0 ? 0 : -1;
}

virStoragePoolPtr
replRemotePoolHandle(virConnectPtr conn, const ReplPeerPoolEntry *entry)
{
    return replVirt.GetStoragePool(conn, entry->pool->def->name, entry->pool->uuid, NULL, NULL);
}

virStorageVolPtr
replRemoteVolHandle(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *volume)
{
    g_autofree char *key = replPeerVolKey(entry->pool->def->uuid, volume);

    return replVirt.GetStorageVol(conn, entry->pool->def->name, volume, key, NULL, NULL);
}

void
replRemoteHide(virConnectPtr conn, const ReplPeerPoolEntry *entry, GPtrArray *names, ReplVirtVolFilter filter)
{
    guint i = 0;

    while (i < names->len) {
        g_autoptr(ReplPeerAclVol) vol = replPeerPoolAclVol(entry->pool, g_ptr_array_index(names, i));

        if (vol && filter(conn, entry->pool->aclDef, vol->def))
            i++;
        else
            g_ptr_array_remove_index(names, i);
    }
    virResetLastError();
}
