/*
 * ops_pool.c: pools with a label: define, show, guard
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "image/overview.h"
#include "stack/far.h"
#include "image/view.h"
#include "peer/lists.h"
#include "peer/pools.h"
#include "region/region.h"
#include "service/service.h"
#include "stack/resume.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/events.h"
#include "virt/report.h"
#include "xml/xml.h"

/* The kinds of pool whose volumes are files in one directory. */
static gboolean
replPoolOpsIsFileBased(const char *type)
{
    static const char *const types[] = {"dir", "fs", "netfs", NULL};

    return type && g_strv_contains(types, type);
}

/* Refuses to take the label off a pool, or to move it to another region or project, under its jobs.
 */
static int
replPoolOpsMayRelabel(const unsigned char *uuid, const ReplLabel *was, const ReplLabel *label)
{
    g_autofree char *job = NULL;
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!was || (label && g_str_equal(was->name, label->name) && g_str_equal(was->project, label->project)))
        return 0;
    replUuidFormat(uuid, uuidstr);
    if (!(job = replServicePoolJob(uuidstr)))
        return 0;
    replReportError(VIR_ERR_OPERATION_INVALID,
                    _("The region label '%s' cannot be changed or taken off while replication job %s "
                      "uses the pool"),
                    was->name, job);
    return -1;
}

static int
replPoolOpsAclXml(virConnectPtr conn, const char *xml, ReplVirtPoolAcl check)
{
    ReplVirtPoolDef *def = replVirt.StoragePoolDefParse(xml, NULL, 0);
    int ret;

    if (!def)
        return -1;
    ret = check(conn, def);
    replVirt.StoragePoolDefFree(def);
    return ret < 0 ? -1 : 0;
}

/* Whether another pool has the name. The caller leaves that to the stock driver, which refuses it with its
 * own error. */
static gboolean
replPoolOpsIsNameTaken(virConnectPtr conn, const char *name, const unsigned char *uuid)
{
    g_autoptr(ReplPool) pool = name ? replNext.storagePoolLookupByName(conn, name) : NULL;
    unsigned char has[VIR_UUID_BUFLEN];

    if (pool && virStoragePoolGetUUID(pool, has) == 0)
        return memcmp(has, uuid, sizeof(has)) != 0;
    virResetLastError();
    return FALSE;
}

/* Refuses a second region pool on the same directory: a client could change through one pool what the other
 * pool guards. */
static int
replPoolOpsCheckTwin(const char *name, const unsigned char *uuid, const char *path)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    g_autofree char *twin = NULL;

    replUuidFormat(uuid, uuidstr);
    if (!path || !(twin = replRegionTwin(uuidstr, path)))
        return 0;
    replReportError(VIR_ERR_OPERATION_INVALID,
                    _("Storage pool '%s' has the same directory as region pool '%s'"), name ? name : uuidstr,
                    twin);
    return -1;
}

/* The stock XML with a UUID in it, so that the label can be made durable before the pool is. */
static char *
replPoolOpsWithUuid(const ReplPoolXml *xml, unsigned char *uuid)
{
    g_autofree char *made = NULL;
    g_autofree char *element = NULL;

    if (xml->uuid) {
        /* Leave it to the stock driver to refuse a malformed UUID. Until then use zeros, which no pool
         * has. */
        if (!replUuidParse(xml->uuid, uuid))
            memset(uuid, 0, VIR_UUID_BUFLEN);
        return g_strdup(xml->stock);
    }
    made = g_uuid_string_random();
    replUuidParse(made, uuid);
    element = g_strdup_printf("  <uuid>%s</uuid>\n", made);
    return replXmlInsert(xml->stock, "pool", element);
}

/* The project of a pool decides which shared images it may read. So changing it takes an administrator's
 * right, not just the right to define pools. */
static int
replPoolOpsMayOwn(virConnectPtr conn, const ReplLabel *was, const ReplLabel *label)
{
    const char *before = was ? was->project : REPL_PROJECT_DEFAULT;

    if (!label || g_str_equal(label->project, before))
        return 0;
    return replVirt.NodeSetMemoryParametersEnsureACL(conn) < 0 ? -1 : 0;
}

typedef virStoragePoolPtr (*ReplPoolOpsMake)(virConnectPtr, const char *, unsigned int);

/* define and create: checks first, then the label is written aside, the pool made by the stock
 * driver, and the label put in place. A failure on the way leaves the old label. */
static virStoragePoolPtr
replPoolOpsMakePool(virConnectPtr conn, const ReplPoolXml *xml, unsigned int flags, ReplVirtPoolAcl check,
                    ReplPoolOpsMake make, gboolean persistent)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autofree char *stock = replPoolOpsWithUuid(xml, uuid);
    g_autoptr(ReplLabel) was = replLabelsGet(replRegionsLabels(), uuid, NULL);
    /* Tools that know no metadata define pools anew: only a <metadata> takes a label off. */
    const ReplLabel *label = xml->hasMetadata ? xml->label : was;
    ReplLabelChange *change = NULL;
    g_autoptr(GError) err = NULL;
    virStoragePoolPtr pool;

    if (replPoolOpsAclXml(conn, stock, check) < 0 ||
        replPoolOpsMayOwn(conn, was && was->transit ? NULL : was, label && label->transit ? NULL : label) < 0)
        return NULL;
    if (label && !replPoolOpsIsFileBased(xml->type)) {
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("A pool of type '%s' cannot be a region pool: only dir, fs and netfs can"),
                        xml->type);
        return NULL;
    }
    if (replPoolOpsMayRelabel(uuid, was, label) < 0 ||
        (label && !replPoolOpsIsNameTaken(conn, xml->name, uuid) &&
         replPoolOpsCheckTwin(xml->name, uuid, xml->targetPath) < 0))
        return NULL;
    if ((label || was) && !(change = replLabelsPrepare(replRegionsLabels(), uuid, label, persistent, &err))) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    pool = make(conn, stock, flags);
    replRegionChanged(uuid);
    if (!pool) {
        replLabelChangeAbort(change);
        return NULL;
    }
    if (change && replLabelChangeCommit(change, &err) < 0) {
        replReport(g_steal_pointer(&err));
        replPoolUnref(pool);
        return NULL;
    }
    return pool;
}

/* What only a region pool needs is done only when the XML or the pool has a label. */
static gboolean
replPoolOpsIsOurs(const ReplPoolXml *xml)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplLabel) was = NULL;

    if (xml->hasOurs)
        return TRUE;
    if (!xml->uuid || !replUuidParse(xml->uuid, uuid))
        return FALSE;
    was = replLabelsGet(replRegionsLabels(), uuid, NULL);
    return was != NULL;
}

typedef virStoragePoolPtr (*ReplPoolOpsNew)(virConnectPtr, const ReplPoolXml *, const char *, unsigned int);

/* No pool of this host may have the name or the UUID of one on another host: both stay reserved while @make runs. */
static virStoragePoolPtr
replPoolOpsNewPool(virConnectPtr conn, const char *desc, unsigned int flags, ReplPoolOpsNew make,
                   ReplPoolOpsMake makeRemote)
{
    GError *err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParse(desc, &err);
    unsigned char uuid[VIR_UUID_BUFLEN];
    gboolean hasUuid = xml && xml->uuid && replUuidParse(xml->uuid, uuid);
    virStoragePoolPtr pool;

    if (!xml) {
        replReport(err);
        return NULL;
    }
    if (g_strcmp0(xml->type, REPL_REGION_POOL_TYPE) == 0)
        return makeRemote(conn, desc, flags);
    if (!xml->name)
        return make(conn, xml, desc, flags);
    if (replPeerPoolsReserve(xml->name, hasUuid ? uuid : NULL, FALSE, &err) < 0) {
        replReport(err);
        return NULL;
    }
    pool = make(conn, xml, desc, flags);
    replPeerPoolsUnreserve(xml->name, hasUuid ? uuid : NULL, FALSE);
    return pool;
}

static virStoragePoolPtr
replPoolOpsDefine(virConnectPtr conn, const ReplPoolXml *xml, const char *desc, unsigned int flags)
{
    if (!replRegionsLabels() || !replPoolOpsIsOurs(xml))
        return replNext.storagePoolDefineXML(conn, desc, flags);
    return replPoolOpsMakePool(conn, xml, flags, replVirt.StoragePoolDefineXMLEnsureACL,
                               replNext.storagePoolDefineXML, TRUE);
}

static virStoragePoolPtr
replStoragePoolDefineXML(virConnectPtr conn, const char *desc, unsigned int flags)
{
    return replPoolOpsNewPool(conn, desc, flags, replPoolOpsDefine, replPeerDefine);
}

static virStoragePoolPtr
replPoolOpsCreate(virConnectPtr conn, const ReplPoolXml *xml, const char *desc, unsigned int flags)
{
    g_autoptr(ReplPool) pool = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    gboolean persistent = FALSE;

    if (!replRegionsLabels() || !replPoolOpsIsOurs(xml))
        return replNext.storagePoolCreateXML(conn, desc, flags);
    if (xml->uuid && replUuidParse(xml->uuid, uuid)) {
        g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(uuid);

        persistent = obj && replVirt.StoragePoolObjGetConfigFile(obj);
    }
    pool = replPoolOpsMakePool(conn, xml, flags, replVirt.StoragePoolCreateXMLEnsureACL,
                               replNext.storagePoolCreateXML, persistent);
    if (pool)
        replResumePool(pool);
    return g_steal_pointer(&pool);
}

static virStoragePoolPtr
replStoragePoolCreateXML(virConnectPtr conn, const char *desc, unsigned int flags)
{
    return replPoolOpsNewPool(conn, desc, flags, replPoolOpsCreate, replPeerCreate);
}

static void
replPoolOpsChanged(virStoragePoolPtr pool)
{
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (virStoragePoolGetUUID(pool, uuid) == 0)
        replRegionChanged(uuid);
}

/* The caller may start it, and it has its directory for itself. */
static int
replPoolOpsGuardStart(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autofree char *path = region ? replRegionPath(region) : NULL;

    if (!region)
        return 0;
    if (replAccessPool(virStoragePoolGetConnect(pool), region->uuid, replVirt.StoragePoolCreateEnsureACL) < 0)
        return -1;
    return replPoolOpsCheckTwin(region->name, region->uuid, path);
}

static int
replStoragePoolCreate(virStoragePoolPtr pool, unsigned int flags)
{
    if (replPoolOpsGuardStart(pool) < 0 || replBelowPool(pool)->storagePoolCreate(pool, flags) < 0)
        return -1;
    replPoolOpsChanged(pool);
    replResumePool(pool);
    return 0;
}

/* The caller may do it, and no job of ours works in the pool. */
static int
replPoolOpsGuard(virStoragePoolPtr pool, const ReplRegion *region, ReplVirtPoolAcl check)
{
    g_autofree char *job = NULL;

    if (replAccessPool(virStoragePoolGetConnect(pool), region->uuid, check) < 0)
        return -1;
    if (!(job = replServicePoolJob(region->uuidstr)))
        return 0;
    replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is in use by replication job %s"),
                    region->name, job);
    return -1;
}

static int
replStoragePoolBuild(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);

    if (region && replPoolOpsGuard(pool, region, replVirt.StoragePoolBuildEnsureACL) < 0)
        return -1;
    return replBelowPool(pool)->storagePoolBuild(pool, flags);
}

/* The pool is gone; what is left of its label can do no harm, so failing to remove it fails
 * nothing. */
static void
replPoolOpsUnlabel(const ReplRegion *region)
{
    g_autoptr(GError) err = NULL;

    if (replLabelsDrop(replRegionsLabels(), region->uuid, &err) < 0)
        replWarn("The label of pool '%s' stays: %s", region->name, err->message);
}

static int
replStoragePoolUndefine(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);

    if (region && replPoolOpsGuard(pool, region, replVirt.StoragePoolUndefineEnsureACL) < 0)
        return -1;
    if (replBelowPool(pool)->storagePoolUndefine(pool) < 0)
        return -1;
    replPoolOpsChanged(pool);
    if (region)
        replPoolOpsUnlabel(region);
    return 0;
}

static int
replStoragePoolDestroy(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    ReplVirtPoolObj *obj;
    int ret;

    if (!region)
        return replBelowPool(pool)->storagePoolDestroy(pool);
    if (replPoolOpsGuard(pool, region, replVirt.StoragePoolDestroyEnsureACL) < 0)
        return -1;
    /* Nothing of ours may keep the file system busy when the stock driver unmounts it. */
    replPoolDirUnref(g_steal_pointer(&region->dir));
    replRegionForget(region->uuid);
    ret = replBelowPool(pool)->storagePoolDestroy(pool);
    replRegionChanged(region->uuid);
    if (ret < 0)
        return -1;
    /* A transient pool is gone now, and its label with it. */
    if (!(obj = replVirt.StoragePoolObjFindPoolByUUID(region->uuid)))
        replPoolOpsUnlabel(region);
    else
        replVirt.StoragePoolObjEndAPI(&obj);
    return 0;
}

static int
replStoragePoolDelete(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autoptr(GError) err = NULL;

    if (!region)
        return replBelowPool(pool)->storagePoolDelete(pool, flags);
    if (replPoolOpsGuard(pool, region, replVirt.StoragePoolDeleteEnsureACL) < 0)
        return -1;
    if (!region->dir) {
        /* Only a pool without volumes can be deleted; our folder must not be what is in the way. */
        replRegionForget(region->uuid);
        if (replRegionRemoveEmptyStaging(region, &err) < 0) {
            replReport(g_steal_pointer(&err));
            return -1;
        }
    }
    return replBelowPool(pool)->storagePoolDelete(pool, flags);
}

static int
replStoragePoolRefresh(virStoragePoolPtr pool, unsigned int flags)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    gboolean known = virStoragePoolGetUUID(pool, uuid) == 0;
    g_autoptr(ReplRegion) region = NULL;
    int ret = replBelowPool(pool)->storagePoolRefresh(pool, flags);

    /* One that fails stops the pool. */
    if (known)
        replRegionChanged(uuid);
    if (ret < 0)
        return -1;
    replResumePool(pool);
    if ((region = replRegionOfPool(pool)))
        replViewSweep(region);
    return 0;
}

/* The stock figures are those of the last refresh; ours come after jobs that never refresh a pool.
 */
static int
replStoragePoolGetInfo(virStoragePoolPtr pool, virStoragePoolInfoPtr info)
{
    g_autoptr(ReplRegion) region = NULL;
    struct statvfs st;

    if (replBelowPool(pool)->storagePoolGetInfo(pool, info) < 0)
        return -1;
    if (!(region = replRegionOfPool(pool)) || !region->dir || fstatvfs(region->dir->dirFd, &st) < 0)
        return 0;
    info->capacity = (unsigned long long)st.f_frsize * st.f_blocks;
    info->available = (unsigned long long)st.f_frsize * st.f_bfree;
    info->allocation = info->capacity - info->available;
    return 0;
}

static char *
replStoragePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    char *stock =
        replBelowPool(pool)->storagePoolGetXMLDesc(pool, region ? flags & (REPL_OVERVIEW_IMAGES - 1) : flags);
    g_autofree char *fragment = NULL;
    g_autofree char *overview = NULL;
    ReplAmounts usage;
    gboolean show;
    char *ret;

    if (stock && !region && !(flags & VIR_STORAGE_XML_INACTIVE) && replBelowPool(pool) != &replNext)
        return replFarPoolXml(pool, stock);
    if (!stock || !replRegionIsRegion(region))
        return stock;
    show = region->dir && !(flags & VIR_STORAGE_XML_INACTIVE);
    if (show && !(overview = replOverviewXml(pool, region, flags))) {
        free(stock);
        return NULL;
    }
    if (show && replViewUsage(region, &usage) < 0)
        show = FALSE;
    fragment = replFormatLabel(region->label, show ? &usage : NULL, overview);
    ret = replXmlInsert(stock, "pool", fragment);
    free(stock);
    return ret;
}

void
replPoolOpsInstall(ReplVirtStorageDriver *table)
{
    table->connectStoragePoolEventRegisterAny = replEventsRegister;
    table->connectStoragePoolEventDeregisterAny = replEventsDeregister;
    table->storagePoolCreateXML = replStoragePoolCreateXML;
    table->storagePoolDefineXML = replStoragePoolDefineXML;
    table->storagePoolBuild = replStoragePoolBuild;
    table->storagePoolUndefine = replStoragePoolUndefine;
    table->storagePoolCreate = replStoragePoolCreate;
    table->storagePoolDestroy = replStoragePoolDestroy;
    table->storagePoolDelete = replStoragePoolDelete;
    table->storagePoolRefresh = replStoragePoolRefresh;
    table->storagePoolGetInfo = replStoragePoolGetInfo;
    table->storagePoolGetXMLDesc = replStoragePoolGetXMLDesc;
}
