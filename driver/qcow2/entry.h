/*
 * entry.h: what an L2 entry says
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "qcow2/bytes.h"
#include "qcow2/header.h"

#define REPL_QCOW2_L2_COMPRESSED (G_GUINT64_CONSTANT(1) << 62)
#define REPL_QCOW2_L2_ZERO G_GUINT64_CONSTANT(1)

typedef enum {
    REPL_QCOW2_ENTRY_NONE,       /* no host cluster */
    REPL_QCOW2_ENTRY_RESERVED,   /* @host is kept for later; what it holds means nothing */
    REPL_QCOW2_ENTRY_DATA,       /* @host; with subclusters only those of @allocated */
    REPL_QCOW2_ENTRY_COMPRESSED, /* @hostBytes bytes at @host, not aligned */
} ReplQcow2EntryKind;

typedef struct {
    ReplQcow2EntryKind kind;
    guint64 host;
    guint64 hostBytes; /* COMPRESSED: an upper bound, to the end of the last 512-byte sector */
    guint32 allocated; /* bit n: subcluster n has data in @host; all ones without extended L2 */
    guint32 zero;      /* bit n: subcluster n reads as zeros; neither: from the backing file */
} ReplQcow2Entry;

/* Decodes the entry at @p (8 or 16 bytes). Returns 0, or -1 when it makes no sense (data cluster not
 * aligned, a subcluster both zero and allocated, data without cluster, a zero flag in version 2). Whether @host lies inside the
 * file is the caller's to check. */
static inline int
replQcow2EntryDecode(const ReplQcow2Header *h, const guint8 *p, ReplQcow2Entry *entry)
{
    guint64 word = replGetBe64(p);
    gboolean extended = replQcow2IsExtendedL2(h);
    guint64 map = extended ? replGetBe64(p + 8) : 0;

    memset(entry, 0, sizeof(*entry));
    if (word & REPL_QCOW2_L2_COMPRESSED) {
        guint32 x = 62 - (h->clusterBits - 8);
        guint64 sectors = (word >> x) & ((G_GUINT64_CONSTANT(1) << (62 - x)) - 1);

        entry->kind = REPL_QCOW2_ENTRY_COMPRESSED;
        entry->host = word & ((G_GUINT64_CONSTANT(1) << x) - 1);
        entry->hostBytes = (sectors + 1) * 512 - entry->host % 512;
        entry->allocated = 0xffffffffU;
        return map ? -1 : 0;
    }
    entry->host = word & REPL_QCOW2_OFFSET_MASK;
    if (entry->host % replQcow2ClusterSize(h) != 0)
        return -1;
    entry->allocated = extended ? (guint32)map : entry->host ? 0xffffffffU : 0;
    entry->zero = extended ? (guint32)(map >> 32) : 0;
    if ((entry->allocated & entry->zero) || (entry->allocated && !entry->host))
        return -1;
    if (!extended && (word & REPL_QCOW2_L2_ZERO)) {
        if (h->version < 3)
            return -1;
        entry->zero = 0xffffffffU;
        entry->allocated = 0;
    }
    if (entry->allocated)
        entry->kind = REPL_QCOW2_ENTRY_DATA;
    else if (entry->host)
        entry->kind = REPL_QCOW2_ENTRY_RESERVED;
    return 0;
}
