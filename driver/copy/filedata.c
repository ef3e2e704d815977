/*
 * filedata.c: the data of a file, found with SEEK_DATA and SEEK_HOLE
 *
 * A file system that cannot tell holes either refuses SEEK_DATA or calls the whole file data; the
 * second kind gives itself away by fewer allocated blocks than the size needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/filedata.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define STAT_BLOCK_BYTES 512 /* the unit of st_blocks on Linux, see stat(2) */

static int
dataFail(guint64 from_bytes, GError **err)
{
    replErrorSetSystem(err, errno, _("Cannot find the data of the copy's source from offset %llu on"),
                       (unsigned long long)from_bytes);
    return -1;
}

static gboolean
seekIsUnsupported(int errnum)
{
    return errnum == EINVAL || errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENOTTY;
}

int
replFileDataInit(ReplFileData *data, int fd, gboolean noSeek, GError **err)
{
    struct stat st;
    off_t hole;

    *data = (ReplFileData){.fd = fd};
    if (fstat(fd, &st) < 0)
        return dataFail(0, err);
    data->size_bytes = st.st_size;
    if (st.st_size == 0)
        return 0;
    hole = noSeek ? -1 : lseek(fd, 0, SEEK_HOLE);
    if (!noSeek && hole < 0 && !seekIsUnsupported(errno))
        return dataFail(0, err);
    data->holeBlind =
        hole < 0 || (hole >= st.st_size && (guint64)st.st_blocks * STAT_BLOCK_BYTES < (guint64)st.st_size);
    return 0;
}

int
replFileDataNext(const ReplFileData *data, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
                 GError **err)
{
    guint64 end = data->size_bytes;
    off_t found;

    if (from_bytes >= end)
        return 0;
    if (!data->holeBlind) {
        found = lseek(data->fd, from_bytes, SEEK_DATA);
        if (found < 0 && errno == ENXIO)
            return 0;
        if (found < 0)
            return dataFail(from_bytes, err);
        if ((guint64)found >= end)
            return 0;
        from_bytes = found;
        found = lseek(data->fd, from_bytes, SEEK_HOLE);
        if (found < 0)
            return dataFail(from_bytes, err);
        /* Data was punched out under our feet when both are equal: read it, it is zeros. */
        if ((guint64)found > from_bytes)
            end = MIN((guint64)found, end);
    }
    *offset_bytes = from_bytes;
    *length_bytes = end - from_bytes;
    return 1;
}
