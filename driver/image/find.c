/*
 * find.c: images by their id, over the active region pools of this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/find.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/view.h"
#include "store/files.h"
#include "store/recordfind.h"

static void
replFoundImageFree(gpointer opaque)
{
    ReplFoundImage *found = opaque;

    replRegionFree(found->region);
    g_free(found->volume);
    g_free(found);
}

static void
replFindAdd(GPtrArray *found, const char *poolUuid, const char *volume)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(poolUuid);
    ReplFoundImage *image;

    if (!region || !region->dir)
        return;
    image = g_new0(ReplFoundImage, 1);
    image->region = g_steal_pointer(&region);
    image->volume = g_strdup(volume);
    g_ptr_array_add(found, image);
}

static gboolean
replFindIsThere(const ReplPoolDir *dir, const char *volume)
{
    struct stat st;

    return fstatat(dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Most images that anybody asks for by id have a record. */
static void
replFindRecorded(GPtrArray *found, const ReplPoolSet *set, const char *id)
{
    guint i;

    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *dir = g_ptr_array_index(set->pools, i);
        g_autoptr(ReplRegion) region = replRegionOfUuidString(dir->uuid);
        g_autoptr(ReplStaging) staging = region ? replRegionStaging(region, FALSE, NULL) : NULL;
        g_autofree char *volume = staging ? replRecordFindId(staging, id) : NULL;

        if (volume && replFindIsThere(dir, volume))
            replFindAdd(found, dir->uuid, volume);
    }
}

/* The others have an id that is made from the file: each is looked at. */
static void
replFindDerived(GPtrArray *found, const ReplPoolSet *set, const char *id)
{
    guint i, k;

    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *dir = g_ptr_array_index(set->pools, i);
        g_autoptr(ReplRegion) region = replRegionOfUuidString(dir->uuid);
        g_autoptr(GPtrArray) names = replDirList(dir->dirFd, replIsVolumeName, NULL);

        for (k = 0; region && region->dir && names && k < names->len; k++) {
            const char *volume = g_ptr_array_index(names, k);
            g_autofree char *derived = replViewDerivedId(region, volume);

            if (derived && g_str_equal(derived, id) && replViewIsDerived(region, volume))
                replFindAdd(found, dir->uuid, volume);
        }
    }
}

GPtrArray *
replFindImages(const char *id, const char *regionName)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(replFoundImageFree);
    g_autoptr(ReplPoolSet) set = replRegionsSet(regionName);

    replFindRecorded(found, set, id);
    if (found->len == 0)
        replFindDerived(found, set, id);
    return found;
}

char *
replFoundNames(const GPtrArray *found)
{
    GString *names = g_string_new(NULL);
    guint i;

    for (i = 0; i < found->len; i++) {
        const ReplFoundImage *image = g_ptr_array_index(found, i);

        g_string_append_printf(names, "%s%s/%s", i ? ", " : "", image->region->name, image->volume);
    }
    return g_string_free(names, FALSE);
}
