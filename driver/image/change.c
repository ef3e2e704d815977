/*
 * change.c: a change to the record of an image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/change.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "image/view.h"
#include "store/record.h"

typedef struct {
    const ReplRegion *region;
    const char *volume;
    ReplImage *shown; /* what is shown of an image without a record */
    gboolean (*change)(ReplImage *image, void *opaque, GError **err);
    void *opaque;
} ReplImageChanging;

/* Record and volume may have come or gone since they were looked at, so looks again. A client that deletes a
 * volume drops the record after the file: so a record that is written while the file is there cannot be left
 * behind. */
static gboolean
replImageChangeRecord(ReplImage **image, void *opaque, GError **err)
{
    ReplImageChanging *changing = opaque;
    struct stat st;

    if (fstatat(changing->region->dir->dirFd, changing->volume, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("Storage pool '%s' has no volume '%s'"),
                     changing->region->name, changing->volume);
        return FALSE;
    }
    if (!*image) {
        *image = replImageCopy(changing->shown);
        /* A new record keeps neither a type that was only probed nor a job. */
        if (!(*image)->typeIsSet)
            (*image)->type = REPL_IMAGE_TYPE_UNKNOWN;
        if ((*image)->status != REPL_IMAGE_AVAILABLE)
            (*image)->status = REPL_IMAGE_PENDING;
        g_clear_pointer(&(*image)->job, replJobInfoFree);
    }
    return changing->change(*image, changing->opaque, err);
}

int
replImageChange(const ReplRegion *region, const char *volume,
                gboolean (*change)(ReplImage *image, void *opaque, GError **err), void *opaque, GError **err)
{
    g_autoptr(ReplImage) shown = replViewImage(region, volume, err);
    g_autoptr(ReplStaging) staging = shown ? replRegionStaging(region, TRUE, err) : NULL;
    ReplImageChanging changing = {region, volume, shown, change, opaque};

    if (!staging)
        return -1;
    return replRecordUpdate(staging, volume, replImageChangeRecord, &changing, err);
}
