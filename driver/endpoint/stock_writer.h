/*
 * stock_writer.h: the bytes of a layer into a volume of a host without the module, in order
 *
 * In:    a line to its pool, and a volume that is marked (stock_mark.h) and has nothing else in it.
 * Out:   a writer (copy/writer.h) that wants its bytes in order, and at the end the layer's first block, which the caller keeps
 *        until all is in place.
 * Owner: the caller's; it holds a reference to the line.
 * Lock:  one guards what waits to be sent.
 *
 * The head (2 MiB, the largest first cluster that qcow2 has) is kept until it is complete, since the backing name in it
 * is to be another one; then it goes ahead of the rest, in one sparse upload from the second block on. What waits for the network is
 * bounded; the upload's thread is the line's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/writer.h"
#include "endpoint/stock_mark.h"
#include "endpoint/stock_sum.h"

/* What a qcow2 layer is to say of the one below. */
typedef struct {
    gboolean set;        /* FALSE: its header stays as it is */
    const char *backing; /* NULL: none */
    const char *format;
} ReplStockBacking;

/* What has become of it. */
typedef struct {
    guint64 size_bytes;
    guint8 block[REPL_STOCK_BLOCK_bytes]; /* the first one, or all of a smaller layer */
    gsize block_bytes;
    guint8 sum[REPL_STOCK_SUM_bytes]; /* of everything behind it; zeros when it was not asked for */
} ReplStockWritten;

/* @backing is borrowed until the writer is freed. @summed: to be read back. */
ReplWriter *
replStockWriterNew(ReplLine *line, const char *volume, const ReplStockBacking *backing, gboolean summed);

/* All bytes have come: sends what waits, and waits until the peer has written it. Once. Returns 0 with *written set, or -1 with
 * @err set. */
int
replStockWriterFinish(ReplWriter *writer, ReplStockWritten *written, GError **err);
