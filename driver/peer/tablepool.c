/*
 * tablepool.c: the peers' table: what concerns a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/tableparts.h"

#include <stdlib.h>
#include <string.h>

#include "peer/remote.h"
#include "virt/access.h"
#include "virt/events.h"
#include "virt/report.h"
#include "xml/peerxml.h"

/* ---- what is told of the pool here */

int
replPeerTablePoolIsActive(virStoragePoolPtr pool)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolIsActiveEnsureACL);

    return entry ? entry->active : -1;
}

int
replPeerTablePoolIsPersistent(virStoragePoolPtr pool)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolIsPersistentEnsureACL);

    return entry ? entry->persistent : -1;
}

int
replPeerTablePoolGetAutostart(virStoragePoolPtr pool, int *autostart)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolGetAutostartEnsureACL);

    if (!entry)
        return -1;
    *autostart = entry->autostart;
    return 0;
}

/* ---- what is done to the pool here */

typedef int (*ReplPeerTableChange)(const unsigned char *uuid, GError **err);

static int
replPeerTableChangePool(virStoragePoolPtr pool, ReplVirtPoolAcl check, ReplPeerTableChange change, int event)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, check);
    GError *err = NULL;

    if (!entry)
        return -1;
    if (change(entry->pool->uuid, &err) < 0) {
        replReport(err);
        return -1;
    }
    replEventsLifecycle(entry->pool->def->name, entry->pool->uuid, event);
    return 0;
}

int
replPeerTablePoolSetAutostart(virStoragePoolPtr pool, int autostart)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolSetAutostartEnsureACL);
    GError *err = NULL;

    if (!entry)
        return -1;
    if (replPeerPoolsSetAutostart(entry->pool->uuid, autostart != 0, &err) == 0)
        return 0;
    replReport(err);
    return -1;
}

int
replPeerTablePoolCreate(virStoragePoolPtr pool, unsigned int flags)
{
    if (flags) {
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("Storage pool '%s' is on another host and cannot be built from here"),
                        virStoragePoolGetName(pool));
        return -1;
    }
    return replPeerTableChangePool(pool, replVirt.StoragePoolCreateEnsureACL, replPeerPoolsActivate,
                                   VIR_STORAGE_POOL_EVENT_STARTED);
}

int
replPeerTablePoolDestroy(virStoragePoolPtr pool)
{
    return replPeerTableChangePool(pool, replVirt.StoragePoolDestroyEnsureACL, replPeerPoolsDeactivate,
                                   VIR_STORAGE_POOL_EVENT_STOPPED);
}

int
replPeerTablePoolUndefine(virStoragePoolPtr pool)
{
    return replPeerTableChangePool(pool, replVirt.StoragePoolUndefineEnsureACL, replPeerPoolsUndefine,
                                   VIR_STORAGE_POOL_EVENT_UNDEFINED);
}

int
replPeerTablePoolBuild(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolBuildEnsureACL);

    (void)flags;
    if (entry)
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("Storage pool '%s' is on another host and cannot be built from here"),
                        entry->pool->def->name);
    return -1;
}

int
replPeerTablePoolDelete(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolDeleteEnsureACL);

    (void)flags;
    if (entry)
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("Storage pool '%s' is on another host and cannot be deleted from here"),
                        entry->pool->def->name);
    return -1;
}

/* ---- what the peer answers */

static int
replPeerActRefresh(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    return virStoragePoolRefresh(remote, call->flags);
}

int
replPeerTablePoolRefresh(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolRefreshEnsureACL);
    g_autoptr(ReplRemoteCall) call = entry ? replRemoteCallNew(entry, NULL, replPeerActRefresh) : NULL;

    if (!call)
        return -1;
    call->flags = flags;
    return replRemoteSlow(entry, call);
}

static int
replPeerActInfo(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    return virStoragePoolGetInfo(remote, &call->poolInfo);
}

int
replPeerTablePoolGetInfo(virStoragePoolPtr pool, virStoragePoolInfoPtr info)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolGetInfoEnsureACL);
    g_autoptr(ReplRemoteCall) call = entry ? replRemoteCallNew(entry, NULL, replPeerActInfo) : NULL;
    g_autoptr(GError) err = NULL;

    if (!call)
        return -1;
    memset(info, 0, sizeof(*info));
    info->state = VIR_STORAGE_POOL_INACTIVE;
    if (!entry->active)
        return 0;
    /* Show a pool whose peer does not answer as inaccessible, and wait for the peer only briefly: a list of
     * pools asks each of them. */
    info->state = VIR_STORAGE_POOL_INACCESSIBLE;
    call->call.brief = TRUE;
    if (replPeerCallQuick(entry->pool->peer, &call->call, &err) < 0)
        return 0;
    *info = call->poolInfo;
    info->state = VIR_STORAGE_POOL_RUNNING;
    return 0;
}

static int
replPeerActXml(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    replLinkAskServes(call->call.link);
    return (call->text = virStoragePoolGetXMLDesc(remote, call->flags)) ? 0 : -1;
}

typedef struct {
    virConnectPtr conn;
    const ReplPeerPoolEntry *entry;
} ReplPeerTableViewer;

/* As in a list of the pool's volumes. */
static gboolean
replPeerTableShown(const char *volume, void *opaque)
{
    const ReplPeerTableViewer *viewer = opaque;
    g_autoptr(ReplPeerAclVol) vol = replPeerPoolAclVol(viewer->entry->pool, volume);
    gboolean shown = vol && replVirt.StoragePoolListAllVolumesCheckACL(viewer->conn,
                                                                       viewer->entry->pool->aclDef, vol->def);

    virResetLastError();
    return shown;
}

/* Asks the peer for the XML of its pool, and checks that this is a pool that may stand behind @entry. Volumes
 * that @conn may not see are left out. NULL with @err set. */
static ReplPeerPoolXml *
replPeerTableAskXml(virConnectPtr conn, const ReplPeerPoolEntry *entry, guint flags, GError **err)
{
    g_autoptr(ReplRemoteCall) call = replRemoteCallNew(entry, NULL, replPeerActXml);
    ReplPeerTableViewer viewer = {conn, entry};

    call->flags = flags;
    if (replPeerCallQuick(entry->pool->peer, &call->call, err) < 0 ||
        replPeerPoolLearn(entry->pool, call->call.link, call->text, err) < 0)
        return NULL;
    return replPeerPoolXmlParse(call->text, replPeerTableShown, &viewer, err);
}

/* A pool is shown whether its peer is there or not. */
static char *
replPeerTableShow(virConnectPtr conn, const ReplPeerPoolEntry *entry, guint flags)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerPoolXml) xml = entry->active ? replPeerTableAskXml(conn, entry, flags, &err) : NULL;
    g_autofree char *region = NULL;
    g_autofree char *project = NULL;
    g_auto(ReplPeerStatus) status = {0};
    ReplRegionPoolShown shown = {.uri = entry->pool->uri->text};

    if (entry->active) {
        replPeerStatus(entry->pool->peer, &status);
        shown.state = replPeerStateToString(status.state);
        shown.since_s = status.since_s;
        shown.wire = status.wireVersions;
        shown.servesHosts = status.servesHosts;
        shown.libvirt = status.libvirt;
        shown.error = status.error ? status.error : err ? err->message : NULL;
        replPeerPoolSeen(entry->pool, &region, &project, NULL);
        shown.region = region;
        shown.project = project;
    }
    if (xml) {
        shown.sized = TRUE;
        shown.capacity_bytes = xml->capacity_bytes;
        shown.allocation_bytes = xml->allocation_bytes;
        shown.available_bytes = xml->available_bytes;
        shown.inner = xml->inner;
    }
    return replRegionPoolFormat(entry->pool->def, &shown);
}

char *
replPeerTablePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolGetXMLDescEnsureACL);
    g_autoptr(ReplRegionPool) inactive = NULL;

    if (!entry)
        return NULL;
    if (!(flags & VIR_STORAGE_XML_INACTIVE))
        return replPeerTableShow(virStoragePoolGetConnect(pool), entry, flags);
    inactive = replPeerPoolsInactive(entry->pool->uuid);
    return replRegionPoolFormat(inactive ? inactive : entry->pool->def, NULL);
}

/* ---- volumes of the pool */

static int
replPeerActList(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr *vols = NULL;
    int count = virStoragePoolListAllVolumes(remote, &vols, call->flags);
    int i;

    if (count < 0)
        return -1;
    g_clear_pointer(&call->names, g_ptr_array_unref);
    call->names = g_ptr_array_new_with_free_func(g_free);
    for (i = 0; i < count; i++) {
        g_ptr_array_add(call->names, g_strdup(virStorageVolGetName(vols[i])));
        replVolUnref(vols[i]);
    }
    free(vols);
    return 0;
}

/* The names that the caller may see; NULL, reported. */
static GPtrArray *
replPeerTableList(virStoragePoolPtr pool, guint flags, ReplVirtPoolAcl check, ReplVirtVolFilter filter,
                  ReplPeerPoolEntry **entry)
{
    g_autoptr(ReplRemoteCall) call = NULL;
    GPtrArray *names;

    if (!(*entry = replRemotePool(pool, check)))
        return NULL;
    call = replRemoteCallNew(*entry, NULL, replPeerActList);
    call->flags = flags;
    if (replRemoteQuick(*entry, call) < 0)
        return NULL;
    names = g_steal_pointer(&call->names);
    replRemoteHide(virStoragePoolGetConnect(pool), *entry, names, filter);
    return names;
}

int
replPeerTablePoolNumOfVolumes(virStoragePoolPtr pool)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(GPtrArray) names = replPeerTableList(pool, 0, replVirt.StoragePoolNumOfVolumesEnsureACL,
                                                   replVirt.StoragePoolNumOfVolumesCheckACL, &entry);

    return names ? (int)names->len : -1;
}

int
replPeerTablePoolListVolumes(virStoragePoolPtr pool, char **const names, int maxnames)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(GPtrArray) all = replPeerTableList(pool, 0, replVirt.StoragePoolListVolumesEnsureACL,
                                                 replVirt.StoragePoolListVolumesCheckACL, &entry);
    int count = all ? MIN((int)all->len, maxnames) : -1;
    int i;

    for (i = 0; i < count; i++)
        names[i] = g_strdup(g_ptr_array_index(all, i));
    return count;
}

int
replPeerTablePoolListAllVolumes(virStoragePoolPtr pool, virStorageVolPtr **vols, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(GPtrArray) all = replPeerTableList(pool, flags, replVirt.StoragePoolListAllVolumesEnsureACL,
                                                 replVirt.StoragePoolListAllVolumesCheckACL, &entry);
    virStorageVolPtr *list;
    guint i;

    if (!all || !vols)
        return all ? (int)all->len : -1;
    list = g_new0(virStorageVolPtr, all->len + 1);
    for (i = 0; i < all->len; i++) {
        if (!(list[i] =
                  replRemoteVolHandle(virStoragePoolGetConnect(pool), entry, g_ptr_array_index(all, i))))
            break;
    }
    if (i == all->len) {
        *vols = list;
        return (int)all->len;
    }
    while (i > 0)
        replVolUnref(list[--i]);
    g_free(list);
    return -1;
}
