/*
 * clone.c: files that share their blocks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/clone.h"

/* Errors that a copy would meet as well, or that mean that something is really wrong; all others
 * say "not here" in the manifold ways of file systems (see ioctl_ficlone(2)). */
static gboolean
cloneErrorIsFinal(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EIO || errnum == EBADF || errnum == EROFS ||
           errnum == EFBIG;
}

int
replCopyClone(int src, int dst, GError **err)
{
    int rc;

    do {
        rc = ioctl(dst, FICLONE, src);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0 && !cloneErrorIsFinal(errno))
        return 0;
    if (rc < 0) {
        replErrorSetSystem(err, errno, _("Cannot share the blocks of the source with its clone"));
        return -1;
    }
    if (fsync(dst) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the clone"));
        return -1;
    }
    return 1;
}

gboolean
replCopyCanClone(int srcdir, int dstdir)
{
    g_auto(ReplFd) src = openat(srcdir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    g_auto(ReplFd) dst = openat(dstdir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char block[4096]; /* an empty file can be cloned where its blocks cannot */

    if (src < 0 || dst < 0)
        return FALSE;
    memset(block, 'r', sizeof(block));
    if (replPwriteFull(src, block, sizeof(block), 0) < 0)
        return FALSE;
    return ioctl(dst, FICLONE, src) == 0;
}
