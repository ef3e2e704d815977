/*
 * piece.h: cuts extents into pieces that one buffer holds
 *
 * Small extents that follow each other in the target share a piece, so that they are written at
 * once; large ones are cut at multiples of the block size. No I/O.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"

/* Enough clusters of 8 KiB to fill a block. */
#define REPL_PIECE_PARTS 256

/* One run of the target and where its bytes come from: the parts follow each other without a gap.
 */
typedef struct {
    guint64 dstOffset_bytes;
    guint64 length_bytes;
    guint nparts;
    ReplExtent parts[REPL_PIECE_PARTS];
} ReplPiece;

typedef struct {
    const ReplExtentSource *source;
    guint64 block_bytes; /* pieces end at multiples of it, unless their extents end before */
    guint64 start_bytes; /* what lies below is left out */
    guint64 size_bytes;  /* of the target: extents may not reach beyond */
    guint64 end_bytes;   /* of the last extent: the next one may not begin below */
    ReplExtent rest;     /* what is left of the last extent; length 0: nothing */
} ReplCutter;

/* The next piece: 1, 0 at the end, -1 with @err set, also when the source's extents overlap, go
 * back or reach beyond the target. */
int
replCutterNext(ReplCutter *cutter, ReplPiece *piece, GError **err);

/* How many bytes of the target from @piece's beginning are known to be written: the piece and what
 * is left of its last extent. */
guint64
replCutterAhead(const ReplCutter *cutter, const ReplPiece *piece);
