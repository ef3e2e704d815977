/*
 * layout.h: where everything goes in the encrypted, decrypted or re-keyed copy of a qcow2 layer
 *
 * All data and tables keep their host offsets, so that a layer can be carried over as a stream and
 * snapshots keep what they share. What must change is made anew behind the end of the source:
 *
 *   | source's clusters, same offsets | inflated clusters | LUKS header | refcount blocks | refcount table |
 *
 * Left out, becoming holes with refcount 0: leaked clusters, the old LUKS header and refcounts, what is only reserved,
 * and compressed clusters when the target is encrypted, since QEMU leaves those in clear text. Refcounts are counted
 * from the tables, so they are right even where the source's were stale.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "copy/copy.h"
#include "luks/counts.h"
#include "qcow2/header.h"
#include "qcow2/tables.h"

/* A compressed cluster that is stored inflated. */
typedef struct {
    guint64 descriptor; /* of the L2 entry, without its two flags */
    guint32 count;      /* references to it */
} ReplLuksInflated;

/* Kinds of extents. */
enum {
    REPL_LUKS_EXTENT_DATA = 2, /* guest data and VM state */
    REPL_LUKS_EXTENT_L1,
    REPL_LUKS_EXTENT_L2,
    REPL_LUKS_EXTENT_INFLATE, /* what is read means nothing: the transform fetches it */
};

/* Made once, then only read, by any number of threads. */
typedef struct {
    int src;
    const char *what;
    ReplQcow2Header *header;
    ReplQcow2Map *map;
    ReplCounts *counts; /* by cluster number, of the target; marked: a hole that reads as zeros */
    gboolean inflate;   /* compressed clusters do not stay so */
    GArray *inflated;   /* of ReplLuksInflated, by host offset */
    guint64 inflatedOffset;
    guint64 luksOffset;
    guint64 luksLength; /* 0: the target is plain */
    GArray *blocks;     /* guint64: which refcount blocks exist */
    guint64 blocksOffset;
    guint64 tableOffset;
    guint32 tableClusters;
    guint64 size_bytes; /* of the target file */
    /* While holes are looked for: the source file has none from the last offset asked for to here. Finding the end of a
     * stretch of data costs as much as it is long, on tmpfs at least. */
    guint64 dataEnd_bytes;
} ReplLuksLayout;

/* Plans the copy of @src, whose tables are walked. @luksLength: size of the LUKS header the target gets, 0: none.
 * @markHoles: data clusters without blocks in the source file read as zeros in both and need not be written (not
 * when the source is encrypted). NULL with @err set: as of replQcow2MapRead, and VIR_ERR_NO_SUPPORT when the file is
 * too large for this way (more than 1 TiB of 64 KiB clusters). @what must live as long as the layout. */
ReplLuksLayout *
replLuksLayoutMake(int src, const char *what, guint64 luksLength, gboolean markHoles,
                   const ReplQcow2Watch *watch, GError **err);

void
replLuksLayoutFree(ReplLuksLayout *layout);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLuksLayout, replLuksLayoutFree)

/* Number of the inflated cluster with that descriptor, or -1. */
gint64
replLuksLayoutFind(const ReplLuksLayout *layout, guint64 descriptor);

/* Host offset of a compressed cluster. */
guint64
replLuksDescriptorHost(const ReplQcow2Header *header, guint64 descriptor);

/* The extents of the copy, for one pass. The last cluster of the source is left out where the file ends inside it. */
typedef struct {
    const ReplLuksLayout *layout;
    ReplQcow2Run run;
    guint64 pos;
    guint table;
    guint inflated;
} ReplLuksStream;

int
replLuksStreamNext(void *stream, ReplExtent *extent, GError **err);

/* How much there is to carry. */
guint64
replLuksStreamBytes(const ReplLuksLayout *layout);

/* Kind of the extents of @class, or -1 for what is not carried over as a stream of clusters. */
int
replLuksKindOf(const ReplLuksLayout *layout, ReplQcow2Class class);

/* Writes the refcount blocks and table into @dst. */
int
replLuksLayoutWriteRefcounts(const ReplLuksLayout *layout, ReplWriter *dst, GError **err);
