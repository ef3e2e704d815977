/*
 * same.c: whether two layers have the same content
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/same.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/backing.h"
#include "qcow2/header.h"

#define REPL_SAME_PIECE (1U << 20)

/* One of the two files. [dataStart, dataEnd) is the run of data at or behind the last offset asked for. */
typedef struct {
    int fd;
    const char *what;
    guint64 size;
    guint64 dataStart;
    guint64 dataEnd;
    guint8 *buf;
} ReplSameSide;

/* Finds the first data at or behind @pos; a file system without SEEK_DATA has data everywhere. */
static int
replSameSeek(ReplSameSide *side, guint64 pos, GError **err)
{
    off_t start, end;

    if (pos < side->dataEnd) {
        side->dataStart = MAX(side->dataStart, pos);
        return 0;
    }
    start = lseek(side->fd, pos, SEEK_DATA);
    if (start < 0 && errno == ENXIO) {
        side->dataStart = side->dataEnd = side->size;
        return 0;
    }
    if (start < 0 && errno == EINVAL) {
        side->dataStart = pos;
        side->dataEnd = side->size;
        return 0;
    }
    end = start < 0 ? start : lseek(side->fd, start, SEEK_HOLE);
    if (end < 0) {
        replErrorSetSystem(err, errno, _("Cannot find the data of volume '%s'"), side->what);
        return -1;
    }
    side->dataStart = start;
    side->dataEnd = MIN((guint64)end, side->size);
    return 0;
}

/* Fills the buffer with @len bytes at @pos; a hole costs no I/O. Returns -1 on errors and when the file
 * has become shorter. */
static int
replSameFill(ReplSameSide *side, guint64 pos, gsize len, GError **err)
{
    ssize_t n;

    if (side->dataStart >= pos + len) {
        memset(side->buf, 0, len);
        return 0;
    }
    n = replPreadFull(side->fd, side->buf, len, pos);
    if (n < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), side->what);
        return -1;
    }
    if ((gsize)n < len) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), side->what);
        return -1;
    }
    return 0;
}

static int
replSameRange(ReplSameSide *a, ReplSameSide *b, guint64 pos, const ReplSameWatch *watch, GError **err)
{
    while (pos < a->size) {
        guint64 data;
        gsize len;

        if (replSameSeek(a, pos, err) < 0 || replSameSeek(b, pos, err) < 0)
            return -1;
        data = MIN(a->dataStart, b->dataStart);
        if (data >= a->size)
            return 1;
        pos = data;
        len = MIN(REPL_SAME_PIECE, a->size - pos);
        if (watch && watch->proceed && watch->proceed(watch->opaque, len, err) < 0)
            return -1;
        if (replSameFill(a, pos, len, err) < 0 || replSameFill(b, pos, len, err) < 0)
            return -1;
        if (memcmp(a->buf, b->buf, len) != 0)
            return 0;
        pos += len;
    }
    return 1;
}

static int
replSameFrom(int a, int b, const char *whatA, const char *whatB, guint64 start, const ReplSameWatch *watch,
             GError **err)
{
    g_autofree guint8 *bufA = g_malloc(REPL_SAME_PIECE);
    g_autofree guint8 *bufB = g_malloc(REPL_SAME_PIECE);
    ReplSameSide sideA = {.fd = a, .what = whatA, .buf = bufA};
    ReplSameSide sideB = {.fd = b, .what = whatB, .buf = bufB};
    struct stat stA, stB;

    if (fstat(a, &stA) < 0 || fstat(b, &stB) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at volumes '%s' and '%s'"), whatA, whatB);
        return -1;
    }
    if (stA.st_size != stB.st_size)
        return 0;
    if (stA.st_dev == stB.st_dev && stA.st_ino == stB.st_ino)
        return 1;
    sideA.size = sideB.size = stA.st_size;
    return replSameRange(&sideA, &sideB, start, watch, err);
}

int
replSameBytes(int a, int b, const char *whatA, const char *whatB, const ReplSameWatch *watch, GError **err)
{
    return replSameFrom(a, b, whatA, whatB, 0, watch, err);
}

/* 1 with *cluster_bytes set, 0 or -1, as of whole layers. */
static int
replSameHeads(int a, int b, const char *whatA, const char *whatB, guint64 *cluster_bytes, GError **err)
{
    g_autoptr(ReplQcow2Header) headerA = replQcow2HeaderRead(a, whatA, err);
    g_autoptr(ReplQcow2Header) headerB = headerA ? replQcow2HeaderRead(b, whatB, err) : NULL;
    g_autofree guint8 *firstA = NULL;
    g_autofree guint8 *firstB = NULL;
    const ReplQcow2Edit noBacking = {.setBacking = TRUE};
    guint64 used;

    if (!headerB)
        return -1;
    *cluster_bytes = replQcow2ClusterSize(headerA);
    if (headerA->fileSize_bytes != headerB->fileSize_bytes || *cluster_bytes != replQcow2ClusterSize(headerB))
        return 0;
    /* A layer with a backing file and one without are never the same. */
    if (!headerA->backing != !headerB->backing)
        return 0;
    firstA = replQcow2HeaderRebuild(a, headerA, &noBacking, whatA, &used, err);
    firstB = firstA ? replQcow2HeaderRebuild(b, headerB, &noBacking, whatB, &used, err) : NULL;
    if (!firstB)
        return -1;
    return memcmp(firstA, firstB, *cluster_bytes) == 0;
}

int
replQcow2SameHead(int a, int b, const char *whatA, const char *whatB, GError **err)
{
    guint64 cluster;

    return replSameHeads(a, b, whatA, whatB, &cluster, err);
}

int
replQcow2SameLayer(int a, int b, const char *whatA, const char *whatB, const ReplSameWatch *watch,
                   GError **err)
{
    guint64 cluster;
    int rc = replSameHeads(a, b, whatA, whatB, &cluster, err);

    return rc > 0 ? replSameFrom(a, b, whatA, whatB, cluster, watch, err) : rc;
}
