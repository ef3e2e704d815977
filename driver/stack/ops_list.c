/*
 * ops_list.c: the staging folder is no volume: lists, counts and look-ups of region pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/ops.h"

#include <stdlib.h>
#include <string.h>

#include "region/region.h"
#include "stack/byid.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

/* Moves the staging folder's entry out of @names; returns how many are left. */
static int
replListDropStaging(char **names, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (g_str_equal(names[i], REPL_STAGING_NAME)) {
            free(names[i]);
            memmove(names + i, names + i + 1, (count - i - 1) * sizeof(*names));
            names[--count] = NULL;
            return count;
        }
    }
    return count;
}

static int
replListNames(virStoragePoolPtr pool, char ***names)
{
    int count = replBelowPool(pool)->storagePoolNumOfVolumes(pool);

    *names = NULL;
    if (count <= 0)
        return count;
    *names = g_new0(char *, count + 1);
    count = replBelowPool(pool)->storagePoolListVolumes(pool, *names, count);
    return count < 0 ? count : replListDropStaging(*names, count);
}

static int
replStoragePoolNumOfVolumes(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    char **names;
    int count;
    int i;

    if (!region)
        return replBelowPool(pool)->storagePoolNumOfVolumes(pool);
    count = replListNames(pool, &names);
    for (i = 0; i < count; i++)
        free(names[i]);
    g_free(names);
    return count;
}

static int
replStoragePoolListVolumes(virStoragePoolPtr pool, char **const names, int maxnames)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    char **all;
    int count;
    int i;

    if (!region)
        return replBelowPool(pool)->storagePoolListVolumes(pool, names, maxnames);
    if ((count = replListNames(pool, &all)) < 0) {
        g_free(all);
        return -1;
    }
    for (i = 0; i < count; i++) {
        if (i < maxnames)
            names[i] = all[i];
        else
            free(all[i]);
    }
    g_free(all);
    return MIN(count, maxnames);
}

static int
replStoragePoolListAllVolumes(virStoragePoolPtr pool, virStorageVolPtr **vols, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    int count = replBelowPool(pool)->storagePoolListAllVolumes(pool, vols, flags);
    virStorageVolPtr *list = NULL;
    int i;

    if (!region || count <= 0)
        return count;
    /* Without a list to fill, only the count is asked for: it must not count the folder either. */
    if (!vols && (count = replBelowPool(pool)->storagePoolListAllVolumes(pool, &list, flags)) < 0)
        return count;
    if (vols)
        list = *vols;
    for (i = 0; i < count; i++) {
        if (g_str_equal(virStorageVolGetName(list[i]), REPL_STAGING_NAME)) {
            replVolUnref(list[i]);
            memmove(list + i, list + i + 1, (count - i - 1) * sizeof(*list));
            list[--count] = NULL;
            break;
        }
    }
    if (!vols) {
        for (i = 0; i < count; i++)
            replVolUnref(list[i]);
        free(list);
    }
    return count;
}

/* Gives @vol back unless it is the staging folder of a region pool. */
static virStorageVolPtr
replListChecked(virStorageVolPtr vol, const char *what)
{
    g_autoptr(ReplRegion) region = NULL;

    if (!vol || !g_str_equal(virStorageVolGetName(vol), REPL_STAGING_NAME) ||
        !(region = replRegionOfVol(vol)))
        return vol;
    replVolUnref(vol);
    replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching %s"), what);
    return NULL;
}

static virStorageVolPtr
replStorageVolLookupByName(virStoragePoolPtr pool, const char *name)
{
    g_autofree char *what = g_strdup_printf("name '%s'", name);

    return replListChecked(replBelowPool(pool)->storageVolLookupByName(pool, name), what);
}

static virStorageVolPtr
replStorageVolLookupByKey(virConnectPtr conn, const char *key)
{
    g_autofree char *what = g_strdup_printf("key %s", key);

    if (g_str_has_prefix(key, REPL_IMAGE_KEY) || g_str_has_prefix(key, REPL_IMAGE_KEY_HERE))
        return replLookupById(conn, key);
    return replListChecked(replBelowAddress(key)->storageVolLookupByKey(conn, key), what);
}

static virStorageVolPtr
replStorageVolLookupByPath(virConnectPtr conn, const char *path)
{
    g_autofree char *what = g_strdup_printf("path '%s'", path);

    return replListChecked(replBelowAddress(path)->storageVolLookupByPath(conn, path), what);
}

void
replListOpsInstall(ReplVirtStorageDriver *table)
{
    table->storagePoolNumOfVolumes = replStoragePoolNumOfVolumes;
    table->storagePoolListVolumes = replStoragePoolListVolumes;
    table->storagePoolListAllVolumes = replStoragePoolListAllVolumes;
    table->storageVolLookupByName = replStorageVolLookupByName;
    table->storageVolLookupByKey = replStorageVolLookupByKey;
    table->storageVolLookupByPath = replStorageVolLookupByPath;
}
