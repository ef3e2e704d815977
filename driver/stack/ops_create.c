/*
 * ops_create.c: vol-create and vol-create-from: stock creation, requests and updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/ops.h"

#include <string.h>

#include "image/guard.h"
#include "region/region.h"
#include "stack/bundled.h"
#include "stack/byid.h"
#include "stack/distant.h"
#include "stack/far.h"
#include "stack/stockmake.h"
#include "stack/submission.h"
#include "stack/update.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "xml/xml.h"

static int
replCreateOpsCheckName(const ReplRegion *region, const char *name)
{
    if (!region || !name || !g_str_equal(name, REPL_STAGING_NAME))
        return 0;
    replReportError(VIR_ERR_INVALID_ARG,
                    _("A volume of region pool '%s' cannot be called '%s': it is the pool's staging "
                      "folder"),
                    region->name, name);
    return -1;
}

/* Takes VALIDATE out of @flags for a region pool, once the XML has been held against libvirt's
 * schema. */
static int
replCreateOpsValidate(const ReplRegion *region, const char *xml, unsigned int *flags)
{
    if (!region || !(*flags & VIR_STORAGE_VOL_CREATE_VALIDATE))
        return 0;
    *flags &= ~VIR_STORAGE_VOL_CREATE_VALIDATE;
    return replAccessValidate(xml);
}

static virStorageVolPtr
replStorageVolCreateXML(virStoragePoolPtr pool, const char *desc, unsigned int flags)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(desc, &err);
    g_autoptr(ReplRegion) region = NULL;

    if (!xml) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    /* The pool is on another host. An update of a job of this host is done here; all else is for the daemon
     * there. */
    if (xml->update && replBelowPool(pool) != &replNext) {
        virStorageVolPtr vol;

        return replFarUpdate(pool, xml->update, &vol)
                   ? vol
                   : replBelowPool(pool)->storageVolCreateXML(pool, desc, flags);
    }
    if (xml->update)
        return replUpdateRun(pool, xml, flags);
    if (xml->request && xml->request->verify && replBelowPool(pool) == &replNext) {
        replDistantRefuseVerify();
        return NULL;
    }
    if (xml->request && !xml->request->image) {
        replReportError(VIR_ERR_INVALID_ARG, "%s",
                        _("<replication:replicate> needs a source: use vol-create-from, or name an image by "
                          "its id"));
        return NULL;
    }
    region = replRegionOfPool(pool);
    if (xml->request)
        return replCreateOpsCheckName(region, xml->name) < 0 ? NULL
                                                             : replSubmitById(pool, region, xml, flags);
    if (replCreateOpsCheckName(region, xml->name) < 0 ||
        replCreateOpsValidate(region, xml->stock, &flags) < 0)
        return NULL;
    return replStockMake(pool, region, xml, NULL, NULL, flags);
}

/* One of the two is on another host. */
static virStorageVolPtr
replCreateOpsFromRemote(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml,
                        virStorageVolPtr source, unsigned int flags)
{
    const ReplVirtStorageDriver *below = replBelowPool(pool);
    int bundled =
        xml->request && replBelowVol(source) == &replNext ? replBundledAsked(xml->request, source) : 0;

    if (bundled > 0)
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("'%s' is a bundle, and pool '%s' is on another host: make the image in a pool of "
                          "this host, and "
                          "replicate it from there"),
                        virStorageVolGetName(source), virStoragePoolGetName(pool));
    if (bundled)
        return NULL;
    if (xml->request)
        return replDistantSubmit(pool, desc, xml, source, flags);
    return (below != &replNext ? below : replBelowVol(source))
        ->storageVolCreateXMLFrom(pool, xml->stock, source, flags);
}

static virStorageVolPtr
replStorageVolCreateXMLFrom(virStoragePoolPtr pool, const char *desc, virStorageVolPtr source,
                            unsigned int flags)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(desc, &err);
    g_autoptr(ReplRegion) region = NULL;
    g_autoptr(ReplRegion) sourceRegion = NULL;
    int bundled;

    if (!xml) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (xml->request && xml->request->verify && replBelowPool(pool) == &replNext) {
        replDistantRefuseVerify();
        return NULL;
    }
    if (xml->update) {
        replReportError(VIR_ERR_INVALID_ARG, "%s",
                        _("<replication:update> changes an image in place: use vol-create"));
        return NULL;
    }
    if (replBelowVol(source) != &replNext || replBelowPool(pool) != &replNext)
        return replCreateOpsFromRemote(pool, desc, xml, source, flags);
    if (xml->request && (bundled = replBundledAsked(xml->request, source)) != 0)
        return bundled < 0 ? NULL : replBundledSubmit(pool, xml, source, flags);
    sourceRegion = replRegionOfVol(source);
    if (sourceRegion && g_str_equal(virStorageVolGetName(source), REPL_STAGING_NAME)) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"),
                        REPL_STAGING_NAME);
        return NULL;
    }
    region = replRegionOfPool(pool);
    if (replCreateOpsCheckName(region, xml->name) < 0)
        return NULL;
    if (xml->request && xml->request->image) {
        replReportError(VIR_ERR_INVALID_ARG, "%s",
                        _("<replication:replicate image=''> names its source by itself: use vol-create"));
        return NULL;
    }
    if (xml->request)
        return replSubmit(pool, region, xml, source, sourceRegion, flags);
    if (sourceRegion) {
        g_autofree char *name = g_strdup(virStorageVolGetName(source));

        if (replAccessVol(virStorageVolGetConnect(source), sourceRegion->uuid, name,
                          replVirt.StorageVolDownloadEnsureACL) == 0 &&
            replGuardSource(sourceRegion, name, &err) < 0) {
            replReport(g_steal_pointer(&err));
            return NULL;
        }
        virResetLastError();
    }
    if (replCreateOpsValidate(region, xml->stock, &flags) < 0)
        return NULL;
    return replStockMake(pool, region, xml, source, sourceRegion, flags);
}

void
replCreateOpsInstall(ReplVirtStorageDriver *table)
{
    table->storageVolCreateXML = replStorageVolCreateXML;
    table->storageVolCreateXMLFrom = replStorageVolCreateXMLFrom;
}
