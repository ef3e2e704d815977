/*
 * flow.c: what happens to the bytes of a layer on their way into its converted copy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/flow.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"
#include "qcow2/entry.h"
#include "qcow2/inflate.h"

#define REPL_FLOW_ALIGN_MAX (1U << 20)
#define REPL_QCOW2_COPIED (1ULL << 63)

guint
replLuksFlowAlign(const ReplLuksLayout *layout)
{
    return MIN(replQcow2ClusterSize(layout->header), REPL_FLOW_ALIGN_MAX);
}

static int
replFlowChanged(const ReplLuksLayout *l, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), l->what);
    return -1;
}

/* QEMU takes the flag for "refcount is exactly 1"; counts that were wrong in the source are right now. */
static guint64
replFlowCopied(const ReplLuksLayout *l, guint64 word, guint64 host)
{
    gboolean one = replCountsGet(l->counts, host >> l->header->clusterBits) == 1;

    return one ? word | REPL_QCOW2_COPIED : word & ~REPL_QCOW2_COPIED;
}

/* Only the flags of the active table mean something. */
static void
replFlowL1(const ReplLuksLayout *l, const ReplExtent *part, guint8 *buf)
{
    guint64 i;

    if (part->dstOffset_bytes < l->header->l1Offset ||
        part->dstOffset_bytes >= l->header->l1Offset + l->header->l1Entries * 8ULL)
        return;
    for (i = 0; i + 8 <= part->length_bytes; i += 8) {
        guint64 word = replGetBe64(buf + i);

        if (word & REPL_QCOW2_OFFSET_MASK)
            replPutBe64(buf + i, replFlowCopied(l, word, word & REPL_QCOW2_OFFSET_MASK));
    }
}

/* A compressed cluster has become an ordinary one. */
static int
replFlowInflatedEntry(const ReplLuksLayout *l, guint8 *raw, GError **err)
{
    gint64 number = replLuksLayoutFind(l, replGetBe64(raw) & (REPL_QCOW2_L2_COMPRESSED - 1));
    guint64 host;

    if (number < 0)
        return replFlowChanged(l, err);
    host = l->inflatedOffset + ((guint64)number << l->header->clusterBits);
    replPutBe64(raw, replFlowCopied(l, host, host));
    if (replQcow2IsExtendedL2(l->header))
        replPutBe64(raw + 8, 0xffffffffU); /* all subclusters allocated */
    return 0;
}

/* A hole: its blocks do not exist in the target either, which with a key would read as noise. */
static void
replFlowZeroEntry(const ReplLuksLayout *l, guint8 *raw)
{
    if (replQcow2IsExtendedL2(l->header)) {
        guint64 map = replGetBe64(raw + 8);

        replPutBe64(raw + 8, ((map | map << 32) >> 32) << 32);
    } else {
        replPutBe64(raw, replGetBe64(raw) | REPL_QCOW2_L2_ZERO);
    }
}

static int
replFlowL2(const ReplLuksLayout *l, const ReplExtent *part, guint8 *buf, GError **err)
{
    guint32 step = replQcow2L2EntrySize(l->header);
    guint64 i;

    for (i = 0; i + step <= part->length_bytes; i += step) {
        ReplQcow2Entry entry;
        guint8 *raw = buf + i;

        if (replGetBe64(raw) == 0)
            continue;
        if (replQcow2EntryDecode(l->header, raw, &entry) < 0)
            return replFlowChanged(l, err);
        if (entry.kind == REPL_QCOW2_ENTRY_COMPRESSED) {
            if (l->inflate && replFlowInflatedEntry(l, raw, err) < 0)
                return -1;
            continue;
        }
        if (entry.kind == REPL_QCOW2_ENTRY_NONE)
            continue;
        replPutBe64(raw, replFlowCopied(l, replGetBe64(raw), entry.host));
        if (entry.kind == REPL_QCOW2_ENTRY_DATA &&
            replCountsIsMarked(l->counts, entry.host >> l->header->clusterBits))
            replFlowZeroEntry(l, raw);
    }
    return 0;
}

/* Fetches and inflates the cluster that @part is a piece of. */
static int
replFlowInflate(const ReplLuksLayout *l, const ReplExtent *part, guint8 *buf, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(l->header);
    guint64 number = (part->dstOffset_bytes - l->inflatedOffset) / cluster;
    guint64 within = (part->dstOffset_bytes - l->inflatedOffset) % cluster;
    g_autofree guint8 *in = NULL;
    g_autofree guint8 *out = NULL;
    ReplQcow2Entry entry;
    guint8 raw[16] = {0};
    ssize_t n;

    if (number >= l->inflated->len)
        return replFlowChanged(l, err);
    replPutBe64(raw,
                g_array_index(l->inflated, ReplLuksInflated, number).descriptor | REPL_QCOW2_L2_COMPRESSED);
    if (replQcow2EntryDecode(l->header, raw, &entry) < 0)
        return replFlowChanged(l, err);
    in = g_malloc0(entry.hostBytes);
    out = g_malloc(cluster);
    if ((n = replPreadFull(l->src, in, entry.hostBytes, entry.host)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), l->what);
        return -1;
    }
    if (replQcow2Inflate(l->header->compression, in, entry.hostBytes, out, cluster) < 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its compressed cluster at offset %llu is damaged"), l->what,
                     (unsigned long long)entry.host);
        return -1;
    }
    memcpy(buf, out + within, part->length_bytes);
    return 0;
}

int
replLuksFlowApply(void *opaque, const ReplExtent *part, guint8 *buf, GError **err)
{
    ReplLuksFlow *flow = opaque;

    switch (part->kind) {
    case REPL_LUKS_EXTENT_L1:
        replFlowL1(flow->layout, part, buf);
        return 0;
    case REPL_LUKS_EXTENT_L2:
        return replFlowL2(flow->layout, part, buf, err);
    case REPL_LUKS_EXTENT_INFLATE:
        /* Clear text even inside an encrypted source. */
        if (replFlowInflate(flow->layout, part, buf, err) < 0)
            return -1;
        break;
    case REPL_LUKS_EXTENT_DATA:
        if (flow->decrypt && replXtsRun(flow->decrypt, part->srcOffset_bytes / REPL_LUKS_SECTOR, buf,
                                        part->length_bytes, err) < 0)
            return -1;
        break;
    default:
        return 0;
    }
    if (!flow->encrypt)
        return 0;
    return replXtsRun(flow->encrypt, part->dstOffset_bytes / REPL_LUKS_SECTOR, buf, part->length_bytes, err);
}
