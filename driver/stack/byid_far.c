/*
 * byid_far.c: images by their id on hosts with the module, behind pools of type region
 *
 * Each host is asked for its own images only: the key that goes over the wire is another one than clients use, so that hosts
 * that are each other's peers do not ask in a circle. Hosts that are away are passed over.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "peer/remote.h"
#include "stack/byid.h"
#include "virt/access.h"
#include "virt/report.h"

/* Puts the name of the volume that is the image into call->text, or NULL where the pool there has no such
 * image. */
static int
replByIdAsk(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    g_autofree char *key = g_strconcat(REPL_IMAGE_KEY_HERE, call->xml, NULL);
    virStorageVolPtr vol;
    virStoragePoolPtr pool;

    (void)remote;
    g_clear_pointer(&call->text, free);
    if (!call->call.link->wireVersions)
        return 0;
    if (!(vol = virStorageVolLookupByKey(call->call.link->conn, key))) {
        virErrorPtr last = virGetLastError();

        if (!last || last->code != VIR_ERR_NO_STORAGE_VOL)
            return -1;
        virResetLastError();
        return 0;
    }
    if ((pool = virStoragePoolLookupByVolume(vol))) {
        if (g_str_equal(virStoragePoolGetName(pool), call->pool->def->source))
            call->text = strdup(virStorageVolGetName(vol));
        virStoragePoolFree(pool);
    }
    virStorageVolFree(vol);
    virResetLastError();
    return 0;
}

/* The volume of the pool behind @entry that is the image @id, if the caller may look it up; a handle, or NULL. */
static virStorageVolPtr
replByIdBehind(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *id)
{
    g_autoptr(ReplRemoteCall) call = replRemoteCallNew(entry, NULL, replByIdAsk);
    virStorageVolPtr vol = NULL;

    call->xml = g_strdup(id);
    call->call.brief = TRUE;
    if (replPeerCallQuick(entry->pool->peer, &call->call, NULL) == 0 && call->text &&
        replRemoteMayVol(conn, entry, call->text, replVirt.StorageVolLookupByKeyEnsureACL) == 0)
        vol = replRemoteVolHandle(conn, entry, call->text);
    virResetLastError();
    return vol;
}

GPtrArray *
replByIdFar(virConnectPtr conn, const char *id)
{
    g_autoptr(GPtrArray) entries = replPeerPoolsAll();
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)replVolUnref);

    for (guint i = 0; i < entries->len; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);
        virStorageVolPtr vol = entry->active ? replByIdBehind(conn, entry, id) : NULL;

        if (vol)
            g_ptr_array_add(found, vol);
    }
    return found;
}
