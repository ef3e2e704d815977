/*
 * piece.c: cuts extents into pieces that one buffer holds
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/piece.h"

#include "base/error.h"

static gboolean
extentIsSane(const ReplCutter *cutter, const ReplExtent *extent)
{
    return extent->length_bytes <= G_MAXINT64 &&
           extent->srcOffset_bytes <= G_MAXINT64 - extent->length_bytes &&
           extent->dstOffset_bytes >= cutter->end_bytes && extent->length_bytes <= cutter->size_bytes &&
           extent->dstOffset_bytes <= cutter->size_bytes - extent->length_bytes;
}

/* Leaves out what an earlier copy has done. */
static void
extentClip(ReplExtent *extent, guint64 start_bytes)
{
    guint64 skip;

    if (extent->dstOffset_bytes >= start_bytes)
        return;
    skip = MIN(start_bytes - extent->dstOffset_bytes, extent->length_bytes);
    extent->srcOffset_bytes += skip;
    extent->dstOffset_bytes += skip;
    extent->length_bytes -= skip;
}

/* Sets cutter->rest to the next extent that is not empty: 1, 0 at the end, -1 with @err set. */
static int
cutterFetch(ReplCutter *cutter, GError **err)
{
    while (cutter->rest.length_bytes == 0) {
        ReplExtent extent = {0};
        int rc = cutter->source->next(cutter->source->opaque, &extent, err);

        if (rc <= 0)
            return rc;
        if (!extentIsSane(cutter, &extent)) {
            replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                         _("An extent of %llu bytes to offset %llu does not fit into the copy: "
                           "it must lie between %llu and %llu"),
                         (unsigned long long)extent.length_bytes, (unsigned long long)extent.dstOffset_bytes,
                         (unsigned long long)cutter->end_bytes, (unsigned long long)cutter->size_bytes);
            return -1;
        }
        cutter->end_bytes = extent.dstOffset_bytes + extent.length_bytes;
        extentClip(&extent, cutter->start_bytes);
        cutter->rest = extent;
    }
    return 1;
}

/* Moves up to @max bytes of the rest to the end of @piece. */
static void
cutterTake(ReplCutter *cutter, ReplPiece *piece, guint64 max)
{
    ReplExtent *rest = &cutter->rest;
    ReplExtent *last = piece->nparts > 0 ? &piece->parts[piece->nparts - 1] : NULL;
    guint64 n = MIN(rest->length_bytes, max);

    if (last && last->kind == rest->kind &&
        last->srcOffset_bytes + last->length_bytes == rest->srcOffset_bytes) {
        last->length_bytes += n;
    } else {
        piece->parts[piece->nparts] = *rest;
        piece->parts[piece->nparts++].length_bytes = n;
    }
    piece->length_bytes += n;
    rest->srcOffset_bytes += n;
    rest->dstOffset_bytes += n;
    rest->length_bytes -= n;
}

int
replCutterNext(ReplCutter *cutter, ReplPiece *piece, GError **err)
{
    guint64 limit = 0; /* where the piece ends at the latest */

    piece->nparts = 0;
    piece->length_bytes = 0;
    while (piece->nparts < REPL_PIECE_PARTS) {
        int rc = cutterFetch(cutter, err);

        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
        if (piece->nparts == 0) {
            piece->dstOffset_bytes = cutter->rest.dstOffset_bytes;
            limit = (piece->dstOffset_bytes / cutter->block_bytes + 1) * cutter->block_bytes;
        }
        /* A gap, or full. */
        if (cutter->rest.dstOffset_bytes != piece->dstOffset_bytes + piece->length_bytes ||
            cutter->rest.dstOffset_bytes == limit)
            break;
        cutterTake(cutter, piece, limit - cutter->rest.dstOffset_bytes);
    }
    return piece->nparts > 0;
}

guint64
replCutterAhead(const ReplCutter *cutter, const ReplPiece *piece)
{
    guint64 end = piece->dstOffset_bytes + piece->length_bytes;

    if (cutter->rest.length_bytes > 0 && cutter->rest.dstOffset_bytes == end)
        return piece->length_bytes + cutter->rest.length_bytes;
    return piece->length_bytes;
}
