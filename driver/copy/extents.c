/*
 * extents.c: the data of a file, found with SEEK_DATA and SEEK_HOLE
 *
 * A file system that cannot tell holes either refuses SEEK_DATA or calls the whole file data; the
 * second kind gives itself away by fewer allocated blocks than the size needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/extents.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define STAT_BLOCK_BYTES 512 /* the unit of st_blocks on Linux, see stat(2) */

static int
walkFail(const ReplDataWalk *walk, GError **err)
{
    replErrorSetSystem(err, errno,
                       _("Cannot find the data of the copy's source from offset %llu on"),
                       (unsigned long long)walk->pos_bytes);
    return -1;
}

static gboolean
seekIsUnsupported(int errnum)
{
    return errnum == EINVAL || errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENOTTY;
}

int
replDataWalkInit(
    ReplDataWalk *walk, int fd, guint64 start, guint64 end, gboolean noSeek, GError **err)
{
    struct stat st;
    off_t hole;

    *walk = (ReplDataWalk){.fd = fd, .pos_bytes = start};
    if (fstat(fd, &st) < 0)
        return walkFail(walk, err);
    walk->end_bytes = MIN(end, (guint64)st.st_size);
    if (walk->pos_bytes >= walk->end_bytes)
        return 0;
    hole = noSeek ? -1 : lseek(fd, 0, SEEK_HOLE);
    if (!noSeek && hole < 0 && !seekIsUnsupported(errno))
        return walkFail(walk, err);
    walk->holeBlind = hole < 0 || (hole >= st.st_size &&
                                   (guint64)st.st_blocks * STAT_BLOCK_BYTES < (guint64)st.st_size);
    return 0;
}

int
replDataWalkNext(void *opaque, ReplExtent *extent, GError **err)
{
    ReplDataWalk *walk = opaque;
    guint64 data = walk->pos_bytes;
    guint64 hole = walk->end_bytes;
    off_t found;

    if (walk->pos_bytes >= walk->end_bytes)
        return 0;
    if (!walk->holeBlind) {
        found = lseek(walk->fd, walk->pos_bytes, SEEK_DATA);
        if (found < 0 && errno == ENXIO)
            return 0;
        if (found < 0)
            return walkFail(walk, err);
        if ((guint64)found >= walk->end_bytes)
            return 0;
        data = found;
        found = lseek(walk->fd, data, SEEK_HOLE);
        if (found < 0)
            return walkFail(walk, err);
        /* Data was punched out under our feet when both are equal: read it, it is zeros. */
        if ((guint64)found > data)
            hole = MIN((guint64)found, hole);
    }
    *extent = (ReplExtent){.srcOffset_bytes = data,
                           .dstOffset_bytes = data,
                           .length_bytes = hole - data,
                           .kind = REPL_EXTENT_FOUND};
    walk->pos_bytes = hole;
    return 1;
}
