/*
 * extents.h: the data of a file, found with SEEK_DATA and SEEK_HOLE
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"

/* Extents have equal offsets on both sides and kind REPL_EXTENT_FOUND. */
typedef struct {
    int fd;             /* its file offset is moved */
    guint64 pos_bytes;  /* where to look on */
    guint64 end_bytes;  /* where to stop */
    gboolean holeBlind; /* the file has holes, but they cannot be found: all of it is one extent */
} ReplDataWalk;

/* Prepares to walk through bytes @start to @end of the file behind @fd, or to its end when that
 * comes first. With @noSeek holes are not looked for, as if the file system could not tell them.
 * Returns 0, or -1 with @err set. */
int replDataWalkInit(
    ReplDataWalk *walk, int fd, guint64 start, guint64 end, gboolean noSeek, GError **err);

/* A ReplExtentSource's next; @opaque is the walk. */
int replDataWalkNext(void *opaque, ReplExtent *extent, GError **err);
