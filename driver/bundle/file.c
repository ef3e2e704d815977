/*
 * file.c: the file that a bundle is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"

int
replBundleFileSize(const ReplBundleFile *file, guint64 *size_bytes, GError **err)
{
    struct stat st;

    *size_bytes = file->size_bytes;
    if (file->fd < 0)
        return 0;
    if (fstat(file->fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s'"), file->what);
        return -1;
    }
    *size_bytes = st.st_size;
    return 0;
}

/* By way of a buffer of our own: a reader may write over what follows in it. */
static gssize
replBundleFileFetch(const ReplBundleFile *file, void *buf, gsize len, guint64 offset, GError **err)
{
    g_autofree guint8 *room = NULL;

    len = offset < file->size_bytes ? MIN(len, file->size_bytes - offset) : 0;
    room = g_malloc(len + REPL_READER_SLACK_BYTES);
    if (len > 0 && replReaderRead(file->reader, room, len, offset, err) < 0)
        return -1;
    memcpy(buf, room, len);
    return len;
}

gssize
replBundleFileRead(const ReplBundleFile *file, void *buf, gsize len, guint64 offset, GError **err)
{
    gssize n;

    if (file->fd < 0)
        return replBundleFileFetch(file, buf, len, offset, err);
    if ((n = replPreadFull(file->fd, buf, len, offset)) < 0)
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), file->what);
    return n;
}

void
replBundleFileCancel(const ReplBundleFile *file)
{
    if (file->fd < 0)
        replReaderCancel(file->reader);
}
