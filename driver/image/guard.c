/*
 * guard.c: refusing what would take the ground from under an overlay or a job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/guard.h"

#include "base/lock.h"
#include "image/standing.h"
#include "probe/graph.h"
#include "service/ended.h"
#include "service/service.h"
#include "store/record.h"
#include "store/uploads.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

ReplLock *
replGuardDeleting(void)
{
    static ReplLock deleting = REPL_LOCK_INIT;

    return &deleting;
}

/* Says why the volume cannot be used as it stands. Returns -1. */
static int
replGuardRefuse(const ReplRegion *region, const char *volume, const ReplStanding *standing, GError **err)
{
    g_autofree char *reason = replStateReason(standing->state.because, volume);

    if (standing->info)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' is not available: replication job %s is %s"), volume,
                     region->name, standing->info->id, replJobStateToString(standing->info->state));
    else
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is not available: %s"),
                     volume, region->name, reason ? reason : "?");
    return -1;
}

int
replGuardSource(const ReplRegion *region, const char *volume, GError **err)
{
    g_auto(ReplStanding) standing = {0};

    replStandingOf(region, volume, &standing);
    /* Stock calls may read an empty volume: it can do no harm. */
    if (!standing.state.there || standing.state.isSource || standing.state.because == REPL_BECAUSE_EMPTY)
        return 0;
    return replGuardRefuse(region, volume, &standing, err);
}

int
replGuardChange(const ReplRegion *region, const char *volume, GError **err)
{
    g_auto(ReplStanding) standing = {0};

    replStandingOf(region, volume, &standing);
    if (!standing.state.there || standing.state.mayChange || standing.state.because == REPL_BECAUSE_WRITING)
        return 0;
    return replGuardRefuse(region, volume, &standing, err);
}

int
replGuardMayGo(const ReplRegion *region, const char *volume, ReplJob **job, GError **err)
{
    g_auto(ReplStanding) standing = {0};

    *job = NULL;
    replStandingOf(region, volume, &standing);
    if (!standing.state.there || standing.state.deleting == REPL_DELETE_YES)
        return 0;
    /* A layer that a job is making cannot be deleted alone: it goes with the replica. */
    if (standing.state.deleting == REPL_DELETE_NO || !standing.holding)
        return replGuardRefuse(region, volume, &standing, err);
    *job = g_steal_pointer(&standing.job);
    return 0;
}

int
replGuardPins(const ReplRegion *region, const char *volume, GError **err)
{
    return replPinsCheck(replServicePins(), region->uuidstr, volume, err);
}

static ReplGraph *
replGuardScan(const ReplRegion *region, const ReplPoolSet *set, const ReplPoolDir **dir, GError **err)
{
    if (!(*dir = replPoolSetFindUuid(set, region->uuidstr))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return NULL;
    }
    return replGraphScan(replServiceCache(), set, *dir, REPL_GRAPH_NOW, err);
}

/* What could not be read yet may need @volume. Returns 0 when there is nothing of the kind, or -1 with @err set. */
static int
replGuardDoubt(const ReplGraph *graph, const ReplPoolDir *dir, const char *volume, GError **err)
{
    const ReplPoolDir *where;
    const char *unseen = replGraphUnseen(graph, dir, volume, &where);

    if (!unseen)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("Volume '%s' of pool '%s' cannot be read at the moment, and may need volume '%s' of pool "
                   "'%s': try again, or delete '%s' first"),
                 unseen, where->name, volume, dir->name, unseen);
    return -1;
}

int
replGuardDependents(const ReplRegion *region, const char *volume, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    const ReplPoolDir *dir;
    g_autoptr(ReplGraph) graph = replGuardScan(region, set, &dir, err);
    g_autoptr(GPtrArray) dependents = NULL;
    g_autofree char *names = NULL;

    if (!graph)
        return -1;
    dependents = replGraphDependents(graph, dir, volume);
    if (dependents->len == 0)
        return replGuardDoubt(graph, dir, volume, err);
    names = replGraphNames(dependents, dir);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is the backing file of %s"),
                 volume, region->name, names);
    return -1;
}

/* Layers that go with their image, each with its pool: (pool UUID, name), the nearest first. */
typedef struct {
    char *poolUuid;
    char *volume;
} ReplGuardLayer;

static void
replGuardLayerFree(gpointer opaque)
{
    ReplGuardLayer *layer = opaque;

    g_free(layer->poolUuid);
    g_free(layer->volume);
    g_free(layer);
}

/* The layers that nothing but @volume needs; NULL with @err set. */
static GPtrArray *
replGuardOrphans(const ReplRegion *region, const char *volume, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    const ReplPoolDir *dir;
    g_autoptr(ReplGraph) graph = replGuardScan(region, set, &dir, err);
    g_autoptr(GPtrArray) orphans = NULL;
    GPtrArray *layers;
    guint i;

    if (!graph || replGuardDoubt(graph, dir, volume, err) < 0)
        return NULL;
    orphans = replGraphOrphans(graph, dir, volume);
    layers = g_ptr_array_new_with_free_func(replGuardLayerFree);
    for (i = 0; i < orphans->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(orphans, i);
        ReplGuardLayer *layer = g_new0(ReplGuardLayer, 1);

        layer->poolUuid = g_strdup(replGraphNodePool(node)->uuid);
        layer->volume = g_strdup(replGraphNodeVolume(node));
        g_ptr_array_add(layers, layer);
    }
    return layers;
}

/* Everything that could refuse one of the layers is asked before the first volume is gone. */
static int
replGuardMayDelete(virConnectPtr conn, const GPtrArray *layers)
{
    guint i;

    for (i = 0; i < layers->len; i++) {
        const ReplGuardLayer *layer = g_ptr_array_index(layers, i);
        g_autoptr(ReplRegion) region = replRegionOfUuidString(layer->poolUuid);
        g_autoptr(GError) err = NULL;

        if (!region)
            continue;
        if (replAccessVol(conn, region->uuid, layer->volume, replVirt.StorageVolDeleteEnsureACL) < 0)
            return -1;
        if (replGuardPins(region, layer->volume, &err) < 0) {
            replReport(g_steal_pointer(&err));
            return -1;
        }
    }
    return 0;
}

static int
replGuardDeleteOne(virStorageVolPtr vol, const ReplRegion *region, unsigned int flags)
{
    g_autoptr(ReplStaging) staging = region->dir ? replRegionStaging(region, FALSE, NULL) : NULL;
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(GError) err = NULL;

    if (staging && replEndedForget(staging, region->dir->dirFd, volume, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (replBelowVol(vol)->storageVolDelete(vol, flags) < 0)
        return -1;
    if (staging) {
        replRecordDropGone(staging, region->dir->dirFd, volume, NULL);
        replUploadForget(staging, volume);
    }
    return 0;
}

static int
replGuardDeleteLayer(virConnectPtr conn, const ReplGuardLayer *layer, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(layer->poolUuid);
    g_autoptr(ReplPool) pool = NULL;
    g_autoptr(ReplVol) vol = NULL;

    if (!region)
        return 0;
    if (!(pool = replBelowUuid(region->uuid)->storagePoolLookupByUUID(conn, region->uuid)) ||
        !(vol = replBelowPool(pool)->storageVolLookupByName(pool, layer->volume)))
        return -1;
    return replGuardDeleteOne(vol, region, flags);
}

int
replGuardDelete(virStorageVolPtr vol, const ReplRegion *region, unsigned int flags)
{
    virConnectPtr conn = virStorageVolGetConnect(vol);
    unsigned int stockFlags = flags & ~VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS;
    const char *volume = virStorageVolGetName(vol);
    REPL_GUARD(replGuardDeleting());
    g_autoptr(GPtrArray) layers = NULL;
    g_autoptr(GError) err = NULL;
    guint i;

    if (replGuardPins(region, volume, &err) < 0 || replGuardDependents(region, volume, &err) < 0 ||
        ((flags & VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS) &&
         !(layers = replGuardOrphans(region, volume, &err)))) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (layers && replGuardMayDelete(conn, layers) < 0)
        return -1;
    if (replGuardDeleteOne(vol, region, stockFlags) < 0)
        return -1;
    for (i = 0; layers && i < layers->len; i++) {
        if (replGuardDeleteLayer(conn, g_ptr_array_index(layers, i), stockFlags) < 0)
            return -1;
    }
    return 0;
}
