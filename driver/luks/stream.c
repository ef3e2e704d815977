/*
 * stream.c: the extents of a converted layer, and its refcounts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/layout.h"

#include <errno.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"

#define REPL_LUKS_STREAM_CLUSTERS 1024

int
replLuksKindOf(const ReplLuksLayout *layout, ReplQcow2Class class)
{
    switch (class) {
    case REPL_QCOW2_L2:
        return REPL_LUKS_EXTENT_L2;
    case REPL_QCOW2_DATA:
        return REPL_LUKS_EXTENT_DATA;
    case REPL_QCOW2_BITMAP_DATA:
        return REPL_EXTENT_PLAIN;
    case REPL_QCOW2_COMPRESSED:
        return layout->inflate ? -1 : REPL_EXTENT_PLAIN;
    default:
        return -1;
    }
}

/* Cuts marked clusters off the head of the run; FALSE when nothing is left. What may be read in one
 * extent is left in *length. */
static gboolean
replLuksStreamTrim(ReplLuksStream *s, guint64 *length)
{
    guint32 bits = s->layout->header->clusterBits;
    guint64 first = s->run.offset_bytes >> bits;
    guint64 count = s->run.length_bytes >> bits, skip = 0, take;

    if (s->run.class == REPL_QCOW2_DATA) {
        while (skip < count && replCountsIsMarked(s->layout->counts, first + skip))
            skip++;
    }
    /* Not to the end of a long run each time: the engine joins what follows on. */
    for (take = skip; take < count && take < skip + REPL_LUKS_STREAM_CLUSTERS; take++) {
        if (s->run.class == REPL_QCOW2_DATA && replCountsIsMarked(s->layout->counts, first + take))
            break;
    }
    s->run.offset_bytes += skip << bits;
    s->run.length_bytes -= skip << bits;
    *length = (take - skip) << bits;
    return *length > 0;
}

/* Makes sure that the run has something to give; FALSE at the end of the map. */
static gboolean
replLuksStreamFill(ReplLuksStream *s, guint64 *length)
{
    guint32 bits = s->layout->header->clusterBits;
    /* The last cluster may be a part of one: that is not for the stream. */
    guint64 end = s->layout->header->fileSize_bytes >> bits << bits;

    for (;;) {
        if (s->run.length_bytes > 0 && replLuksStreamTrim(s, length))
            return TRUE;
        if (!replQcow2MapNext(s->layout->map, &s->pos, &s->run))
            return FALSE;
        if (replLuksKindOf(s->layout, s->run.class) < 0 || s->run.offset_bytes >= end)
            s->run.length_bytes = 0;
        else
            s->run.length_bytes = MIN(s->run.length_bytes, end - s->run.offset_bytes);
    }
}

static int
replLuksStreamInflated(ReplLuksStream *s, ReplExtent *extent)
{
    const ReplLuksLayout *l = s->layout;
    guint64 cluster = replQcow2ClusterSize(l->header);
    guint64 host;

    if (s->inflated >= l->inflated->len)
        return 0;
    host = replLuksDescriptorHost(l->header,
                                  g_array_index(l->inflated, ReplLuksInflated, s->inflated).descriptor);
    /* The engine reads where the compressed bytes lie, so that they are in the page cache. */
    extent->srcOffset_bytes = MIN(host, l->header->fileSize_bytes - cluster);
    extent->dstOffset_bytes = l->inflatedOffset + s->inflated * cluster;
    extent->length_bytes = cluster;
    extent->kind = REPL_LUKS_EXTENT_INFLATE;
    s->inflated++;
    return 1;
}

int
replLuksStreamNext(void *stream, ReplExtent *extent, GError **err)
{
    ReplLuksStream *s = stream;
    const GArray *tables = replQcow2MapTables(s->layout->map);
    guint64 length = 0;
    gboolean have = replLuksStreamFill(s, &length);

    if (s->table < tables->len) {
        const ReplQcow2Range *range = &g_array_index(tables, ReplQcow2Range, s->table);

        if (!have || range->offset_bytes < s->run.offset_bytes) {
            extent->srcOffset_bytes = extent->dstOffset_bytes = range->offset_bytes;
            extent->length_bytes = range->length_bytes;
            extent->kind = REPL_LUKS_EXTENT_L1;
            if (replQcow2MapClass(s->layout->map, range->offset_bytes) != REPL_QCOW2_L1)
                extent->kind = REPL_EXTENT_PLAIN;
            s->table++;
            return 1;
        }
    }
    if (!have)
        return replLuksStreamInflated(s, extent);
    extent->srcOffset_bytes = extent->dstOffset_bytes = s->run.offset_bytes;
    extent->length_bytes = length;
    extent->kind = replLuksKindOf(s->layout, s->run.class);
    s->run.offset_bytes += length;
    s->run.length_bytes -= length;
    return 1;
}

guint64
replLuksStreamBytes(const ReplLuksLayout *layout)
{
    ReplLuksStream stream = {.layout = layout};
    ReplExtent extent;
    guint64 bytes = 0;

    while (replLuksStreamNext(&stream, &extent, NULL) == 1)
        bytes += extent.length_bytes;
    return bytes;
}

/* Puts refcount @value at @index of a block; refcounts below a byte fill it from its low end. */
static void
replLuksPutRefcount(guint8 *block, guint32 order, guint64 index, guint32 value)
{
    guint32 bits = 1U << order;

    switch (order) {
    case 3:
        block[index] = value;
        break;
    case 4:
        replPutBe16(block + index * 2, value);
        break;
    case 5:
        replPutBe32(block + index * 4, value);
        break;
    case 6:
        replPutBe64(block + index * 8, value);
        break;
    default:
        block[index * bits / 8] |= value << (index * bits % 8);
    }
}

static int
replLuksWriteBlock(const ReplLuksLayout *l, ReplWriter *dst, guint64 index, guint64 offset, guint8 *buf,
                   GError **err)
{
    guint64 cluster = replQcow2ClusterSize(l->header);
    guint32 order = l->header->refcountOrder;
    guint64 perBlock = (cluster * 8) >> order, i;

    memset(buf, 0, cluster);
    for (i = 0; i < perBlock; i++) {
        guint32 value = replCountsGet(l->counts, index * perBlock + i);

        if (value == 0)
            continue;
        if (order < 5 && value >> (1U << order)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Volume '%s' is malformed: a cluster with %u references does not fit its "
                           "refcounts of %u bits"),
                         l->what, value, 1U << order);
            return -1;
        }
        replLuksPutRefcount(buf, order, i, value);
    }
    return replWriterWrite(dst, buf, cluster, offset, err);
}

int
replLuksLayoutWriteRefcounts(const ReplLuksLayout *layout, ReplWriter *dst, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(layout->header);
    guint64 tableBytes = layout->tableClusters * cluster;
    g_autofree guint8 *table = g_malloc0(tableBytes);
    g_autofree guint8 *buf = g_malloc(cluster);
    guint i;

    for (i = 0; i < layout->blocks->len; i++) {
        guint64 index = g_array_index(layout->blocks, guint64, i);
        guint64 offset = layout->blocksOffset + i * cluster;

        if (replLuksWriteBlock(layout, dst, index, offset, buf, err) < 0)
            return -1;
        replPutBe64(table + index * 8, offset);
    }
    return replWriterWrite(dst, table, tableBytes, layout->tableOffset, err);
}
