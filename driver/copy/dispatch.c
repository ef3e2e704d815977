/*
 * dispatch.c: who carries which piece, and what is written so far
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/lock.h"
#include "copy/engine.h"

#define RESERVE_MIN_BYTES (1u << 20)   /* below, the call costs more than it brings */
#define RESERVE_MAX_BYTES (256u << 20) /* at once, so that a cancelled copy ends promptly */

void
replEngineFail(ReplCopyEngine *engine, GError *error)
{
    replLockTake(&engine->lock);
    if (!engine->error)
        engine->error = g_steal_pointer(&error);
    engine->stop = TRUE;
    replLockWake(&engine->lock);
    replLockDrop(&engine->lock);
    g_clear_error(&error);
    replReaderCancel(engine->reader);
    replWriterCancel(engine->writer);
}

gboolean
replEngineStopped(ReplCopyEngine *engine)
{
    gboolean stop;

    replLockTake(&engine->lock);
    stop = engine->stop;
    replLockDrop(&engine->lock);
    return stop;
}

static gboolean
hasCheckpoints(const ReplCopyJob *job)
{
    return job->checkpoint_bytes > 0 && job->watch && job->watch->checkpoint;
}

/* Whether data is so far ahead of the last checkpoint that an interruption would cost too much,
 * and a better one is to come. Under lock. */
static gboolean
isTooFarAhead(const ReplCopyEngine *engine)
{
    guint64 buffers = engine->tune.workers * engine->tune.block_bytes;
    guint64 due = engine->job->checkpoint_bytes;
    gboolean coming = engine->syncing;

    for (guint i = 0; i < engine->tune.workers; i++)
        coming |= engine->workers[i].busy;
    return coming && engine->handed_bytes - engine->safe_bytes >= due + MAX(due, buffers);
}

/* Returns whether the copy goes on. */
static gboolean
engineWaitForCheckpoint(ReplCopyEngine *engine)
{
    gboolean stop;

    replLockTake(&engine->lock);
    while (hasCheckpoints(engine->job) && !engine->stop && isTooFarAhead(engine))
        replLockWait(&engine->lock);
    stop = engine->stop;
    replLockDrop(&engine->lock);
    return !stop;
}

/* Tells the target ahead of the writers what comes. Under cutLock. */
static int
engineReserve(ReplCopyEngine *engine, const ReplPiece *piece, GError **err)
{
    guint64 ahead = replCutterAhead(&engine->cutter, piece);

    if (!engine->reserve || piece->dstOffset_bytes < engine->reserved_bytes || ahead < RESERVE_MIN_BYTES)
        return 0;
    ahead = MIN(ahead, RESERVE_MAX_BYTES);
    engine->reserved_bytes = piece->dstOffset_bytes + ahead;
    return replWriterReserve(engine->writer, piece->dstOffset_bytes, ahead, err);
}

/* Finds the next piece and asks for leave to copy it. 1, 0 at the end, -1 with @err set. Under
 * cutLock. */
static int
engineCut(ReplCopyEngine *engine, ReplPiece *piece, GError **err)
{
    const ReplCopyWatch *watch = engine->job->watch;
    int rc = replCutterNext(&engine->cutter, piece, err);

    if (rc <= 0)
        return rc;
    if (watch && watch->admit && watch->admit(watch->opaque, piece->length_bytes, err) < 0)
        return -1;
    return engineReserve(engine, piece, err) < 0 ? -1 : 1;
}

gboolean
replEngineTake(ReplCopyEngine *engine, ReplCopyWorker *worker)
{
    GError *error = NULL;
    int rc = 0;

    replLockTake(&engine->cutLock);
    if (engineWaitForCheckpoint(engine))
        rc = engineCut(engine, &worker->piece, &error);
    if (rc > 0) {
        replLockTake(&engine->lock);
        worker->busy = TRUE;
        worker->start_bytes = worker->piece.dstOffset_bytes;
        worker->before_bytes = engine->handed_bytes;
        engine->handed_bytes += worker->piece.length_bytes;
        engine->handedEnd_bytes = worker->start_bytes + worker->piece.length_bytes;
        replLockDrop(&engine->lock);
    }
    replLockDrop(&engine->cutLock);
    if (rc < 0)
        replEngineFail(engine, error);
    return rc > 0;
}

/* Everything below *offset is written, and *data bytes of it were data. Under lock. */
static void
engineWritten(const ReplCopyEngine *engine, guint64 *offset, guint64 *data)
{
    *offset = engine->handedEnd_bytes;
    *data = engine->handed_bytes;
    for (guint i = 0; i < engine->tune.workers; i++) {
        const ReplCopyWorker *worker = &engine->workers[i];

        if (worker->busy && worker->before_bytes < *data) {
            *offset = worker->start_bytes;
            *data = worker->before_bytes;
        }
    }
}

static int
engineSync(ReplCopyEngine *engine, guint64 offset, GError **err)
{
    const ReplCopyWatch *watch = engine->job->watch;

    if (replWriterFlush(engine->writer, FALSE, err) < 0)
        return -1;
    return watch->checkpoint(watch->opaque, offset, err);
}

/* Makes the checkpoint that the caller has announced with engine->syncing. */
static void
engineCheckpoint(ReplCopyEngine *engine, guint64 offset, guint64 data)
{
    GError *error = NULL;

    if (engineSync(engine, offset, &error) < 0)
        replEngineFail(engine, error);
    replLockTake(&engine->lock);
    engine->safe_bytes = data;
    engine->syncing = FALSE;
    replLockWake(&engine->lock);
    replLockDrop(&engine->lock);
}

void
replEngineDone(ReplCopyEngine *engine, ReplCopyWorker *worker)
{
    const ReplCopyJob *job = engine->job;
    guint64 offset = 0;
    guint64 data = 0;
    gboolean due = FALSE;

    replLockTake(&engine->lock);
    if (!engine->stop) {
        worker->busy = FALSE;
        if (job->watch && job->watch->advance)
            job->watch->advance(job->watch->opaque, worker->piece.length_bytes);
        engineWritten(engine, &offset, &data);
        due = hasCheckpoints(job) && !engine->syncing && data - engine->safe_bytes >= job->checkpoint_bytes;
        engine->syncing |= due;
        replLockWake(&engine->lock);
    }
    replLockDrop(&engine->lock);
    if (due)
        engineCheckpoint(engine, offset, data);
}
