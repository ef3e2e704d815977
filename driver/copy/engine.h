/*
 * engine.h: what only the copy engine's own files and its tests know
 *
 * A few equal workers carry one piece each through read, transform and write. While one waits for
 * a read, another one writes and a third one computes: the stages overlap by themselves, in
 * whatever proportion the disk and the processors allow, without queues between them and with
 * memory bounded by the workers' buffers. The caller's thread is one of the workers.
 *
 * Pieces are handed out in the order of the target, so everything below the lowest piece that is
 * still being carried is written: that, after a sync, is a checkpoint. One worker syncs while the
 * others go on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "copy/copy.h"
#include "copy/file.h"
#include "copy/piece.h"
#include "copy/sieve.h"

#define REPL_COPY_WORKERS_MAX 16

/* How a copy is driven. */
typedef struct {
    guint workers;       /* threads, the caller's among them; 1..REPL_COPY_WORKERS_MAX */
    guint64 block_bytes; /* a multiple of 64 KiB; every worker has a buffer of this size */
} ReplCopyTune;

int
replCopyRunTuned(ReplReader *reader, ReplWriter *writer, const ReplCopyJob *job, const ReplCopyTune *tune,
                 GError **err);

typedef struct ReplCopyEngine ReplCopyEngine;

typedef struct {
    ReplCopyEngine *engine;
    GThread *thread; /* NULL: the caller's */

    /* Its worker's alone. */
    ReplPiece piece;
    guint8 *buffer; /* of block_bytes */

    /* Guarded by engine->lock. */
    gboolean busy;
    guint64 start_bytes;  /* offset of the piece */
    guint64 before_bytes; /* data handed out before it */
} ReplCopyWorker;

struct ReplCopyEngine {
    /* Fixed once the workers run. */
    const ReplCopyJob *job;
    ReplCopyTune tune;
    ReplReader *reader;
    ReplWriter *writer;
    gboolean skipZeros; /* runs of zeros are not written */
    ReplCopyWorker *workers;
    void *map; /* the workers' buffers */
    gsize map_bytes;

    /* Guarded by cutLock, held also while the extents' owner and the watch's admit are asked. */
    ReplLock cutLock;
    ReplSieve sieve;
    ReplCutter cutter;
    gboolean reserve;       /* the target is told ahead of what is going to be written */
    guint64 reserved_bytes; /* it knows of everything up to this offset */

    /* Guarded by lock, which is taken after cutLock. */
    ReplLock lock;           /* woken when a piece, a checkpoint or the copy has ended */
    guint64 handed_bytes;    /* data handed out so far */
    guint64 handedEnd_bytes; /* of the last piece */
    guint64 safe_bytes;      /* data below the last checkpoint */
    gboolean syncing;
    gboolean stop;
    GError *error; /* the first one */
};

/* Ends the copy with @error (taken over), and wakes the other workers from what they wait for. Only the first
 * error is reported: later ones follow from it. */
void
replEngineFail(ReplCopyEngine *engine, GError *error);

gboolean
replEngineStopped(ReplCopyEngine *engine);

/* Hands out the next piece to @worker; FALSE when there is none, or when the copy has failed. */
gboolean
replEngineTake(ReplCopyEngine *engine, ReplCopyWorker *worker);

/* The worker's piece is written. Makes a checkpoint when one is due. */
void
replEngineDone(ReplCopyEngine *engine, ReplCopyWorker *worker);

/* A worker's life, until there are no more pieces; a thread's start routine. */
gpointer
replWorkerRun(gpointer opaque);
