/*
 * uploading.c: uploads, and stock calls that make or wipe volumes, from their call to their end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/uploading.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/uploads.h"
#include "virt/report.h"
#include "virt/streamend.h"

struct _ReplUploading {
    ReplStaging *staging;
    char *mark;
    ReplFd held;
    ReplUploadPart part;
};

static void
replUploadingFree(ReplUploading *uploading)
{
    replFdClose(uploading->held);
    replStagingUnref(uploading->staging);
    g_free(uploading->mark);
    g_free(uploading);
}

/* Marks @part of the volume's file @ino. A staging folder that is not ours gets no mark. */
static int
replUploadingMark(const ReplRegion *region, const char *volume, guint64 ino, ReplUploadPart part,
                  ReplUploading **uploading, GError **err)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(ReplStaging) staging = NULL;
    ReplUploading *made;

    if (!(staging = replRegionStaging(region, TRUE, &why))) {
        if (g_error_matches(why, REPL_ERROR, VIR_ERR_OPERATION_DENIED))
            return 0;
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    made = g_new0(ReplUploading, 1);
    made->staging = g_steal_pointer(&staging);
    made->held = -1;
    made->part = part;
    if (!(made->mark = replUploadMark(made->staging, volume, ino, &made->part, &made->held, err))) {
        replUploadingFree(made);
        return -1;
    }
    *uploading = made;
    return 0;
}

/* 1 with @st: the volume's file is there; 0: there is none that could be marked; -1 with @err set: that cannot be told. */
static int
replUploadingLook(const ReplRegion *region, const char *volume, struct stat *st, GError **err)
{
    if (!region->dir)
        return 0;
    if (fstatat(region->dir->dirFd, volume, st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot look at volume '%s' of pool '%s'"), volume, region->name);
    return -1;
}

int
replUploadingBegin(const ReplRegion *region, const char *volume, virStreamPtr stream, virConnectPtr conn,
                   guint64 offset_bytes, guint64 length_bytes, ReplUploading **uploading, GError **err)
{
    struct stat st;
    int there;

    *uploading = NULL;
    if (!replStreamIsKnown(stream, conn) || (there = replUploadingLook(region, volume, &st, err)) == 0)
        return 0;
    if (there < 0)
        return -1;
    return replUploadingMark(region, volume, st.st_ino, (ReplUploadPart){offset_bytes, length_bytes},
                             uploading, err);
}

/* Of a stream: by the thread that ends it, which may be the event loop. */
static void
replUploadingEnded(void *opaque, gboolean good)
{
    ReplUploading *uploading = opaque;

    if (good)
        replUploadDone(uploading->staging, uploading->mark, &uploading->part);
    replUploadingFree(uploading);
}

void
replUploadingGoOn(ReplUploading *uploading, virStreamPtr stream, gboolean goesOn)
{
    if (!uploading)
        return;
    if (!goesOn)
        replUploadDrop(uploading->staging, uploading->mark);
    if (goesOn && replStreamWatch(stream, replUploadingEnded, uploading))
        return;
    if (goesOn) {
        /* Its end would not be seen: better without a mark than marked for ever. */
        replWarn("The end of an upload cannot be watched: this version of libvirt has other streams");
        replUploadDrop(uploading->staging, uploading->mark);
    }
    replUploadingFree(uploading);
}

static gboolean
replMakingIsThere(const ReplRegion *region, const char *volume)
{
    struct stat st;

    return fstatat(region->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int
replMakingBegin(const ReplRegion *region, const char *volume, ReplUploading **making, GError **err)
{
    *making = NULL;
    if (replMakingIsThere(region, volume))
        return 0;
    return replUploadingMark(region, volume, 0, (ReplUploadPart){0, 0}, making, err);
}

void
replMakingEnd(ReplUploading *making, const ReplRegion *region, const char *volume, gboolean made,
              gboolean existed)
{
    if (!making)
        return;
    /* Stock removes what it could not finish. If it could not, the mark stays with it. */
    if (made || existed || !replMakingIsThere(region, volume))
        replUploadDrop(making->staging, making->mark);
    replUploadingFree(making);
}

int
replWipingBegin(const ReplRegion *region, const char *volume, ReplUploading **wiping, GError **err)
{
    struct stat st;
    int there = replUploadingLook(region, volume, &st, err);

    *wiping = NULL;
    if (there <= 0)
        return there;
    return replUploadingMark(region, volume, st.st_ino, (ReplUploadPart){0, 0}, wiping, err);
}

/* Whether nothing is half wiped: the volume's file is gone, or has not changed since the mark was made. (Both take their times from
 * one file system.) */
static gboolean
replWipingLeftNothing(const ReplUploading *wiping, const ReplRegion *region, const char *volume)
{
    struct stat mark;
    struct stat file;

    if (fstat(wiping->held, &mark) < 0)
        return FALSE;
    if (fstatat(region->dir->dirFd, volume, &file, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    return file.st_ctim.tv_sec != mark.st_ctim.tv_sec ? file.st_ctim.tv_sec < mark.st_ctim.tv_sec
                                                      : file.st_ctim.tv_nsec < mark.st_ctim.tv_nsec;
}

void
replWipingEnd(ReplUploading *wiping, const ReplRegion *region, const char *volume, gboolean good)
{
    if (!wiping)
        return;
    /* What has been written over is not half of anything that was there before. */
    if (good)
        replUploadDone(wiping->staging, wiping->mark, &wiping->part);
    else if (replWipingLeftNothing(wiping, region, volume))
        replUploadDrop(wiping->staging, wiping->mark);
    replUploadingFree(wiping);
}
