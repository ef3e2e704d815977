/*
 * layout.c: where everything goes in the encrypted, decrypted or re-keyed copy of a qcow2 layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/layout.h"

#include <errno.h>
#include <unistd.h>

#include "base/amount.h"
#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"
#include "qcow2/entry.h"
#include "qcow2/snapshots.h"

/* References to compressed clusters: 64 MiB of memory. */
#define REPL_LUKS_MAX_INFLATED ((64U << 20) / sizeof(ReplLuksInflated))
#define REPL_LUKS_L1_PIECE (64U << 10)

static int
replLuksTooLarge(const ReplLuksLayout *l, GError **err)
{
    g_autofree char *size = replAmount(l->header->fileSize_bytes);

    replErrorSet(err, VIR_ERR_NO_SUPPORT,
                 _("Volume '%s' of %s has too many clusters to be converted in one go"), l->what, size);
    return -1;
}

static int
replLuksChanged(const ReplLuksLayout *l, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), l->what);
    return -1;
}

static int
replLuksRead(const ReplLuksLayout *l, guint64 offset, guint8 *buf, gsize len, GError **err)
{
    ssize_t n = replPreadFull(l->src, buf, len, offset);

    if (n < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), l->what);
        return -1;
    }
    memset(buf + n, 0, len - n);
    return 0;
}

static int
replLuksCount(ReplLuksLayout *l, guint64 offset, guint64 bytes, guint32 n, GError **err)
{
    guint32 bits = l->header->clusterBits;
    guint64 cluster;

    for (cluster = offset >> bits; bytes > 0 && cluster <= (offset + bytes - 1) >> bits; cluster++) {
        if (!replCountsAdd(l->counts, cluster, n))
            return replLuksTooLarge(l, err);
    }
    return 0;
}

/* Counts the references of one L1 table to its L2 tables. */
static int
replLuksCountL1(ReplLuksLayout *l, guint64 offset, guint32 entries, GError **err)
{
    g_autofree guint8 *buf = g_malloc(REPL_LUKS_L1_PIECE);
    guint32 done = 0;

    while (done < entries) {
        guint32 n = MIN(entries - done, REPL_LUKS_L1_PIECE / 8), i;

        if (replLuksRead(l, offset + (guint64)done * 8, buf, n * 8, err) < 0)
            return -1;
        for (i = 0; i < n; i++) {
            guint64 l2 = replGetBe64(buf + i * 8) & REPL_QCOW2_OFFSET_MASK;

            if (!l2)
                continue;
            if (replQcow2MapClass(l->map, l2) != REPL_QCOW2_L2)
                return replLuksChanged(l, err);
            if (replLuksCount(l, l2, 1, 1, err) < 0)
                return -1;
        }
        done += n;
    }
    return 0;
}

static int
replLuksCountTables(ReplLuksLayout *l, GError **err)
{
    const ReplQcow2Header *h = l->header;
    g_autoptr(GArray) snaps = replQcow2SnapshotsRead(l->src, h, l->what, NULL, err);
    const GArray *tables = replQcow2MapTables(l->map);
    guint i;

    if (!snaps || replLuksCount(l, 0, 1, 1, err) < 0)
        return -1;
    for (i = 0; i < tables->len; i++) {
        const ReplQcow2Range *range = &g_array_index(tables, ReplQcow2Range, i);

        if (replLuksCount(l, range->offset_bytes, range->length_bytes, 1, err) < 0)
            return -1;
    }
    if (replLuksCountL1(l, h->l1Offset, h->l1Entries, err) < 0)
        return -1;
    for (i = 0; i < snaps->len; i++) {
        const ReplQcow2Snapshot *snap = &g_array_index(snaps, ReplQcow2Snapshot, i);

        if (replLuksCountL1(l, snap->l1Offset, snap->l1Entries, err) < 0)
            return -1;
    }
    return 0;
}

static int
replLuksCountEntry(ReplLuksLayout *l, const guint8 *raw, guint32 n, GError **err)
{
    ReplQcow2Entry entry;
    ReplLuksInflated inflated;

    if (replQcow2EntryDecode(l->header, raw, &entry) < 0)
        return replLuksChanged(l, err);
    if (entry.kind == REPL_QCOW2_ENTRY_NONE)
        return 0;
    if (replQcow2MapClass(l->map, entry.host) == REPL_QCOW2_NONE)
        return replLuksChanged(l, err);
    if (entry.kind != REPL_QCOW2_ENTRY_COMPRESSED)
        return replLuksCount(l, entry.host, 1, n, err);
    if (!l->inflate)
        return replLuksCount(l, entry.host, MIN(entry.hostBytes, l->header->fileSize_bytes - entry.host), n,
                             err);
    if (l->inflated->len >= REPL_LUKS_MAX_INFLATED)
        return replLuksTooLarge(l, err);
    inflated.descriptor = replGetBe64(raw) & (REPL_QCOW2_L2_COMPRESSED - 1);
    inflated.count = n;
    g_array_append_val(l->inflated, inflated);
    return 0;
}

/* Every L2 table once; its references count as often as it is referred to itself. */
static int
replLuksCountL2(ReplLuksLayout *l, guint64 offset, guint8 *buf, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(l->header);
    guint32 step = replQcow2L2EntrySize(l->header);
    guint32 n = replCountsGet(l->counts, offset >> l->header->clusterBits);
    guint64 i;

    if (replLuksRead(l, offset, buf, cluster, err) < 0)
        return -1;
    for (i = 0; i < cluster; i += step) {
        if (replGetBe64(buf + i) && replLuksCountEntry(l, buf + i, n, err) < 0)
            return -1;
    }
    return 0;
}

/* Marks the clusters of a run of data that are holes in the file. */
static int
replLuksMarkHoles(ReplLuksLayout *l, const ReplQcow2Run *run, GError **err)
{
    guint32 bits = l->header->clusterBits;
    guint64 pos = MAX(run->offset_bytes, l->dataEnd_bytes >> bits << bits);
    guint64 end = MIN(run->offset_bytes + run->length_bytes, l->header->fileSize_bytes >> bits << bits);

    while (pos < end) {
        off_t data = lseek(l->src, pos, SEEK_DATA);
        off_t hole;

        if (data < 0 && errno == ENXIO)
            data = end;
        else if (data < 0)
            return 0; /* no SEEK_DATA here: nothing is a hole */
        data = MIN((guint64)data, end);
        for (; pos + (1ULL << bits) <= (guint64)data; pos += 1ULL << bits) {
            if (!replCountsMark(l->counts, pos >> bits))
                return replLuksTooLarge(l, err);
        }
        if (pos >= end)
            break;
        hole = lseek(l->src, data, SEEK_HOLE);
        if (hole < 0)
            return 0;
        l->dataEnd_bytes = hole;
        pos = MAX(pos + (1ULL << bits), (guint64)hole >> bits << bits);
    }
    return 0;
}

static int
replLuksCountRuns(ReplLuksLayout *l, gboolean markHoles, const ReplQcow2Watch *watch, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(l->header);
    g_autofree guint8 *buf = g_malloc(cluster);
    ReplQcow2Run run;
    guint64 pos = 0, at;

    while (replQcow2MapNext(l->map, &pos, &run)) {
        if (watch && watch->proceed && watch->proceed(watch->opaque, 0, err) < 0)
            return -1;
        for (at = run.offset_bytes; run.class == REPL_QCOW2_L2 && at < run.offset_bytes + run.length_bytes;
             at += cluster) {
            if (replLuksCountL2(l, at, buf, err) < 0)
                return -1;
        }
        if (run.class == REPL_QCOW2_BITMAP_DATA &&
            replLuksCount(l, run.offset_bytes, run.length_bytes, 1, err) < 0)
            return -1;
        if (run.class == REPL_QCOW2_DATA && markHoles && replLuksMarkHoles(l, &run, err) < 0)
            return -1;
    }
    return 0;
}

guint64
replLuksDescriptorHost(const ReplQcow2Header *header, guint64 descriptor)
{
    return descriptor & ((1ULL << (62 - (header->clusterBits - 8))) - 1);
}

static gint
replLuksInflatedCompare(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const ReplLuksInflated *ia = a;
    const ReplLuksInflated *ib = b;
    guint64 ha = replLuksDescriptorHost(opaque, ia->descriptor);
    guint64 hb = replLuksDescriptorHost(opaque, ib->descriptor);

    if (ha != hb)
        return ha < hb ? -1 : 1;
    return ia->descriptor < ib->descriptor ? -1 : ia->descriptor > ib->descriptor;
}

/* Sorts the references and leaves one entry for each compressed cluster. */
static int
replLuksMergeInflated(ReplLuksLayout *l, GError **err)
{
    ReplLuksInflated *entries;
    guint kept = 0, i;

    g_array_sort_with_data(l->inflated, replLuksInflatedCompare, l->header);
    entries = (ReplLuksInflated *)(void *)l->inflated->data;
    for (i = 0; i < l->inflated->len; i++) {
        if (kept > 0 && entries[kept - 1].descriptor == entries[i].descriptor) {
            if (entries[i].count > G_MAXINT32 - MIN(entries[kept - 1].count, G_MAXINT32))
                return replLuksTooLarge(l, err);
            entries[kept - 1].count += entries[i].count;
        } else {
            entries[kept++] = entries[i];
        }
    }
    g_array_set_size(l->inflated, kept);
    return 0;
}

gint64
replLuksLayoutFind(const ReplLuksLayout *layout, guint64 descriptor)
{
    ReplLuksInflated wanted = {.descriptor = descriptor};
    guint low = 0, high = layout->inflated->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;
        int order = replLuksInflatedCompare(&g_array_index(layout->inflated, ReplLuksInflated, mid), &wanted,
                                            layout->header);

        if (order == 0)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

/* Finds the refcount blocks for all counted clusters and for the blocks and the table themselves, which lie from @base
 * on. Repeats until adding them needs no more of them. */
static int
replLuksAssignRefcounts(ReplLuksLayout *l, guint64 base, GError **err)
{
    guint32 bits = l->header->clusterBits;
    guint64 perBlock = (8ULL << bits) >> l->header->refcountOrder;
    guint64 tail = base + 2;

    for (;;) {
        guint64 cluster = replCountsNext(l->counts, 0), index = 0, end;

        g_array_set_size(l->blocks, 0);
        while (cluster != G_MAXUINT64) {
            index = cluster / perBlock;
            g_array_append_val(l->blocks, index);
            cluster = replCountsNext(l->counts, (index + 1) * perBlock);
        }
        for (index = MAX(l->blocks->len ? index + 1 : 0, base / perBlock); index <= (tail - 1) / perBlock;
             index++)
            g_array_append_val(l->blocks, index);
        l->tableClusters = (index * 8 + (1ULL << bits) - 1) >> bits;
        end = base + l->blocks->len + l->tableClusters;
        if ((guint64)l->tableClusters << bits > REPL_QCOW2_MAX_REFTABLE_BYTES)
            return replLuksTooLarge(l, err);
        if (end <= tail) {
            l->blocksOffset = base << bits;
            l->tableOffset = (base + l->blocks->len) << bits;
            l->size_bytes = end << bits;
            return 0;
        }
        tail = end;
    }
}

/* Gives everything new its offset, behind the source. */
static int
replLuksAssign(ReplLuksLayout *l, GError **err)
{
    guint32 bits = l->header->clusterBits;
    guint64 next = (l->header->fileSize_bytes + (1ULL << bits) - 1) >> bits;
    guint i;

    l->inflatedOffset = next << bits;
    for (i = 0; i < l->inflated->len; i++) {
        if (!replCountsAdd(l->counts, next + i, g_array_index(l->inflated, ReplLuksInflated, i).count))
            return replLuksTooLarge(l, err);
    }
    next += l->inflated->len;
    l->luksOffset = next << bits;
    if (replLuksCount(l, l->luksOffset, l->luksLength, 1, err) < 0)
        return -1;
    next += (l->luksLength + (1ULL << bits) - 1) >> bits;
    if (replLuksAssignRefcounts(l, next, err) < 0)
        return -1;
    return replLuksCount(l, next << bits, l->size_bytes - (next << bits), 1, err);
}

ReplLuksLayout *
replLuksLayoutMake(int src, const char *what, guint64 luksLength, gboolean markHoles,
                   const ReplQcow2Watch *watch, GError **err)
{
    g_autoptr(ReplLuksLayout) l = g_new0(ReplLuksLayout, 1);

    l->src = src;
    l->what = what;
    l->luksLength = luksLength;
    l->inflate = luksLength > 0;
    l->counts = replCountsNew();
    l->inflated = g_array_new(FALSE, FALSE, sizeof(ReplLuksInflated));
    l->blocks = g_array_new(FALSE, FALSE, sizeof(guint64));
    if (!(l->header = replQcow2HeaderRead(src, what, err)) ||
        !(l->map = replQcow2MapRead(src, l->header, what, watch, err)))
        return NULL;
    /* Version 2 has no zero flag: there holes are written as what they read as. */
    if (replLuksCountTables(l, err) < 0 ||
        replLuksCountRuns(l, markHoles && l->header->version >= 3, watch, err) < 0 ||
        replLuksMergeInflated(l, err) < 0 || replLuksAssign(l, err) < 0)
        return NULL;
    return g_steal_pointer(&l);
}

void
replLuksLayoutFree(ReplLuksLayout *layout)
{
    if (!layout)
        return;
    replQcow2HeaderFree(layout->header);
    replQcow2MapFree(layout->map);
    replCountsFree(layout->counts);
    g_array_unref(layout->inflated);
    g_array_unref(layout->blocks);
    g_free(layout);
}
