/*
 * local_own.c: what a job has in a pool of this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/localpriv.h"

int
replLocalTargetOpen(ReplLocalTarget *target, GError **err)
{
    if (target->staging)
        return 0;
    if (!target->region && !(target->region = replRegionOfUuid(target->journal->targetUuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("There is no region pool with UUID '%s' any more"),
                     target->journal->targetUuidstr);
        return -1;
    }
    if (!target->set)
        target->set = replRegionsSet(NULL);
    if (!(target->dir = replPoolSetFindUuid(target->set, target->journal->targetUuidstr))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     target->region->name);
        return -1;
    }
    return (target->staging = replRegionStaging(target->region, TRUE, err)) ? 0 : -1;
}

gboolean
replLocalStops(void *opaque)
{
    return g_atomic_int_get(&((ReplTarget *)opaque)->cancelled) != 0;
}

void
replLocalShowNames(ReplLocalTarget *target)
{
    const ReplJobRecord *record = target->journal->record;
    GPtrArray *layers = g_ptr_array_new_with_free_func(g_free);
    guint i;

    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (layer->placeholder && !layer->published && !replJobRecordMakesImage(record, layer->volume))
            g_ptr_array_add(layers, g_strdup(layer->volume));
    }
    replHoldingSetNames(target->holding, target->journal->accepted, layers);
}

gboolean
replLocalIsPlaceholder(const ReplLocalTarget *target, const ReplJobLayer *layer)
{
    struct stat st;

    return fstatat(target->dir->dirFd, layer->volume, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_size == 0 && replJobLayerIsHeldBy(layer, target->dir->dirFd, st.st_ino);
}

gboolean
replLocalIsInPlace(const ReplLocalTarget *target, const ReplJobLayer *layer)
{
    struct stat st;

    return fstatat(target->dir->dirFd, layer->volume, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_dev == target->dir->dev && replJobLayerIsPlacedAs(layer, target->dir->dirFd, st.st_ino);
}
