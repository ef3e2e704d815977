/*
 * worker.c: one piece's way from the source into the target
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "copy/engine.h"

#define ZERO_RUN_BYTES (64u << 10) /* what is left unwritten where holes cannot be found */

/* Where in the buffer the byte for @offset of the target lies: both are equally aligned. */
static guint8 *
workerAt(ReplCopyWorker *worker, guint64 offset)
{
    guint64 dst = worker->piece.dstOffset_bytes;

    return worker->buffer + dst % REPL_DIRECT_ALIGN_BYTES + (offset - dst);
}

static gboolean
isZero(const guint8 *buf, gsize len)
{
    return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
}

/* Writes the piece but for its runs of zeros: the target reads as zeros there already. */
static int
workerWriteSparse(ReplCopyWorker *worker, GError **err)
{
    guint64 end = worker->piece.dstOffset_bytes + worker->piece.length_bytes;
    guint64 from = worker->piece.dstOffset_bytes; /* first byte that waits to be written */
    guint64 pos = from;

    while (pos < end) {
        guint64 next = MIN((pos / ZERO_RUN_BYTES + 1) * ZERO_RUN_BYTES, end);
        gboolean zero = isZero(workerAt(worker, pos), next - pos);

        if (zero && from < pos &&
            replWriterWrite(worker->engine->writer, workerAt(worker, from), pos - from, from, err) < 0)
            return -1;
        if (zero)
            from = next;
        pos = next;
    }
    if (from == end)
        return 0;
    return replWriterWrite(worker->engine->writer, workerAt(worker, from), end - from, from, err);
}

/* Reads and transforms the parts of the piece. */
static int
workerFill(ReplCopyWorker *worker, GError **err)
{
    const ReplTransform *transform = worker->engine->job->transform;
    guint i;

    /* In ascending order: reading past the end of a part spoils only what is read next. */
    for (i = 0; i < worker->piece.nparts; i++) {
        const ReplExtent *part = &worker->piece.parts[i];

        if (replReaderRead(worker->engine->reader, workerAt(worker, part->dstOffset_bytes),
                           part->length_bytes, part->srcOffset_bytes, err) < 0)
            return -1;
    }
    for (i = 0; transform && i < worker->piece.nparts; i++) {
        const ReplExtent *part = &worker->piece.parts[i];

        if (part->kind != REPL_EXTENT_PLAIN &&
            transform->apply(transform->opaque, part, workerAt(worker, part->dstOffset_bytes), err) < 0)
            return -1;
    }
    return 0;
}

static int
workerCarry(ReplCopyWorker *worker, GError **err)
{
    const ReplPiece *piece = &worker->piece;

    if (workerFill(worker, err) < 0)
        return -1;
    if (replEngineStopped(worker->engine))
        return 0;
    if (worker->engine->skipZeros)
        return workerWriteSparse(worker, err);
    return replWriterWrite(worker->engine->writer, workerAt(worker, piece->dstOffset_bytes),
                           piece->length_bytes, piece->dstOffset_bytes, err);
}

gpointer
replWorkerRun(gpointer opaque)
{
    ReplCopyWorker *worker = opaque;
    ReplCopyEngine *engine = worker->engine;

    while (replEngineTake(engine, worker)) {
        GError *error = NULL;

        if (workerCarry(worker, &error) < 0)
            replEngineFail(engine, error);
        replEngineDone(engine, worker);
    }
    return NULL;
}
