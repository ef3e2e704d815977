/*
 * tables.c: the walk through all tables of a qcow2 file
 *
 * Nothing is followed twice and nothing recursively: the depth is fixed (L1, L2, data), and a table that
 * is found again is not read again. A cluster has one class, so every loop is a clash of classes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/tables.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"
#include "qcow2/entry.h"
#include "qcow2/map.h"
#include "qcow2/snapshots.h"

/* L1 tables and the like are read in pieces of this size. */
#define REPL_WALK_PIECE (64U << 10)

typedef struct {
    int fd;
    const ReplQcow2Header *h;
    const char *what;
    const ReplQcow2Watch *watch;
    ReplQcow2Map *map;
    guint8 *l2; /* a cluster */
} ReplWalk;

static int
replWalkMark(ReplWalk *w, guint64 offset, ReplQcow2Class class, GError **err)
{
    int ret;

    if (offset >= w->h->fileSize_bytes) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: it refers to offset %llu behind the end of its file"),
                     w->what, (unsigned long long)offset);
        return -1;
    }
    ret = replQcow2MapSet(w->map, offset >> w->h->clusterBits, class);
    if (ret == -1) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its cluster at offset %llu is used for two purposes"),
                     w->what, (unsigned long long)offset);
    } else if (ret < 0) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' has too many or too scattered clusters to be walked"), w->what);
        ret = -1;
    }
    return ret;
}

/* Marks all clusters of [@offset, @offset + @bytes). */
static int
replWalkMarkRange(ReplWalk *w, guint64 offset, guint64 bytes, ReplQcow2Class class, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(w->h);
    guint64 pos = offset & ~(cluster - 1);

    if (bytes > G_MAXUINT64 - offset)
        bytes = G_MAXUINT64 - offset;
    for (; pos < offset + bytes; pos += cluster) {
        if (replWalkMark(w, pos, class, err) < 0)
            return -1;
    }
    return 0;
}

/* A table is only meant for one owner: found twice means an overlap. */
static int
replWalkMarkOwn(ReplWalk *w, guint64 offset, guint64 bytes, ReplQcow2Class class, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(w->h);
    guint64 pos;

    for (pos = offset; pos < offset + bytes; pos += cluster) {
        int ret = replWalkMark(w, pos, class, err);

        if (ret < 0)
            return -1;
        if (ret == 0) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Volume '%s' is malformed: two of its tables overlap at offset %llu"), w->what,
                         (unsigned long long)pos);
            return -1;
        }
    }
    return 0;
}

/* The same for a table that need not fill its last cluster. */
static int
replWalkMarkTable(ReplWalk *w, guint64 offset, guint64 bytes, ReplQcow2Class class, GError **err)
{
    if (replWalkMarkOwn(w, offset, bytes, class, err) < 0)
        return -1;
    replQcow2MapAddTable(w->map, offset, bytes);
    return 0;
}

/* Reads table bytes; what lies behind the end of the file is zeros. */
static int
replWalkRead(ReplWalk *w, guint64 offset, guint8 *buf, gsize len, GError **err)
{
    ssize_t n;

    if (w->watch && w->watch->proceed && w->watch->proceed(w->watch->opaque, len, err) < 0)
        return -1;
    if ((n = replPreadFull(w->fd, buf, len, offset)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), w->what);
        return -1;
    }
    memset(buf + n, 0, len - n);
    return 0;
}

static int
replWalkBadEntry(ReplWalk *w, guint64 offset, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' is malformed: the table at offset %llu has an entry that makes no sense"),
                 w->what, (unsigned long long)offset);
    return -1;
}

static int
replWalkEntry(ReplWalk *w, guint64 table, const guint8 *raw, GError **err)
{
    ReplQcow2Entry entry;

    if (replQcow2EntryDecode(w->h, raw, &entry) < 0)
        return replWalkBadEntry(w, table, err);
    switch (entry.kind) {
    case REPL_QCOW2_ENTRY_DATA:
        return replWalkMark(w, entry.host, REPL_QCOW2_DATA, err);
    case REPL_QCOW2_ENTRY_RESERVED:
        return replWalkMark(w, entry.host, REPL_QCOW2_RESERVED, err);
    case REPL_QCOW2_ENTRY_COMPRESSED:
        /* The length is an upper bound, which in the last cluster may lead out of the file. */
        if (entry.host < w->h->fileSize_bytes)
            entry.hostBytes = MIN(entry.hostBytes, w->h->fileSize_bytes - entry.host);
        return replWalkMarkRange(w, entry.host, entry.hostBytes, REPL_QCOW2_COMPRESSED, err);
    case REPL_QCOW2_ENTRY_NONE:
    default:
        return 0;
    }
}

static int
replWalkL2(ReplWalk *w, guint64 offset, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(w->h);
    guint32 step = replQcow2L2EntrySize(w->h);
    guint64 i;
    int ret;

    if (offset % cluster != 0)
        return replWalkBadEntry(w, offset, err);
    /* A snapshot shares what did not change since: known already. */
    if ((ret = replWalkMark(w, offset, REPL_QCOW2_L2, err)) <= 0)
        return ret;
    if (replWalkRead(w, offset, w->l2, cluster, err) < 0)
        return -1;
    for (i = 0; i < cluster; i += step) {
        /* Most of a sparse table is nothing. */
        if (replGetBe64(w->l2 + i) == 0 && step == 8)
            continue;
        if (replWalkEntry(w, offset, w->l2 + i, err) < 0)
            return -1;
    }
    return 0;
}

/* Calls @each for the words of a table of @count 8-byte entries, masked with @mask, that are not 0. */
static int
replWalkTable(ReplWalk *w, guint64 offset, guint64 count, guint64 mask,
              int (*each)(ReplWalk *w, guint64 word, GError **err), GError **err)
{
    g_autofree guint8 *buf = g_malloc(REPL_WALK_PIECE);
    guint64 done = 0;

    while (done < count) {
        guint64 n = MIN(count - done, REPL_WALK_PIECE / 8), i;

        if (replWalkRead(w, offset + done * 8, buf, n * 8, err) < 0)
            return -1;
        for (i = 0; i < n; i++) {
            guint64 word = replGetBe64(buf + i * 8) & mask;

            if (word && each(w, word, err) < 0)
                return -1;
        }
        done += n;
    }
    return 0;
}

static int
replWalkL1(ReplWalk *w, guint64 offset, guint32 entries, GError **err)
{
    if (replWalkMarkTable(w, offset, (guint64)entries * 8, REPL_QCOW2_L1, err) < 0)
        return -1;
    return replWalkTable(w, offset, entries, REPL_QCOW2_OFFSET_MASK, replWalkL2, err);
}

static int
replWalkRefcountBlock(ReplWalk *w, guint64 offset, GError **err)
{
    if (offset % replQcow2ClusterSize(w->h) != 0)
        return replWalkBadEntry(w, w->h->refcountTableOffset, err);
    return replWalkMarkOwn(w, offset, 1, REPL_QCOW2_REFCOUNT_BLOCK, err);
}

static int
replWalkRefcounts(ReplWalk *w, GError **err)
{
    guint64 bytes = (guint64)w->h->refcountTableClusters << w->h->clusterBits;

    if (replWalkMarkOwn(w, w->h->refcountTableOffset, bytes, REPL_QCOW2_REFCOUNT_TABLE, err) < 0)
        return -1;
    return replWalkTable(w, w->h->refcountTableOffset, bytes / 8, ~G_GUINT64_CONSTANT(511),
                         replWalkRefcountBlock, err);
}

static int
replWalkSnapshots(ReplWalk *w, GError **err)
{
    guint64 bytes;
    g_autoptr(GArray) snaps = replQcow2SnapshotsRead(w->fd, w->h, w->what, &bytes, err);
    guint i;

    if (!snaps)
        return -1;
    /* The padding behind the last entry need not be there when the file ends with it. */
    bytes = MIN(bytes, w->h->fileSize_bytes - MIN(w->h->snapshotsOffset, w->h->fileSize_bytes));
    if (replWalkMarkTable(w, w->h->snapshotsOffset, bytes, REPL_QCOW2_SNAPSHOT_TABLE, err) < 0)
        return -1;
    for (i = 0; i < snaps->len; i++) {
        const ReplQcow2Snapshot *snap = &g_array_index(snaps, ReplQcow2Snapshot, i);

        if (snap->l1Entries > 0 && replWalkL1(w, snap->l1Offset, snap->l1Entries, err) < 0)
            return -1;
    }
    return 0;
}

static int
replWalkBitmapData(ReplWalk *w, guint64 word, GError **err)
{
    guint64 offset = word & REPL_QCOW2_OFFSET_MASK;

    if (!offset)
        return 0;
    if (offset % replQcow2ClusterSize(w->h) != 0)
        return replWalkBadEntry(w, w->h->bitmapDirOffset, err);
    return replWalkMarkOwn(w, offset, 1, REPL_QCOW2_BITMAP_DATA, err);
}

/* One directory entry: 24 fixed bytes (table offset 8, entries 4, flags 4, type 1, granularity 1, name
 * length 2, extra length 4), extra data, name, padded to 8. */
static int
replWalkBitmap(ReplWalk *w, guint64 *pos, GError **err)
{
    guint64 end = w->h->bitmapDirOffset + w->h->bitmapDirSize;
    guint8 buf[24];
    guint64 table, entries, bytes;

    if (*pos + 24 > end || replWalkRead(w, *pos, buf, sizeof(buf), err) < 0)
        return err && *err ? -1 : replWalkBadEntry(w, w->h->bitmapDirOffset, err);
    table = replGetBe64(buf);
    entries = replGetBe32(buf + 8);
    bytes = 24 + (guint64)replGetBe16(buf + 18) + replGetBe32(buf + 20);
    *pos += (bytes + 7) & ~G_GUINT64_CONSTANT(7);
    if (*pos > end || table % replQcow2ClusterSize(w->h) != 0 || table >= w->h->fileSize_bytes ||
        entries * 8 > w->h->fileSize_bytes - table)
        return replWalkBadEntry(w, w->h->bitmapDirOffset, err);
    if (replWalkMarkTable(w, table, entries * 8, REPL_QCOW2_BITMAP, err) < 0)
        return -1;
    return replWalkTable(w, table, entries, ~G_GUINT64_CONSTANT(0), replWalkBitmapData, err);
}

static int
replWalkBitmaps(ReplWalk *w, GError **err)
{
    guint64 pos = w->h->bitmapDirOffset;
    guint32 i;

    if (w->h->bitmapCount == 0)
        return 0;
    if (replWalkMarkTable(w, pos, w->h->bitmapDirSize, REPL_QCOW2_BITMAP, err) < 0)
        return -1;
    for (i = 0; i < w->h->bitmapCount; i++) {
        if (replWalkBitmap(w, &pos, err) < 0)
            return -1;
    }
    return 0;
}

/* Small things first, so that a clash is found at the data that causes it. */
static int
replWalkAll(ReplWalk *w, GError **err)
{
    const ReplQcow2Header *h = w->h;

    if (replWalkMarkOwn(w, 0, 1, REPL_QCOW2_HEADER, err) < 0)
        return -1;
    if (h->luksLength > 0 &&
        replWalkMarkOwn(w, h->luksOffset, h->luksLength, REPL_QCOW2_LUKS_HEADER, err) < 0)
        return -1;
    if (replWalkRefcounts(w, err) < 0 || replWalkBitmaps(w, err) < 0)
        return -1;
    if (h->l1Entries > 0 && replWalkL1(w, h->l1Offset, h->l1Entries, err) < 0)
        return -1;
    return replWalkSnapshots(w, err);
}

ReplQcow2Map *
replQcow2MapRead(int fd, const ReplQcow2Header *header, const char *what, const ReplQcow2Watch *watch,
                 GError **err)
{
    g_autoptr(ReplQcow2Map) map = replQcow2MapNew(header->clusterBits);
    g_autofree guint8 *l2 = g_malloc(replQcow2ClusterSize(header));
    ReplWalk walk = {.fd = fd, .h = header, .what = what, .watch = watch, .map = map, .l2 = l2};

    if (header->hasDataFile) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' keeps its data in an external data file, which is not supported"), what);
        return NULL;
    }
    if (replWalkAll(&walk, err) < 0)
        return NULL;
    replQcow2MapSort(map);
    return g_steal_pointer(&map);
}
