/*
 * tables.h: what a qcow2 file reaches: the class of each of its host clusters
 *
 * The active state, every internal snapshot with its VM state, refcounts, bitmaps and the LUKS header are
 * walked once. Clusters that several tables share (snapshots) count once; clusters that nothing reaches
 * (leaked) have class NONE. The result is a map that is asked in order of host offsets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "qcow2/header.h"

typedef enum {
    REPL_QCOW2_NONE, /* nothing refers to it */
    REPL_QCOW2_HEADER,
    REPL_QCOW2_L1, /* active or of a snapshot */
    REPL_QCOW2_L2,
    REPL_QCOW2_REFCOUNT_TABLE,
    REPL_QCOW2_REFCOUNT_BLOCK,
    REPL_QCOW2_SNAPSHOT_TABLE,
    REPL_QCOW2_BITMAP, /* directory and tables of persistent bitmaps */
    REPL_QCOW2_BITMAP_DATA,
    REPL_QCOW2_LUKS_HEADER,
    REPL_QCOW2_DATA,       /* guest data or VM state, the cluster as a whole or some subclusters of it */
    REPL_QCOW2_RESERVED,   /* allocated, but reads as zeros or from the backing file: content means nothing */
    REPL_QCOW2_COMPRESSED, /* (part of) compressed clusters */
    REPL_QCOW2_CLASS_LAST
} ReplQcow2Class;

/* A run of host clusters of one class. length_bytes counts whole clusters, also behind the end of the file
 * for its last one. */
typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
    ReplQcow2Class class;
} ReplQcow2Run;

/* The exact bytes of a table; what follows in its last cluster was never written as part of it and may hold
 * anything, guest data of former times included. */
typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
} ReplQcow2Range;

/* Lets the caller stop a walk; called for each table of a cluster. NULL members are not called. */
typedef struct {
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
} ReplQcow2Watch;

typedef struct ReplQcow2Map ReplQcow2Map;

/* Walks the file. NULL with @err set: VIR_ERR_OPERATION_INVALID when tables lie outside the file, overlap
 * or make no sense (data that is also a table, thus every loop), VIR_ERR_NO_SUPPORT with an external data file
 * or when the map would exceed 64 MiB (8 TiB of used 64 KiB clusters). */
ReplQcow2Map *
replQcow2MapRead(int fd, const ReplQcow2Header *header, const char *what, const ReplQcow2Watch *watch,
                 GError **err);

void
replQcow2MapFree(ReplQcow2Map *map);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplQcow2Map, replQcow2MapFree)

/* Class of the host cluster that holds @offset. */
ReplQcow2Class
replQcow2MapClass(const ReplQcow2Map *map, guint64 offset);

/* How many clusters of @class there are. */
guint64
replQcow2MapCount(const ReplQcow2Map *map, ReplQcow2Class class);

/* The tables that do not fill their clusters, of the classes L1, SNAPSHOT_TABLE and BITMAP: ReplQcow2Range,
 * ascending. */
const GArray *
replQcow2MapTables(const ReplQcow2Map *map);

/* The run at or behind *pos (begin with 0; moved behind the run), ascending, NONE left out.
 * FALSE when there is no more. */
gboolean
replQcow2MapNext(const ReplQcow2Map *map, guint64 *pos, ReplQcow2Run *run);
