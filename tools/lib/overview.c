/*
 * overview.c: regions, images and jobs of a connection
 *
 * The one call for each pool is virStoragePoolGetXMLDesc() with VIRT_REPLICATION_POOL_XML_IMAGES. A
 * module that does not know this flag refuses it, or answers without <images>: then the volumes are
 * asked one by one. The same way serves VIRT_REPLICATION_LIST_DETAILED.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "overview.h"
#include "readlist.h"

#define REPL_LIST_FLAGS                                                                                      \
    (VIRT_REPLICATION_LIST_IMAGES | VIRT_REPLICATION_LIST_DETAILED | VIRT_REPLICATION_LIST_INACTIVE)

static void
replOverviewSetImages(virtReplicationRegion *region, GPtrArray *images)
{
    region->images = replArraySteal(images, &region->nimages);
    region->listed = 1;
}

/* Marks volumes that others of the pool need; in detail nothing else tells. */
static void
replOverviewMarkLayers(GPtrArray *images)
{
    g_autoptr(GHashTable) needed = g_hash_table_new(g_str_hash, g_str_equal);
    guint i;

    for (i = 0; i < images->len; i++) {
        virtReplicationImage *image = g_ptr_array_index(images, i);

        if (image->backing)
            g_hash_table_add(needed, image->backing);
    }
    for (i = 0; i < images->len; i++) {
        virtReplicationImage *image = g_ptr_array_index(images, i);

        image->isLayer = g_hash_table_contains(needed, image->volume);
    }
}

virtReplicationImage *
replOverviewVolume(virStorageVolPtr vol, const ReplImagePlace *place)
{
    g_autofree char *xml = virStorageVolGetXMLDesc(vol, 0);
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root;

    if (!xml) {
        replErrorFromLibvirt();
        return NULL;
    }
    if (!(doc = replNodeParse(xml)))
        return NULL;
    root = replNodeRoot(doc, "volume");
    return root ? replReadVolume(root, place) : NULL;
}

/* The jobs that a module lists, found in the images instead. */
static void
replOverviewFindJobs(virtReplicationRegion *region)
{
    GPtrArray *jobs = g_ptr_array_new();
    size_t i;

    for (i = 0; i < region->nimages; i++) {
        const virtReplicationJob *job = region->images[i]->job;

        if (job && (job->state == VIRT_REPLICATION_JOB_FAILED || !virtReplicationJobStateIsEnded(job->state)))
            g_ptr_array_add(jobs, replJobCopy(job));
    }
    region->jobs = replArraySteal(jobs, &region->njobs);
}

/* Asks each volume. One that goes meanwhile is left out. */
static int
replOverviewVolumes(virStoragePoolPtr pool, virtReplicationRegion *region)
{
    GPtrArray *images = g_ptr_array_new();
    ReplImagePlace place = replRegionPlace(region);
    virStorageVolPtr *vols = NULL;
    int count = virStoragePoolListAllVolumes(pool, &vols, 0);
    int i;

    if (count < 0) {
        g_ptr_array_free(images, TRUE);
        return replErrorFromLibvirt();
    }
    for (i = 0; i < count; i++) {
        virtReplicationImage *image = replOverviewVolume(vols[i], &place);

        if (image)
            g_ptr_array_add(images, image);
        virStorageVolFree(vols[i]);
    }
    free(vols);
    replOverviewMarkLayers(images);
    replOverviewSetImages(region, images);
    if (!region->jobs)
        replOverviewFindJobs(region);
    replErrorReset();
    return 0;
}

/* Reads the parts behind the first. @part: the next one's number. */
static int
replOverviewParts(virStoragePoolPtr pool, const virtReplicationRegion *region, GPtrArray *images, int part)
{
    while (part > 0) {
        unsigned int flags = VIRT_REPLICATION_POOL_XML_IMAGES_PART(part);
        g_autofree char *xml = virStoragePoolGetXMLDesc(pool, flags);
        g_autoptr(xmlDoc) doc = NULL;
        int next;

        if (!xml)
            return replErrorFromLibvirt();
        if (!(doc = replListParse(xml, images, &next)))
            return -1;
        if (next < 0 || (next > 0 && next <= part))
            return replError(VIR_ERR_XML_ERROR,
                             _("The list of images of pool '%s' ends in part %d without an end"),
                             region->pool, part);
        part = next;
    }
    return 0;
}

/* The images of a pool: those of its list, or of its volumes when there is none (@next is -1). *images has the first
 * part, and is taken over. */
static int
replOverviewImages(virStoragePoolPtr pool, virtReplicationRegion *region, GPtrArray **images, int next)
{
    ReplImagePlace place = replRegionPlace(region);

    if (next < 0)
        return replOverviewVolumes(pool, region);
    if (replOverviewParts(pool, region, *images, next) < 0)
        return -1;
    replListPlace(*images, &place);
    replOverviewSetImages(region, g_steal_pointer(images));
    return 0;
}

/* The pool's XML, with the list of images when the module has it. @noList: it was seen to have
 * none. */
static char *
replOverviewXML(virStoragePoolPtr pool, bool wantList, bool *noList)
{
    char *xml;

    if (wantList && !*noList) {
        if ((xml = virStoragePoolGetXMLDesc(pool, VIRT_REPLICATION_POOL_XML_IMAGES)))
            return xml;
        if (virGetLastErrorCode() != VIR_ERR_INVALID_ARG && virGetLastErrorCode() != VIR_ERR_NO_SUPPORT)
            goto error;
        *noList = true;
    }
    if ((xml = virStoragePoolGetXMLDesc(pool, 0)))
        return xml;
error:
    replErrorFromLibvirt();
    return NULL;
}

/* A pool that is no region: NULL and no error. */
static virtReplicationRegion *
replOverviewPool(virStoragePoolPtr pool, unsigned int flags, bool *noList)
{
    bool detailed = flags & VIRT_REPLICATION_LIST_DETAILED;
    bool wanted = flags & (VIRT_REPLICATION_LIST_IMAGES | VIRT_REPLICATION_LIST_DETAILED);
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationImageFree);
    int next = -1;
    g_autofree char *xml = replOverviewXML(pool, wanted && !detailed, noList);
    g_autoptr(xmlDoc) doc = xml ? replListParse(xml, images, &next) : NULL;
    xmlNodePtr root = doc ? replNodeRoot(doc, "pool") : NULL;
    g_autoptr(virtReplicationRegion) region = root ? replReadRegion(root) : NULL;

    if (!region)
        return NULL;
    region->active = virStoragePoolIsActive(pool) == 1;
    if (!wanted)
        return g_steal_pointer(&region);
    if (!region->active) {
        region->listError = g_strdup_printf(_("Storage pool '%s' is not active"), region->pool);
    } else if (replOverviewImages(pool, region, &images, next) < 0) {
        region->listError = g_strdup(virtReplicationGetLastErrorMessage());
        replErrorReset();
    }
    return g_steal_pointer(&region);
}

static int
replOverviewCompare(gconstpointer a, gconstpointer b)
{
    const virtReplicationRegion *one = *(virtReplicationRegion *const *)a;
    const virtReplicationRegion *two = *(virtReplicationRegion *const *)b;
    int order = strcmp(one->name, two->name);

    return order ? order : strcmp(one->pool, two->pool);
}

int
replOverviewList(virConnectPtr conn, GPtrArray *regions, unsigned int flags)
{
    unsigned int which = flags & VIRT_REPLICATION_LIST_INACTIVE ? 0 : VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
    virStoragePoolPtr *pools = NULL;
    bool noList = false;
    int count = virConnectListAllStoragePools(conn, &pools, which);
    int ret = 0;
    int i;

    if (count < 0)
        return replErrorFromLibvirt();
    for (i = 0; i < count; i++) {
        virtReplicationRegion *region = ret == 0 ? replOverviewPool(pools[i], flags, &noList) : NULL;
        int code = replErrorCode();

        if (region)
            g_ptr_array_add(regions, region);
        else if (code != VIR_ERR_OK && code != VIR_ERR_NO_STORAGE_POOL)
            ret = -1; /* it did not just go meanwhile */
        else
            replErrorReset();
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    g_ptr_array_sort(regions, replOverviewCompare);
    return ret;
}

int
virtReplicationListRegions(virConnectPtr conn, virtReplicationRegion ***regions, unsigned int flags)
{
    GPtrArray *found;
    size_t count;

    REPL_BEGIN(flags, REPL_LIST_FLAGS, -1);
    REPL_NEED(regions, -1);
    found = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationRegionFree);
    if (replOverviewList(conn, found, flags) < 0) {
        g_ptr_array_free(found, TRUE);
        return -1;
    }
    *regions = replArraySteal(found, &count);
    return (int)count;
}

virtReplicationRegion *
virtReplicationRegionGet(virStoragePoolPtr pool, unsigned int flags)
{
    virtReplicationRegion *region;
    bool noList = false;

    REPL_BEGIN(flags, REPL_LIST_FLAGS, NULL);
    region = replOverviewPool(pool, flags, &noList);
    if (!region && replErrorCode() == VIR_ERR_OK)
        replError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is no region: it has no label"),
                  virStoragePoolGetName(pool));
    return region;
}

int
virtReplicationListImages(virConnectPtr conn, virtReplicationImage ***images, unsigned int flags)
{
    g_autoptr(GPtrArray) regions = NULL;
    GPtrArray *all;
    size_t count, j;
    guint i;

    REPL_BEGIN(flags, REPL_LIST_FLAGS, -1);
    REPL_NEED(images, -1);
    regions = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationRegionFree);
    flags = (flags & ~(unsigned int)VIRT_REPLICATION_LIST_INACTIVE) | VIRT_REPLICATION_LIST_IMAGES;
    if (replOverviewList(conn, regions, flags) < 0)
        return -1;
    all = g_ptr_array_new();
    for (i = 0; i < regions->len; i++) {
        virtReplicationRegion *region = g_ptr_array_index(regions, i);

        for (j = 0; j < region->nimages; j++)
            g_ptr_array_add(all, g_steal_pointer(&region->images[j]));
    }
    *images = replArraySteal(all, &count);
    return (int)count;
}

/* Moves the jobs of a region to @jobs: those in its list, or, when all are wanted, those of the
 * images. */
static void
replOverviewTakeJobs(virtReplicationRegion *region, GPtrArray *jobs, bool all)
{
    size_t i;

    if (all) {
        for (i = 0; i < region->nimages; i++) {
            if (region->images[i]->job)
                g_ptr_array_add(jobs, g_steal_pointer(&region->images[i]->job));
        }
        return;
    }
    for (i = 0; i < region->njobs; i++)
        g_ptr_array_add(jobs, g_steal_pointer(&region->jobs[i]));
}

/* The regions with their jobs; modules that list none are asked for their volumes. */
static int
replOverviewJobs(virConnectPtr conn, GPtrArray *regions, unsigned int flags)
{
    guint i;

    if (replOverviewList(conn, regions, flags) < 0)
        return -1;
    for (i = 0; i < regions->len; i++) {
        virtReplicationRegion *region = g_ptr_array_index(regions, i);

        if (region->active && !region->jobs) {
            g_ptr_array_set_size(regions, 0);
            return replOverviewList(conn, regions, flags | VIRT_REPLICATION_LIST_IMAGES);
        }
    }
    return 0;
}

int
virtReplicationListJobs(virConnectPtr conn, virtReplicationJob ***jobs, unsigned int flags)
{
    g_autoptr(GPtrArray) regions = NULL;
    bool ended = flags & (VIRT_REPLICATION_LIST_IMAGES | VIRT_REPLICATION_LIST_DETAILED);
    GPtrArray *all;
    size_t count;
    guint i;

    REPL_BEGIN(flags, REPL_LIST_FLAGS, -1);
    REPL_NEED(jobs, -1);
    regions = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationRegionFree);
    if (replOverviewJobs(conn, regions, flags) < 0)
        return -1;
    all = g_ptr_array_new();
    for (i = 0; i < regions->len; i++)
        replOverviewTakeJobs(g_ptr_array_index(regions, i), all, ended);
    *jobs = replArraySteal(all, &count);
    return (int)count;
}
