/*
 * flat.c: a qcow2 file made from a stream of guest data, laid out in one go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/flat.h"

#include <string.h>

#include "base/amount.h"
#include "base/error.h"
#include "qcow2/bytes.h"
#include "qcow2/header.h"

#define REPL_FLAT_MAX_RUNS (2U << 20)
#define REPL_FLAT_L2_ENTRIES (REPL_FLAT_CLUSTER / 8)
#define REPL_FLAT_PER_BLOCK (REPL_FLAT_CLUSTER / 2) /* refcounts of 16 bits */
#define REPL_FLAT_COPIED (1ULL << 63)
#define REPL_FLAT_HEADER_BYTES 112

ReplFlat *
replFlatNew(guint64 virtualSize_bytes, guint64 luksLength)
{
    ReplFlat *flat = g_new0(ReplFlat, 1);

    flat->virtualSize_bytes = virtualSize_bytes;
    flat->luksLength = luksLength;
    flat->runs = g_array_new(FALSE, TRUE, sizeof(ReplFlatRun));
    return flat;
}

void
replFlatFree(ReplFlat *flat)
{
    if (!flat)
        return;
    g_array_unref(flat->runs);
    g_free(flat);
}

static guint64
replFlatClusters(guint64 bytes)
{
    return (bytes >> REPL_FLAT_CLUSTER_BITS) + ((bytes & (REPL_FLAT_CLUSTER - 1)) != 0);
}

gboolean
replFlatAdd(ReplFlat *flat, guint64 offset, guint64 length)
{
    ReplFlatRun run = {.guest_bytes = offset & ~(guint64)(REPL_FLAT_CLUSTER - 1)};
    guint64 end = replFlatClusters(offset + length) << REPL_FLAT_CLUSTER_BITS;

    if (length == 0)
        return TRUE;
    if (flat->runs->len > 0) {
        ReplFlatRun *last = &g_array_index(flat->runs, ReplFlatRun, flat->runs->len - 1);
        guint64 lastEnd = last->guest_bytes + last->length_bytes;

        if (run.guest_bytes <= lastEnd) {
            last->length_bytes = MAX(end, lastEnd) - last->guest_bytes;
            return TRUE;
        }
    }
    if (flat->runs->len >= REPL_FLAT_MAX_RUNS)
        return FALSE;
    run.length_bytes = end - run.guest_bytes;
    g_array_append_val(flat->runs, run);
    return TRUE;
}

/* Number of the L2 table for guest @offset. */
static guint64
replFlatL2Of(guint64 offset)
{
    return offset / REPL_FLAT_CLUSTER / REPL_FLAT_L2_ENTRIES;
}

/* Counts the L2 tables and the clusters of data. */
static guint64
replFlatCount(ReplFlat *flat)
{
    guint64 clusters = 0, next = 0;
    guint i;

    for (i = 0; i < flat->runs->len; i++) {
        const ReplFlatRun *run = &g_array_index(flat->runs, ReplFlatRun, i);
        guint64 first = replFlatL2Of(run->guest_bytes);
        guint64 last = replFlatL2Of(run->guest_bytes + run->length_bytes - 1);

        first = MAX(first, next);
        if (last >= first)
            flat->l2Count += last - first + 1;
        next = last + 1;
        clusters += run->length_bytes >> REPL_FLAT_CLUSTER_BITS;
    }
    return clusters;
}

int
replFlatAssign(ReplFlat *flat, const char *what, GError **err)
{
    guint64 l1 = replFlatClusters(flat->virtualSize_bytes);
    guint64 data = replFlatCount(flat), fixed, total, pos;
    guint i;

    l1 = (l1 + REPL_FLAT_L2_ENTRIES - 1) / REPL_FLAT_L2_ENTRIES;
    if (l1 * 8 > REPL_QCOW2_MAX_L1_BYTES) {
        g_autofree char *size = replAmount(flat->virtualSize_bytes);

        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Volume '%s' of %s is too large for a qcow2 file"), what,
                     size);
        return -1;
    }
    flat->l1Entries = MAX(l1, 1);
    fixed = 1 + replFlatClusters(flat->l1Entries * 8ULL) + flat->l2Count +
            replFlatClusters(flat->luksLength) + data;
    /* The refcount structures count themselves. */
    do {
        total = fixed + flat->blockCount + flat->tableClusters;
        flat->blockCount = (total + REPL_FLAT_PER_BLOCK - 1) / REPL_FLAT_PER_BLOCK;
        flat->tableClusters = replFlatClusters(flat->blockCount * 8ULL);
    } while (total != fixed + flat->blockCount + flat->tableClusters);

    flat->l1Offset = REPL_FLAT_CLUSTER;
    flat->l2Offset = flat->l1Offset + (replFlatClusters(flat->l1Entries * 8ULL) << REPL_FLAT_CLUSTER_BITS);
    flat->tableOffset = flat->l2Offset + ((guint64)flat->l2Count << REPL_FLAT_CLUSTER_BITS);
    flat->blocksOffset = flat->tableOffset + ((guint64)flat->tableClusters << REPL_FLAT_CLUSTER_BITS);
    flat->luksOffset = flat->blocksOffset + ((guint64)flat->blockCount << REPL_FLAT_CLUSTER_BITS);
    pos = flat->luksOffset + (replFlatClusters(flat->luksLength) << REPL_FLAT_CLUSTER_BITS);
    for (i = 0; i < flat->runs->len; i++) {
        ReplFlatRun *run = &g_array_index(flat->runs, ReplFlatRun, i);

        run->host_bytes = pos;
        pos += run->length_bytes;
    }
    flat->size_bytes = pos;
    return 0;
}

/* Writes L2 tables in the order of the runs and enters them into @l1. */
static int
replFlatWriteL2(const ReplFlat *flat, ReplWriter *dst, guint8 *l1, GError **err)
{
    g_autofree guint8 *l2 = g_malloc0(REPL_FLAT_CLUSTER);
    guint64 table = G_MAXUINT64, offset = flat->l2Offset;
    guint i;

    for (i = 0; i < flat->runs->len; i++) {
        const ReplFlatRun *run = &g_array_index(flat->runs, ReplFlatRun, i);
        guint64 done;

        for (done = 0; done < run->length_bytes; done += REPL_FLAT_CLUSTER) {
            guint64 guest = run->guest_bytes + done;

            if (replFlatL2Of(guest) != table) {
                if (table != G_MAXUINT64) {
                    if (replWriterWrite(dst, l2, REPL_FLAT_CLUSTER, offset, err) < 0)
                        return -1;
                    offset += REPL_FLAT_CLUSTER;
                    memset(l2, 0, REPL_FLAT_CLUSTER);
                }
                table = replFlatL2Of(guest);
                replPutBe64(l1 + table * 8, offset | REPL_FLAT_COPIED);
            }
            replPutBe64(l2 + guest / REPL_FLAT_CLUSTER % REPL_FLAT_L2_ENTRIES * 8,
                        (run->host_bytes + done) | REPL_FLAT_COPIED);
        }
    }
    if (table == G_MAXUINT64)
        return 0;
    return replWriterWrite(dst, l2, REPL_FLAT_CLUSTER, offset, err);
}

static int
replFlatWriteRefcounts(const ReplFlat *flat, ReplWriter *dst, GError **err)
{
    g_autofree guint8 *table = g_malloc0((gsize)flat->tableClusters * REPL_FLAT_CLUSTER);
    g_autofree guint8 *block = g_malloc0(REPL_FLAT_CLUSTER);
    guint64 left = flat->size_bytes >> REPL_FLAT_CLUSTER_BITS;
    guint32 i, j;

    for (i = 0; i < flat->blockCount; i++) {
        guint64 offset = flat->blocksOffset + (guint64)i * REPL_FLAT_CLUSTER;
        guint32 used = MIN(left, REPL_FLAT_PER_BLOCK);

        memset(block, 0, REPL_FLAT_CLUSTER);
        for (j = 0; j < used; j++)
            replPutBe16(block + j * 2, 1);
        left -= used;
        replPutBe64(table + i * 8ULL, offset);
        if (replWriterWrite(dst, block, REPL_FLAT_CLUSTER, offset, err) < 0)
            return -1;
    }
    return replWriterWrite(dst, table, (gsize)flat->tableClusters * REPL_FLAT_CLUSTER, flat->tableOffset,
                           err);
}

int
replFlatWriteTables(const ReplFlat *flat, ReplWriter *dst, GError **err)
{
    g_autofree guint8 *l1 = g_malloc0(flat->l1Entries * 8ULL);

    if (replFlatWriteL2(flat, dst, l1, err) < 0 ||
        replWriterWrite(dst, l1, flat->l1Entries * 8ULL, flat->l1Offset, err) < 0)
        return -1;
    return replFlatWriteRefcounts(flat, dst, err);
}

int
replFlatWriteHeader(const ReplFlat *flat, ReplWriter *dst, GError **err)
{
    guint8 buf[REPL_FLAT_HEADER_BYTES + 32] = {0};
    guint8 *ext = buf + REPL_FLAT_HEADER_BYTES;

    replPutBe32(buf, REPL_QCOW2_MAGIC);
    replPutBe32(buf + 4, 3);
    replPutBe32(buf + 20, REPL_FLAT_CLUSTER_BITS);
    replPutBe64(buf + 24, flat->virtualSize_bytes);
    replPutBe32(buf + 32, flat->luksLength ? REPL_QCOW2_CRYPT_LUKS : REPL_QCOW2_CRYPT_NONE);
    replPutBe32(buf + 36, flat->l1Entries);
    replPutBe64(buf + 40, flat->l1Offset);
    replPutBe64(buf + 48, flat->tableOffset);
    replPutBe32(buf + 56, flat->tableClusters);
    replPutBe32(buf + 96, 4); /* refcounts of 16 bits */
    replPutBe32(buf + 100, REPL_FLAT_HEADER_BYTES);
    if (flat->luksLength) {
        replPutBe32(ext, REPL_QCOW2_EXT_LUKS);
        replPutBe32(ext + 4, 16);
        replPutBe64(ext + 8, flat->luksOffset);
        replPutBe64(ext + 16, flat->luksLength);
    }
    return replWriterWrite(dst, buf, sizeof(buf), 0, err);
}
