/*
 * region.c: which pools are region pools, and where their volumes are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/region.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/lock.h"
#include "region/twins.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "xml/xml.h"

static ReplLabels *replRegionLabels; /* thread-safe itself; set once at start */

/* Where a pool is, as its running definition has it. */
typedef struct {
    char *name;
    char *path;
    gboolean active;
    gboolean hasFiles; /* its type is one of files in a directory */
} ReplRegionSite;

/* Guards the two tables, by pool UUID. Asking libvirt takes the lock of the pool's object, which a
 * refresh holds as long as it takes, so what it says is kept until something is done to the pool.
 */
static ReplLock replRegionLock = REPL_LOCK_INIT;
static GHashTable *replRegionStagings; /* -> ReplStaging */
static GHashTable *replRegionSites;    /* -> ReplRegionSite */
static guint64 replRegionChanges;      /* counts replRegionChanged: what was asked before one is not kept */

static void
replRegionSiteFree(gpointer opaque)
{
    ReplRegionSite *site = opaque;

    g_free(site->name);
    g_free(site->path);
    g_free(site);
}

void
replRegionFree(ReplRegion *region)
{
    if (!region)
        return;
    g_free(region->name);
    replLabelFree(region->label);
    if (region->dir)
        replPoolDirUnref(region->dir);
    g_free(region);
}

int
replRegionsStart(const char *configDir, const char *runDir, GError **err)
{
    REPL_GUARD(&replRegionLock);

    if (replRegionLabels)
        return 0;
    if (!(replRegionLabels = replLabelsNew(configDir, runDir, err)))
        return -1;
    replRegionStagings =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)replStagingUnref);
    replRegionSites = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replRegionSiteFree);
    return 0;
}

void
replRegionsStop(void)
{
    REPL_GUARD(&replRegionLock);

    if (replRegionStagings)
        g_hash_table_remove_all(replRegionStagings);
}

ReplLabels *
replRegionsLabels(void)
{
    return replRegionLabels;
}

/* NULL when the pool is gone. */
static ReplRegionSite *
replRegionAskSite(const unsigned char *uuid)
{
    static const char *const fileTypes[] = {"dir", "fs", "netfs", NULL};
    g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(uuid);
    g_autofree char *xml = NULL;
    g_autoptr(ReplPoolXml) parsed = NULL;
    ReplRegionSite *site;

    if (!obj || !(xml = replVirt.StoragePoolDefFormat(replVirt.StoragePoolObjGetDef(obj))) ||
        !(parsed = replPoolXmlParseStock(xml, NULL)))
        return NULL;
    site = g_new0(ReplRegionSite, 1);
    site->name = g_strdup(parsed->name);
    site->path = g_strdup(parsed->targetPath);
    site->active = replVirt.StoragePoolObjIsActive(obj);
    site->hasFiles = parsed->type && g_strv_contains(fileTypes, parsed->type);
    return site;
}

/* Name and target path of a pool; FALSE when it is gone. */
static gboolean
replRegionLocate(const unsigned char *uuid, char **name, char **path, gboolean *active)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    ReplRegionSite *site;
    ReplRegionSite *asked = NULL;
    guint64 changes;

    replUuidFormat(uuid, uuidstr);
    replLockTake(&replRegionLock);
    if (!(site = g_hash_table_lookup(replRegionSites, uuidstr))) {
        changes = replRegionChanges;
        replLockDrop(&replRegionLock);
        if (!(site = asked = replRegionAskSite(uuid)))
            return FALSE;
        replLockTake(&replRegionLock);
        if (changes == replRegionChanges)
            g_hash_table_replace(replRegionSites, g_strdup(uuidstr), g_steal_pointer(&asked));
    }
    *name = g_strdup(site->name);
    *path = g_strdup(site->path);
    *active = site->active;
    replLockDrop(&replRegionLock);
    if (asked)
        replRegionSiteFree(asked);
    return TRUE;
}

void
replRegionChanged(const unsigned char *uuid)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    replUuidFormat(uuid, uuidstr);
    replLockTake(&replRegionLock);
    replRegionChanges++;
    if (replRegionSites)
        g_hash_table_remove(replRegionSites, uuidstr);
    replLockDrop(&replRegionLock);
}

/* Whether the region pool @poolUuid is active, and its path leads to the directory of @dir. */
static gboolean
replRegionIsThere(const char *poolUuid, const ReplPoolDir *dir)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplLabel) label = NULL;
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    gboolean active = FALSE;
    struct stat st;

    return replUuidParse(poolUuid, uuid) && (label = replLabelsGet(replRegionLabels, uuid, NULL)) &&
           replRegionLocate(uuid, &name, &path, &active) && active && path && stat(path, &st) == 0 &&
           st.st_dev == dir->dev && st.st_ino == dir->ino;
}

char *
replRegionPath(const ReplRegion *region)
{
    g_autofree char *name = NULL;
    char *path = NULL;
    gboolean active;

    return replRegionLocate(region->uuid, &name, &path, &active) ? path : NULL;
}

char *
replRegionTwin(const char *uuidstr, const char *path)
{
    g_autoptr(ReplPoolDir) dir = replPoolDirNew(uuidstr, "", path, NULL, NULL);
    g_autofree char *other = NULL;
    g_autoptr(ReplRegion) region = NULL;

    if (!dir || replTwinsTakeDir(dir, replRegionIsThere, &other))
        return NULL;
    region = replRegionOfUuidString(other);
    return g_strdup(region ? region->name : other);
}

ReplRegion *
replRegionOfUuid(const unsigned char *uuid)
{
    g_autoptr(ReplRegion) region = NULL;
    g_autoptr(ReplLabel) label = NULL;
    g_autoptr(ReplPoolDir) dir = NULL;
    g_autoptr(GError) err = NULL;
    g_autofree char *path = NULL;
    g_autofree char *other = NULL;
    gboolean active = FALSE;

    if (!replRegionLabels || replLabelsCount(replRegionLabels) == 0 ||
        !(label = replLabelsGet(replRegionLabels, uuid, NULL)))
        return NULL;
    region = g_new0(ReplRegion, 1);
    memcpy(region->uuid, uuid, sizeof(region->uuid));
    replUuidFormat(uuid, region->uuidstr);
    region->label = g_steal_pointer(&label);
    if (!replRegionLocate(uuid, &region->name, &path, &active))
        return NULL;
    if (!active || !path)
        return g_steal_pointer(&region);
    if (!(dir = replPoolDirNew(region->uuidstr, region->name, path, region->label, &err))) {
        replWarn("The folder of region pool '%s' cannot be opened: %s", region->name, err->message);
        region->unread = TRUE;
    } else if (replTwinsTakeDir(dir, replRegionIsThere, &other)) {
        region->dir = g_steal_pointer(&dir);
    } else {
        replWarn("Region pool '%s' has the same directory as region pool %s: it is left alone", region->name,
                 other);
    }
    return g_steal_pointer(&region);
}

ReplPoolDir *
replRegionAnyDir(const char *uuidstr, GError **err)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(uuidstr);
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    gboolean active = FALSE;

    if (region && region->dir)
        return replPoolDirRef(region->dir);
    if (!replUuidParse(uuidstr, uuid) || !replRegionLocate(uuid, &name, &path, &active)) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("There is no storage pool with UUID '%s' any more"),
                     uuidstr);
        return NULL;
    }
    if (active && path && !region)
        return replPoolDirNew(uuidstr, name, path, NULL, err);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), name);
    return NULL;
}

gboolean
replRegionIsRegion(const ReplRegion *region)
{
    return region && !region->label->transit;
}

/* Whether the pool is one of files, and whether it outlives its stop. */
static gboolean
replRegionHasFiles(const unsigned char *uuid, gboolean *persistent)
{
    ReplRegionSite *site = replRegionAskSite(uuid);
    gboolean hasFiles = site && site->hasFiles;
    g_auto(ReplPoolObjRef) obj = NULL;

    if (site)
        replRegionSiteFree(site);
    obj = replVirt.StoragePoolObjFindPoolByUUID(uuid);
    *persistent = obj && replVirt.StoragePoolObjGetConfigFile(obj);
    return hasFiles;
}

int
replRegionTransit(virStoragePoolPtr pool, GError **err)
{
    g_autoptr(ReplLabel) label = replLabelNew(REPL_LABEL_TRANSIT, NULL);
    g_autoptr(ReplLabel) was = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    gboolean persistent;

    if (virStoragePoolGetUUID(pool, uuid) < 0) {
        replTakeError(err);
        return -1;
    }
    if (replRegionLabels && (was = replLabelsGet(replRegionLabels, uuid, NULL)))
        return 0;
    if (!replRegionLabels || !replRegionHasFiles(uuid, &persistent)) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Storage pool '%s' cannot hold a bundle: only pools of type dir, fs and netfs can"),
                     virStoragePoolGetName(pool));
        return -1;
    }
    label->transit = TRUE;
    return replLabelsSet(replRegionLabels, uuid, label, persistent, err);
}

ReplRegion *
replRegionOfUuidString(const char *uuidstr)
{
    unsigned char uuid[VIR_UUID_BUFLEN];

    return uuidstr && replUuidParse(uuidstr, uuid) ? replRegionOfUuid(uuid) : NULL;
}

ReplRegion *
replRegionOfPool(virStoragePoolPtr pool)
{
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!replRegionLabels || replLabelsCount(replRegionLabels) == 0 || virStoragePoolGetUUID(pool, uuid) < 0)
        return NULL;
    return replRegionOfUuid(uuid);
}

static virStoragePoolPtr
replPoolOfVolAsSystem(virStorageVolPtr vol)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();

    return replBelowVol(vol)->storagePoolLookupByVolume(vol);
}

virStoragePoolPtr
replPoolOfVol(virStorageVolPtr vol)
{
    virStoragePoolPtr pool = replBelowVol(vol)->storagePoolLookupByVolume(vol);

    /* Who may not see the pool may still do something with the volume. Asked second, since the
     * daemon's identity costs a look at the system each time. */
    if (!pool)
        pool = replPoolOfVolAsSystem(vol);
    if (!pool)
        virResetLastError();
    return pool;
}

ReplRegion *
replRegionOfVol(virStorageVolPtr vol)
{
    g_autoptr(ReplPool) pool = NULL;

    if (!replRegionLabels || replLabelsCount(replRegionLabels) == 0 || !(pool = replPoolOfVol(vol)))
        return NULL;
    return replRegionOfPool(pool);
}

ReplPoolSet *
replRegionsSet(const char *name)
{
    ReplPoolSet *set = replPoolSetNew();
    g_autoptr(GPtrArray) uuids = replRegionLabels ? replLabelsOf(replRegionLabels, name) : NULL;
    guint i;

    for (i = 0; uuids && i < uuids->len; i++) {
        g_autoptr(ReplRegion) region = replRegionOfUuid(g_ptr_array_index(uuids, i));

        if (region && region->dir)
            replPoolSetAdd(set, replPoolDirRef(region->dir));
    }
    return set;
}

ReplStaging *
replRegionStaging(const ReplRegion *region, gboolean create, GError **err)
{
    g_autoptr(ReplLocked) locker G_GNUC_UNUSED = NULL;
    ReplStaging *staging;

    if (!region->dir) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return NULL;
    }
    locker = replLockTake(&replRegionLock);
    staging = g_hash_table_lookup(replRegionStagings, region->uuidstr);
    /* A folder that was removed or mounted over since is not the pool's any more. */
    if (staging && !replStagingIsCurrent(staging, region->dir->dirFd)) {
        g_hash_table_remove(replRegionStagings, region->uuidstr);
        staging = NULL;
    }
    if (!staging) {
        if (!(staging = replStagingOpen(region->dir->dirFd, create, err)))
            return NULL;
        g_hash_table_insert(replRegionStagings, g_strdup(region->uuidstr), staging);
    }
    return replStagingRef(staging);
}

void
replRegionForget(const unsigned char *uuid)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    REPL_GUARD(&replRegionLock);

    replUuidFormat(uuid, uuidstr);
    if (replRegionStagings)
        g_hash_table_remove(replRegionStagings, uuidstr);
}

int
replRegionRemoveEmptyStaging(const ReplRegion *region, GError **err)
{
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autoptr(ReplPoolDir) dir = NULL;
    gboolean active;
    int empty;

    /* A folder that is not there, or not readable, is for the stock driver to complain about. */
    if (!replRegionLocate(region->uuid, &name, &path, &active) || !path ||
        !(dir = replPoolDirNew(region->uuidstr, name, path, NULL, NULL)))
        return 0;
    if ((empty = replStagingIsEmptyPool(dir->dirFd, err)) <= 0)
        return empty;
    return replStagingRemove(dir->dirFd, err);
}
