/*
 * flat.h: a qcow2 file made from a stream of guest data, laid out in one go
 *
 *   | header | L1 | L2 tables | refcount table | refcount blocks | LUKS header | data, in the guest's order |
 *
 * Version 3, clusters of 64 KiB; only clusters with data are there. All metadata is known before the first byte of
 * data is written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "copy/writer.h"

#define REPL_FLAT_CLUSTER_BITS 16
#define REPL_FLAT_CLUSTER (1U << REPL_FLAT_CLUSTER_BITS)

/* A run of guest clusters with data. */
typedef struct {
    guint64 guest_bytes; /* multiples of the cluster size */
    guint64 length_bytes;
    guint64 host_bytes; /* set by replFlatAssign */
} ReplFlatRun;

typedef struct {
    guint64 virtualSize_bytes;
    GArray *runs;       /* of ReplFlatRun, ascending */
    guint64 luksLength; /* 0: plain */
    guint64 l1Offset;
    guint32 l1Entries;
    guint64 l2Offset;
    guint32 l2Count;
    guint64 tableOffset;
    guint32 tableClusters;
    guint64 blocksOffset;
    guint32 blockCount;
    guint64 luksOffset;
    guint64 size_bytes; /* of the file */
} ReplFlat;

/* A layout for a disk of @virtualSize_bytes; runs are added next. */
ReplFlat *
replFlatNew(guint64 virtualSize_bytes, guint64 luksLength);

void
replFlatFree(ReplFlat *flat);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplFlat, replFlatFree)

/* Adds guest bytes that have data, ascending; widened to clusters and joined with the run before. FALSE when there
 * are too many runs (2 million). */
gboolean
replFlatAdd(ReplFlat *flat, guint64 offset, guint64 length);

/* Gives everything its offset in the file. Returns 0, or -1 with @err set when the disk is too large for qcow2. */
int
replFlatAssign(ReplFlat *flat, const char *what, GError **err);

/* Writes everything but the header and the LUKS header into @dst. */
int
replFlatWriteTables(const ReplFlat *flat, ReplWriter *dst, GError **err);

/* Writes the header, which makes it an image. */
int
replFlatWriteHeader(const ReplFlat *flat, ReplWriter *dst, GError **err);
