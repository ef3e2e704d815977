/*
 * target.c: regions and pools that a person names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "target.h"

void
replTargetFreeRegions(virtReplicationRegion **regions)
{
    size_t i;

    for (i = 0; regions && regions[i]; i++)
        virtReplicationRegionFree(regions[i]);
    free(regions);
}

virtReplicationRegion **
replTargetRegions(ReplClient *client, unsigned int flags)
{
    virtReplicationRegion **regions = NULL;

    if (virtReplicationListRegions(client->conn, &regions, flags) < 0) {
        replClientFail();
        return NULL;
    }
    return regions;
}

static const virtReplicationRegion *
replTargetNone(virtReplicationRegion *const *regions, const char *word)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const char *near;
    size_t i;

    for (i = 0; regions[i]; i++) {
        g_ptr_array_add(words, regions[i]->name);
        g_ptr_array_add(words, regions[i]->pool);
    }
    g_ptr_array_add(words, NULL);
    near = replNearest(word, (const char *const *)words->pdata);
    if (near)
        replClientError(_("There is no region '%s'. Did you mean '%s'?"), word, near);
    else
        replClientError(_("There is no region '%s': 'virt-replicate regions' lists them, and "
                          "'virt-replicate label POOL %s' "
                          "makes one"),
                        word, word);
    return NULL;
}

static const virtReplicationRegion *
replTargetSeveral(const GPtrArray *found, const char *word)
{
    g_autoptr(GString) list = g_string_new(NULL);
    guint i;

    for (i = 0; i < found->len; i++) {
        const virtReplicationRegion *region = g_ptr_array_index(found, i);

        g_string_append_printf(list, "\n  %s (%s)", region->pool, region->project);
    }
    replClientError(_("Region '%s' has %u pools; name one of them:%s"), word, found->len, list->str);
    return NULL;
}

/* The pools of the region @word, of @project only unless that is NULL. */
static void
replTargetCollect(virtReplicationRegion *const *regions, const char *word, const char *project,
                  GPtrArray *found)
{
    size_t i;

    g_ptr_array_set_size(found, 0);
    for (i = 0; regions[i]; i++) {
        if (strcmp(regions[i]->name, word) == 0 && (!project || strcmp(regions[i]->project, project) == 0))
            g_ptr_array_add(found, regions[i]);
    }
}

const virtReplicationRegion *
replTargetFind(virtReplicationRegion *const *regions, const char *word, const char *project)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    size_t i;

    replTargetCollect(regions, word, NULL, found);
    if (found->len > 1 && project) {
        replTargetCollect(regions, word, project, found);
        if (found->len == 0)
            replTargetCollect(regions, word, NULL, found);
    }
    if (found->len == 1)
        return g_ptr_array_index(found, 0);
    for (i = 0; regions[i]; i++) {
        if (strcmp(regions[i]->pool, word) == 0)
            return regions[i];
    }
    return found->len > 1 ? replTargetSeveral(found, word) : replTargetNone(regions, word);
}

bool
replTargetFindAll(virtReplicationRegion *const *regions, char **words, const char *project, GPtrArray *found)
{
    guint i, j;

    for (i = 0; words && words[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], ",", -1);

        for (j = 0; parts[j]; j++) {
            const virtReplicationRegion *region;

            if (!*parts[j])
                continue;
            if (!(region = replTargetFind(regions, parts[j], project)))
                return false;
            if (!g_ptr_array_find(found, region, NULL))
                g_ptr_array_add(found, (gpointer)region);
        }
    }
    return true;
}

/* The name of a pool that is near @name, NULL when there is none. The caller frees. */
static char *
replTargetNearPool(ReplClient *client, const char *name)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(client->conn, &pools, 0);
    char *near;
    int i;

    for (i = 0; i < count; i++)
        g_ptr_array_add(words, (gpointer)virStoragePoolGetName(pools[i]));
    g_ptr_array_add(words, NULL);
    near = g_strdup(replNearest(name, (const char *const *)words->pdata));
    for (i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    free(pools);
    return near;
}

virStoragePoolPtr
replTargetPool(ReplClient *client, const char *name)
{
    virStoragePoolPtr pool = virStoragePoolLookupByName(client->conn, name);
    g_autofree char *near = NULL;
    virErrorPtr error;

    if (pool)
        return pool;
    error = virSaveLastError(); /* before other calls to libvirt reset it */
    if (error && error->code == VIR_ERR_NO_STORAGE_POOL && (near = replTargetNearPool(client, name)))
        replClientError(_("There is no storage pool '%s'. Did you mean '%s'?"), name, near);
    else
        replClientFailWith(NULL, error);
    virFreeError(error);
    return NULL;
}

void
replTargetNoVolume(virStoragePoolPtr pool, const char *name)
{
    virErrorPtr error = virSaveLastError(); /* before other calls to libvirt reset it */
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    virStorageVolPtr *vols = NULL;
    const char *near = NULL;
    int count = -1;
    int i;

    if (error && error->code == VIR_ERR_NO_STORAGE_VOL)
        count = virStoragePoolListAllVolumes(pool, &vols, 0);
    for (i = 0; i < count; i++)
        g_ptr_array_add(words, (gpointer)virStorageVolGetName(vols[i]));
    g_ptr_array_add(words, NULL);
    if (count >= 0)
        near = replNearest(name, (const char *const *)words->pdata);
    if (near)
        replClientError(_("There is no volume '%s' in storage pool '%s'. Did you mean '%s'?"), name,
                        virStoragePoolGetName(pool), near);
    else if (count >= 0)
        replClientError(
            _("There is no volume '%s' in storage pool '%s': 'virsh vol-list %s' lists what there is"), name,
            virStoragePoolGetName(pool), virStoragePoolGetName(pool));
    else
        replClientFailWith(NULL, error);
    for (i = 0; i < count; i++)
        virStorageVolFree(vols[i]);
    free(vols);
    virFreeError(error);
}
