/*
 * ops_vol.c: volumes of region pools: show them, and guard those that others need
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/ops.h"

#include <stdlib.h>

#include "image/guard.h"
#include "image/uploading.h"
#include "image/view.h"
#include "image/writes.h"
#include "region/region.h"
#include "stack/stockmake.h"
#include "service/makers.h"
#include "service/pending.h"
#include "stack/called.h"
#include "stack/far.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "virt/secrets.h"
#include "wire/wire.h"
#include "xml/xml.h"

/* The region that the volume's pool is; NULL where the stock driver alone looks after the volume. In a pool
 * without a label we look after volumes with a record (bundles, and jobs' placeholders for them) and refuse
 * the staging folder; every other volume is stock's alone. */
static ReplRegion *
replVolOpsRegion(virStorageVolPtr vol)
{
    g_autoptr(ReplRegion) region = replRegionOfVol(vol);
    const char *volume = virStorageVolGetName(vol);

    if (region && !replRegionIsRegion(region) && !g_str_equal(volume, REPL_STAGING_NAME) &&
        replViewIsDerived(region, volume))
        return NULL;
    return g_steal_pointer(&region);
}

/* RPC builds volume handles without a look-up: refuse one of the staging folder. */
static int
replVolOpsCheckName(const ReplRegion *region, const char *volume)
{
    if (!region || !g_str_equal(volume, REPL_STAGING_NAME))
        return 0;
    replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), volume);
    return -1;
}

/* Checks that the caller may change the volume, and that neither a job nor an overlay needs it as it is.
 * Notes it as being written to until replVolOpsChanged. The note comes before the checks: if a job starts at
 * the same time, at least one of the two sees the other and is refused. */
static int
replVolOpsGuardChange(virStorageVolPtr vol, const ReplRegion *region, ReplVirtVolAcl check)
{
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(GError) err = NULL;

    if (!region)
        return replFarGuard(vol);
    if (replVolOpsCheckName(region, volume) < 0 ||
        replAccessVol(virStorageVolGetConnect(vol), region->uuid, volume, check) < 0)
        return -1;
    replWritesBegin(region, volume, FALSE);
    if (replGuardChange(region, volume, &err) == 0 && replGuardPins(region, volume, &err) == 0 &&
        replGuardDependents(region, volume, &err) == 0)
        return 0;
    replWritesEnd(region, volume, FALSE, FALSE);
    replReport(g_steal_pointer(&err));
    return -1;
}

/* Hands @ret of the stock call through. (Public getters would lose its error: they reset it.) */
static int
replVolOpsChanged(const ReplRegion *region, const char *volume, gboolean goesOn, int ret)
{
    if (region)
        replWritesEnd(region, volume, FALSE, goesOn && ret == 0);
    return ret;
}

static int
replStorageVolDelete(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;
    int rc;

    if (!region && (rc = replFarDelete(vol)) != 0)
        return rc < 0 ? -1 : 0;
    if (!region)
        return replBelowVol(vol)->storageVolDelete(vol, flags);
    if (replVolOpsCheckName(region, volume) < 0 ||
        replAccessVol(virStorageVolGetConnect(vol), region->uuid, volume,
                      replVirt.StorageVolDeleteEnsureACL) < 0)
        return -1;
    if ((rc = replGuardMayGo(region, volume, &job, &err)) == 0 && job &&
        (rc = replPendingCancel(job, &err)) == 0)
        return 0;
    if (rc < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    return replGuardDelete(vol, region, flags);
}

/* Wipes by the stock driver, the volume marked for as long as it takes. @algorithm: NULL is that of the plain call. */
static int
replVolOpsWipe(virStorageVolPtr vol, ReplVirtVolAcl check, const unsigned int *algorithm, unsigned int flags)
{
    const ReplVirtStorageDriver *below = replBelowVol(vol);
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);
    ReplUploading *wiping = NULL;
    g_autoptr(GError) err = NULL;
    int ret;

    if (replVolOpsGuardChange(vol, region, check) < 0)
        return -1;
    if (region && replWipingBegin(region, volume, &wiping, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return replVolOpsChanged(region, volume, FALSE, -1);
    }
    ret =
        algorithm ? below->storageVolWipePattern(vol, *algorithm, flags) : below->storageVolWipe(vol, flags);
    replWipingEnd(wiping, region, volume, ret == 0);
    return replVolOpsChanged(region, volume, FALSE, ret);
}

static int
replStorageVolWipe(virStorageVolPtr vol, unsigned int flags)
{
    return replVolOpsWipe(vol, replVirt.StorageVolWipeEnsureACL, NULL, flags);
}

static int
replStorageVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags)
{
    return replVolOpsWipe(vol, replVirt.StorageVolWipePatternEnsureACL, &algorithm, flags);
}

static int
replStorageVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags)
{
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);

    if (replVolOpsGuardChange(vol, region, replVirt.StorageVolResizeEnsureACL) < 0)
        return -1;
    return replVolOpsChanged(region, volume, FALSE, replStockResize(vol, region, capacity, flags));
}

static int
replStorageVolUpload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                     unsigned long long length, unsigned int flags)
{
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);
    ReplUploading *uploading = NULL;
    g_autoptr(GError) err = NULL;
    int ret;

    if (replVolOpsGuardChange(vol, region, replVirt.StorageVolUploadEnsureACL) < 0)
        return -1;
    if (region && replUploadingBegin(region, volume, stream, virStorageVolGetConnect(vol), offset, length,
                                     &uploading, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return replVolOpsChanged(region, volume, TRUE, -1);
    }
    ret = replBelowVol(vol)->storageVolUpload(vol, stream, offset, length, flags);
    replUploadingGoOn(uploading, stream, ret == 0);
    return replVolOpsChanged(region, volume, TRUE, ret);
}

static int
replStorageVolDownload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                       unsigned long long length, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);
    const char *volume = virStorageVolGetName(vol);
    g_autoptr(GError) err = NULL;

    if (flags & REPL_WIRE_STREAM_FLAG) {
        if (flags == REPL_WIRE_STREAM_FLAG && offset == 0 && length == 0)
            return replCalledOpen(vol, stream);
        replReportError(VIR_ERR_INVALID_ARG,
                        _("A session between hosts has no range and no other flags (0x%x)"), flags);
        return -1;
    }
    if (region) {
        if (replVolOpsCheckName(region, volume) < 0 ||
            replAccessVol(virStorageVolGetConnect(vol), region->uuid, volume,
                          replVirt.StorageVolDownloadEnsureACL) < 0)
            return -1;
        if (replGuardSource(region, volume, &err) < 0) {
            replReport(g_steal_pointer(&err));
            return -1;
        }
    }
    return replBelowVol(vol)->storageVolDownload(vol, stream, offset, length, flags);
}

/* libvirt's XML of a volume, which for a pending replica is that of the placeholder. @secret: of the image, or NULL. */
static char *
replVolOpsXml(const ReplRegion *region, const char *volume, char *xml, const char *secret)
{
    g_autoptr(ReplHolding) holding = NULL;
    g_autoptr(ReplJob) job = replMakersFind(region->uuidstr, volume, &holding);
    g_autoptr(ReplJobInfo) shown = job ? replJobInfo(job) : NULL;
    g_autofree char *format = holding ? replHoldingFormat(holding) : NULL;
    ReplVolXmlKnown known = {.secret = secret, .pending = shown != NULL, .format = format};

    if (shown) {
        known.capacity_bytes = replHoldingCapacity(holding);
        known.allocation_bytes = MIN(shown->processed_bytes, known.capacity_bytes);
    }
    return replVolXmlShow(xml, &known);
}

/* A pending replica has the size that it will have, and what is written so far as allocation. */
static void
replVolOpsPendingInfo(const ReplRegion *region, const char *volume, virStorageVolInfoPtr info,
                      gboolean physical)
{
    g_autoptr(ReplHolding) holding = NULL;
    g_autoptr(ReplJob) job = replMakersFind(region->uuidstr, volume, &holding);
    g_autoptr(ReplJobInfo) shown = job ? replJobInfo(job) : NULL;

    if (!shown)
        return;
    info->capacity = replHoldingCapacity(holding);
    info->allocation = physical ? shown->processed_bytes : MIN(shown->processed_bytes, info->capacity);
}

static int
replStorageVolGetInfo(virStorageVolPtr vol, virStorageVolInfoPtr info)
{
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);

    if (replVolOpsCheckName(region, virStorageVolGetName(vol)) < 0 ||
        replBelowVol(vol)->storageVolGetInfo(vol, info) < 0)
        return -1;
    if (region)
        replVolOpsPendingInfo(region, virStorageVolGetName(vol), info, FALSE);
    return 0;
}

static int
replStorageVolGetInfoFlags(virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);

    if (replVolOpsCheckName(region, virStorageVolGetName(vol)) < 0 ||
        replBelowVol(vol)->storageVolGetInfoFlags(vol, info, flags) < 0)
        return -1;
    if (region)
        replVolOpsPendingInfo(region, virStorageVolGetName(vol), info, flags & VIR_STORAGE_VOL_GET_PHYSICAL);
    return 0;
}

static char *
replStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replVolOpsRegion(vol);
    g_autofree char *fragment = NULL;
    g_autofree char *secret = NULL;
    char *stock;
    char *ret;

    if (replVolOpsCheckName(region, virStorageVolGetName(vol)) < 0)
        return NULL;
    stock = replBelowVol(vol)->storageVolGetXMLDesc(vol, flags);
    if (stock && !region)
        return replFarVolXml(vol, stock);
    if (!stock || !region || !region->dir ||
        !(fragment = replViewImageXml(region, virStorageVolGetName(vol), &secret)))
        return stock;
    stock = replVolOpsXml(region, virStorageVolGetName(vol), stock, secret);
    ret = replXmlInsert(stock, "volume", fragment);
    free(stock);
    return ret;
}

static char *
replStorageVolGetPath(virStorageVolPtr vol)
{
    g_autoptr(ReplRegion) region = NULL;

    if (g_str_equal(virStorageVolGetName(vol), REPL_STAGING_NAME) && (region = replVolOpsRegion(vol)) &&
        replVolOpsCheckName(region, virStorageVolGetName(vol)) < 0)
        return NULL;
    return replBelowVol(vol)->storageVolGetPath(vol);
}

void
replVolOpsInstall(ReplVirtStorageDriver *table)
{
    table->storageVolDownload = replStorageVolDownload;
    table->storageVolUpload = replStorageVolUpload;
    table->storageVolDelete = replStorageVolDelete;
    table->storageVolWipe = replStorageVolWipe;
    table->storageVolWipePattern = replStorageVolWipePattern;
    table->storageVolGetInfo = replStorageVolGetInfo;
    table->storageVolGetInfoFlags = replStorageVolGetInfoFlags;
    table->storageVolGetXMLDesc = replStorageVolGetXMLDesc;
    table->storageVolGetPath = replStorageVolGetPath;
    table->storageVolResize = replStorageVolResize;
}
