/*
 * distant.c: replications with an end on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/distant.h"

#include "base/log.h"
#include "endpoint/bundle_source.h"
#include "endpoint/far_source.h"
#include "endpoint/open.h"
#include "endpoint/pushed_source.h"
#include "endpoint/stock_target.h"
#include "peer/epoch.h"
#include "peer/kind.h"
#include "peer/remote.h"
#include "stack/called.h"
#include "stack/distantpriv.h"
#include "stack/submission.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static ReplSource *
replDistantSource(const char *poolUuid, const char *volume, ReplSourceIs is)
{
    ReplSource *source = replPushedSource(poolUuid, volume);

    if (source || !(source = replFarSource(poolUuid, volume)) || is != REPL_SOURCE_IS_BUNDLE)
        return source;
    return replBundleSourceOver(source, poolUuid, volume);
}

void
replDistantStart(const char *ownDir)
{
    static const ReplEndpointKind kind = {replDistantSource, replStockTarget};
    static gboolean started;
    g_autoptr(GError) err = NULL;

    if (started)
        return;
    started = TRUE;
    if (g_mkdir_with_parents(ownDir, 0700) < 0 || replEpochStart(ownDir, &err) < 0)
        replError("This host replicates with no other one: %s", err ? err->message : g_strerror(errno));
    replEndpointRegister(&kind);
}

void
replDistantStop(void)
{
    replCalledStop();
}

void
replDistantStopped(void)
{
    if (!replCalledStopped())
        replWarn("Sessions with other hosts have not ended: the daemon stops without them");
}

/* Where @from is a bundle that the request may take for one: makes its source, and facts, those of the image in it. Returns
 * 0, or -1 with @err set. */
static int
replDistantUnpack(const ReplPeerPoolEntry *entry, const char *volume, const ReplRequest *request,
                  ReplSubmitFrom *from, GError **err)
{
    int begins = replBundleSourceBegins(from->source, from->facts, err);
    int module = begins > 0 ? replPeerHasModule(entry, err) : 1;

    if (begins <= 0 || module < 0)
        return begins == 0 ? 0 : -1;
    if (module == 0) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("'%s' is a bundle on a host without the module: download it, and upload it to a pool "
                       "of this host"),
                     volume);
        return -1;
    }
    from->source = replBundleSourceOver(from->source, from->poolUuid, volume);
    from->bundle = volume;
    return replSourceHold(from->source, err) < 0 ||
                   replSourceDescribe(from->source, request, &from->facts, err) < 0
               ? -1
               : 0;
}

/* Describes the source of @from, and looks whether it is a bundle. Returns 0, or -1 with @err set. */
static int
replDistantLook(const ReplPeerPoolEntry *entry, const char *volume, const ReplRequest *request,
                ReplSubmitFrom *from, GError **err)
{
    if (replSourceHold(from->source, err) < 0 ||
        replSourceDescribe(from->source, request, &from->facts, err) < 0)
        return -1;
    if (request->sourceIs == REPL_SOURCE_IS_IMAGE)
        return 0;
    if (replDistantUnpack(entry, volume, request, from, err) < 0)
        return -1;
    if (from->bundle || request->sourceIs == REPL_SOURCE_AS_FOUND)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is no bundle"), volume,
                 from->facts->pool);
    return -1;
}

/* Opens @vol, of a pool of type region, as a source that the caller may read. Its pool; NULL with the error reported. */
static ReplPeerPoolEntry *
replDistantFrom(virStorageVolPtr vol, const ReplRequest *request, ReplSubmitFrom *from)
{
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePoolOfVol(vol, replVirt.StorageVolDownloadEnsureACL);
    g_autoptr(GError) err = NULL;

    if (!entry)
        return NULL;
    if (!entry->active) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                        entry->pool->def->name);
        return NULL;
    }
    from->poolUuid = entry->pool->def->uuid;
    from->source = replEndpointSource(from->poolUuid, volume, REPL_SOURCE_IS_IMAGE);
    if (replDistantLook(entry, volume, request, from, &err) == 0)
        return g_steal_pointer(&entry);
    g_clear_pointer(&from->source, replSourceFree);
    replReport(g_steal_pointer(&err));
    return NULL;
}

virStorageVolPtr
replDistantPull(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    ReplSubmitFrom from = {0};
    g_autoptr(ReplPeerPoolEntry) entry = replDistantFrom(vol, xml->request, &from);

    return entry ? replSubmitDistant(pool, region, xml, &from, NULL, flags) : NULL;
}

/* To a host without the module: a job of this host. */
static virStorageVolPtr
replDistantFar(virStoragePoolPtr pool, const ReplPeerPoolEntry *far, const ReplVolXml *xml,
               virStorageVolPtr vol, unsigned int flags)
{
    ReplSubmitFrom from = {0};
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRegion) region = NULL;

    if (xml->request->bundle != REPL_BUNDLE_NONE) {
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("Storage pool '%s' is on another host: write the bundle to a pool of this one"),
                        far->pool->def->name);
        return NULL;
    }
    if (replBelowVol(vol) == &replNext) {
        region = replRegionOfVol(vol);
        return replSubmitFar(pool, far, xml, vol, region, NULL, flags);
    }
    if (!(entry = replDistantFrom(vol, xml->request, &from)))
        return NULL;
    if (from.bundle) {
        replDistantRefuseBundle(from.bundle);
        replSourceFree(from.source);
        return NULL;
    }
    return replSubmitFar(pool, far, xml, vol, NULL, &from, flags);
}

/* The pool of type region @pool, and whether its peer has the module; NULL with the error reported. */
static ReplPeerPoolEntry *
replDistantTargetPool(virStoragePoolPtr pool, gboolean *module)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolGetInfoEnsureACL);
    g_autoptr(GError) err = NULL;
    int has = entry ? replPeerHasModule(entry, &err) : -1;

    if (err)
        replReport(g_steal_pointer(&err));
    *module = has > 0;
    return has < 0 ? NULL : g_steal_pointer(&entry);
}

int
replDistantRefuseVerify(void)
{
    replReportError(VIR_ERR_NO_SUPPORT, "%s",
                    _("Only a replica on a host without the module is read back while it is made: verify "
                      "another one when it is "
                      "there, by <replication:job action='verify'/>"));
    return -1;
}

virStorageVolPtr
replDistantSubmit(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml, virStorageVolPtr source,
                  unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    gboolean module;

    if (xml->request->image) {
        replReportError(VIR_ERR_INVALID_ARG, "%s",
                        _("<replication:replicate image=''> names its source by itself: use vol-create"));
        return NULL;
    }
    if (xml->name && g_str_equal(xml->name, REPL_STAGING_NAME)) {
        replReportError(VIR_ERR_INVALID_ARG,
                        _("No image can be called '%s': it is the staging folder of its pool"), xml->name);
        return NULL;
    }
    if (replBelowPool(pool) == &replNext)
        return replDistantPull(pool, xml, source, flags);
    if (!(entry = replDistantTargetPool(pool, &module)))
        return NULL;
    if (module && xml->request->verify && replDistantRefuseVerify() < 0)
        return NULL;
    return module ? replDistantPush(pool, desc, xml, source)
                  : replDistantFar(pool, entry, xml, source, flags);
}
