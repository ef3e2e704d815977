/*
 * change.c: a change to the record of an image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/change.h"

#include "image/view.h"
#include "store/record.h"

typedef struct {
    ReplImage *shown; /* what is shown of an image without a record */
    gboolean (*change)(ReplImage *image, void *opaque, GError **err);
    void *opaque;
} ReplImageChanging;

static gboolean
replImageChangeRecord(ReplImage **image, void *opaque, GError **err)
{
    ReplImageChanging *changing = opaque;

    if (!*image) {
        *image = replImageCopy(changing->shown);
        /* What looking found is no record's business. */
        if (!(*image)->typeIsSet)
            (*image)->type = REPL_IMAGE_TYPE_UNKNOWN;
    }
    return changing->change(*image, changing->opaque, err);
}

int
replImageChange(const ReplRegion *region, const char *volume,
                gboolean (*change)(ReplImage *image, void *opaque, GError **err), void *opaque, GError **err)
{
    g_autoptr(ReplImage) shown = replViewImage(region, volume, err);
    g_autoptr(ReplStaging) staging = shown ? replRegionStaging(region, TRUE, err) : NULL;
    ReplImageChanging changing = {shown, change, opaque};

    if (!staging)
        return -1;
    return replRecordUpdate(staging, volume, replImageChangeRecord, &changing, err);
}
