/*
 * map.h: what stands in front of the data of a part
 *
 *     0   8  "RPLPART1"
 *     8   4  number of the layer, from the base up, big-endian as all
 *    12   4  count of runs
 *    16      runs: 8 offset in the layer's file, 8 length; ascending, not touching each other
 *            zeros up to a multiple of 4096
 *
 * Behind it stand the bytes of all runs. What a part holds can be told from the part alone: that is how an export goes on
 * after a restart.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"

#define REPL_MAP_HEAD_BYTES 16u
#define REPL_MAP_ALIGN_BYTES 4096u
#define REPL_MAP_RUNS_MAX 65536u

typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
} ReplMapRun;

typedef struct {
    guint32 layer;
    GArray *runs; /* of ReplMapRun */
    guint64 sum;  /* of the bytes that it was read from: the same for the same; never 0 */
} ReplMap;

ReplMap *
replMapNew(guint32 layer);

void
replMapFree(ReplMap *map);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplMap, replMapFree)

static inline const ReplMapRun *
replMapRun(const ReplMap *map, guint index)
{
    return &g_array_index(map->runs, ReplMapRun, index);
}

/* Bytes of the map of @count runs. */
static inline gsize
replMapBytes(guint count)
{
    gsize bytes = REPL_MAP_HEAD_BYTES + (gsize)count * 16;

    return (bytes + REPL_MAP_ALIGN_BYTES - 1) / REPL_MAP_ALIGN_BYTES * REPL_MAP_ALIGN_BYTES;
}

guint64
replMapData(const ReplMap *map);

GByteArray *
replMapWrite(const ReplMap *map);

/* How many bytes a map has whose first REPL_MAP_HEAD_BYTES are @head; 0: it is none. */
gsize
replMapLength(const guint8 *head);

/* The map in @bytes, which are replMapLength() long; NULL when it is none. */
ReplMap *
replMapRead(const guint8 *bytes, gsize length);
