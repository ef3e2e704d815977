/*
 * stockmake.c: stock calls that make or grow volumes, in region pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/stockmake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "image/quota.h"
#include "image/uploading.h"
#include "image/view.h"
#include "image/writes.h"
#include "probe/chain.h"
#include "store/record.h"
#include "store/uploads.h"
#include "virt/below.h"
#include "virt/report.h"
#include "virt/secrets.h"

/* A new volume is a new image: what an earlier one of the same name left behind is not its record, and must not
 * become it. */
static int
replStockForget(const ReplRegion *region, const char *name, GError **err)
{
    g_autoptr(ReplStaging) staging = replRegionStaging(region, FALSE, NULL);
    struct stat st;

    if (!staging || fstatat(region->dir->dirFd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (replRecordDropGone(staging, region->dir->dirFd, name, err) < 0)
        return -1;
    replUploadForget(staging, name);
    return 0;
}

/* libvirt knows the secret of a volume until the next pool-refresh; the record knows it for good. */
static void
replStockBind(const ReplRegion *region, virStorageVolPtr vol)
{
    g_autofree char *xml = replBelowVol(vol)->storageVolGetXMLDesc(vol, 0);
    g_autofree char *secret = xml ? replSecretsOfXml(xml) : NULL;
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (!secret)
        return;
    if (!(image = replViewImage(region, virStorageVolGetName(vol), &err)) ||
        !(staging = replRegionStaging(region, TRUE, &err))) {
        replWarn("The secret of '%s' is not remembered: %s", virStorageVolGetName(vol), err->message);
        return;
    }
    /* Keep no guest type in the record: what the volume holds is looked at again when it has content. */
    image->type = REPL_IMAGE_TYPE_UNKNOWN;
    image->status = REPL_IMAGE_AVAILABLE;
    replSecretsBind(image, secret);
    if (replRecordSave(staging, virStorageVolGetName(vol), image, &err) < 0)
        replWarn("The secret of '%s' is not remembered: %s", virStorageVolGetName(vol), err->message);
}

/* What a flat copy of the volume allocates at most, as far as it can be told. */
static guint64
replStockSourceBytes(virStorageVolPtr source, const ReplRegion *sourceRegion)
{
    g_autoptr(ReplPoolSet) set = sourceRegion ? replRegionsSet(sourceRegion->label->name) : NULL;
    const ReplPoolDir *dir = set ? replPoolSetFindUuid(set, sourceRegion->uuidstr) : NULL;
    g_autoptr(ReplChain) chain = dir ? replChainOpen(set, dir, virStorageVolGetName(source), NULL) : NULL;
    virStorageVolInfo info = {0};
    guint64 bytes = 0;
    guint i;

    for (i = 0; chain && i < chain->layers->len; i++)
        bytes += replChainLayer(chain, i)->allocated_bytes;
    if (chain)
        return bytes;
    if (replBelowVol(source)->storageVolGetInfo(source, &info) < 0)
        virResetLastError();
    return info.allocation;
}

/* One more image, and what is allocated with it: a raw volume is allocated as it says, others as they are written. */
static ReplAmounts
replStockAdds(const ReplVolXmlSizes *sizes, virStorageVolPtr source, const ReplRegion *sourceRegion)
{
    guint64 bytes = 0;

    if (!sizes->format || g_str_equal(sizes->format, "raw"))
        bytes = sizes->hasAllocation ? sizes->allocation_bytes : sizes->capacity_bytes;
    if (source)
        bytes = MAX(bytes, replStockSourceBytes(source, sourceRegion));
    return (ReplAmounts){1, 0, (gint64)MIN(bytes, (guint64)G_MAXINT64)};
}

static virStorageVolPtr
replStockCall(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr source, unsigned int flags)
{
    return source ? replBelowPool(pool)->storageVolCreateXMLFrom(pool, xml->stock, source, flags)
                  : replBelowPool(pool)->storageVolCreateXML(pool, xml->stock, flags);
}

/* Whether half of the volume would pass for a whole one, or be none: not if it is only so many zeroes. */
static gboolean
replStockIsWritten(const ReplVolXmlSizes *sizes, virStorageVolPtr source)
{
    return source || sizes->encrypted || (sizes->format && !g_str_equal(sizes->format, "raw"));
}

/* The stock call, with the volume marked as being made for as long as it takes. */
static virStorageVolPtr
replStockMakeMarked(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
                    virStorageVolPtr source, const ReplVolXmlSizes *sizes, unsigned int flags)
{
    ReplUploading *making = NULL;
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol;

    if (replStockForget(region, xml->name, &err) < 0 ||
        (replStockIsWritten(sizes, source) && replMakingBegin(region, xml->name, &making, &err) < 0)) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    replWritesBegin(region, xml->name, TRUE);
    vol = replStockCall(pool, xml, source, flags);
    replMakingEnd(making, region, xml->name, vol != NULL, virGetLastErrorCode() == VIR_ERR_STORAGE_VOL_EXIST);
    replWritesEnd(region, xml->name, TRUE, FALSE);
    return vol;
}

virStorageVolPtr
replStockMake(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
              virStorageVolPtr source, const ReplRegion *sourceRegion, unsigned int flags)
{
    g_autoptr(GError) err = NULL;
    g_auto(ReplVolXmlSizes) sizes = {0};
    virStorageVolPtr vol;
    ReplAmounts adds;

    /* XML without a name is left to the stock driver to refuse. A pool on another host is looked after by
     * that host. */
    if (!region || !region->dir || !xml->name)
        return replStockCall(pool, xml, source, flags);
    sizes = replVolXmlSizes(xml);
    adds = replStockAdds(&sizes, source, sourceRegion);
    if (replQuotaEnter(region, xml->name, &adds, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    vol = replStockMakeMarked(pool, region, xml, source, &sizes, flags);
    replQuotaLeave(region, &adds);
    if (vol && sizes.encrypted)
        replStockBind(region, vol);
    return vol;
}

int
replStockResize(virStorageVolPtr vol, const ReplRegion *region, unsigned long long capacity,
                unsigned int flags)
{
    const ReplVirtStorageDriver *below = replBelowVol(vol);
    g_autoptr(GError) err = NULL;
    virStorageVolInfo info = {0};
    ReplAmounts adds = {0, 0, 0};
    int ret;

    /* A volume that only becomes larger takes nothing until it is written. */
    if (!region || !region->dir || !(flags & VIR_STORAGE_VOL_RESIZE_ALLOCATE))
        return below->storageVolResize(vol, capacity, flags);
    if (below->storageVolGetInfo(vol, &info) < 0)
        return -1;
    if (flags & VIR_STORAGE_VOL_RESIZE_DELTA)
        adds.bytes = flags & VIR_STORAGE_VOL_RESIZE_SHRINK ? 0 : (gint64)MIN(capacity, (guint64)G_MAXINT64);
    else if (capacity > info.allocation)
        adds.bytes = (gint64)MIN(capacity - info.allocation, (guint64)G_MAXINT64);
    if (replQuotaEnter(region, virStorageVolGetName(vol), &adds, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    ret = below->storageVolResize(vol, capacity, flags);
    replQuotaLeave(region, &adds);
    return ret;
}
