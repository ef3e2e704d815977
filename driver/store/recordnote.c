/*
 * recordnote.c: small changes to the records of images
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/record.h"

typedef struct {
    int dirFd;
    const char *volume;
    const char *id;
} ReplRecordFresh;

static gboolean
replRecordMake(ReplImage **image, void *opaque, GError **err)
{
    const ReplRecordFresh *fresh = opaque;
    struct stat st;

    if (*image)
        return FALSE;
    if (fstatat(fresh->dirFd, fresh->volume, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s'"), fresh->volume);
        return FALSE;
    }
    *image = replImageNew(fresh->id);
    return TRUE;
}

int
replRecordNoteId(ReplStaging *staging, int dirFd, const char *volume, const char *id, GError **err)
{
    ReplRecordFresh fresh = {dirFd, volume, id};

    return replRecordUpdate(staging, volume, replRecordMake, &fresh, err);
}

static gboolean
replRecordTakeJob(ReplImage **image, void *opaque, GError **err)
{
    const ReplJobInfo *info = opaque;

    (void)err;
    if (!*image)
        return FALSE;
    replJobInfoFree((*image)->job);
    (*image)->job = replJobInfoCopy(info);
    if (info->state == REPL_JOB_COMPLETED) {
        (*image)->status = REPL_IMAGE_AVAILABLE;
        g_clear_pointer(&(*image)->setVolume, g_free);
        g_clear_pointer(&(*image)->setId, g_free);
    }
    return TRUE;
}

int
replRecordNoteJob(ReplStaging *staging, const char *volume, const ReplJobInfo *info, GError **err)
{
    return replRecordUpdate(staging, volume, replRecordTakeJob, (void *)info, err);
}
