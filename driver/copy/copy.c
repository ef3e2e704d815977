/*
 * copy.c: the copy engine
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
#include "copy/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "copy/endpoint.h"
#include "copy/engine.h"
#include "copy/extents.h"
#include "copy/piece.h"

#define PREALLOCATE_MIN_BYTES (1u << 20)   /* below, the call costs more than it brings */
#define PREALLOCATE_MAX_BYTES (256u << 20) /* at once, so that a cancelled copy ends promptly */
#define HUGE_PAGE_BYTES ((gsize)2 << 20)
#define ZERO_RUN_BYTES (64u << 10) /* what is left unwritten where holes cannot be found */

typedef struct ReplCopyEngine ReplCopyEngine;

typedef struct {
    ReplCopyEngine *engine;
    pthread_t thread;
    ReplPiece piece; /* its worker's alone; buffer too */
    guint8 *buffer;  /* of block_bytes */

    /* Guarded by engine->lock. */
    gboolean busy;
    guint64 start_bytes;  /* offset of the piece */
    guint64 before_bytes; /* data handed out before it */
} ReplCopyWorker;

struct ReplCopyEngine {
    /* Fixed once the workers run. */
    const ReplCopyJob *job;
    ReplCopyTune tune;
    ReplEndpoint *src;
    ReplEndpoint *dst;
    gboolean skipZeros;
    void *map; /* the workers' buffers */
    gsize map_bytes;

    /* Guarded by cutLock, which is held while the extents' owner and the watch's admit are asked.
     */
    pthread_mutex_t cutLock;
    ReplCutter cutter;
    gboolean preallocate;
    guint64
        preallocated_bytes; /* the target has its blocks up to this offset, as far as it has data */

    /* Guarded by lock, which is taken after cutLock. */
    pthread_mutex_t lock;
    pthread_cond_t synced; /* a sync or the copy has ended */
    ReplCopyWorker *workers;
    guint64 handed_bytes; /* data handed out so far */
    guint64 handedEnd_bytes;
    guint64 safe_bytes; /* data below the last checkpoint */
    gboolean syncing;
    gboolean stop;
    GError *error; /* the first one */
};

/* Ends the copy; takes @error. Only the first one is told, the others are its echo. */
static void
engineFail(ReplCopyEngine *engine, GError *error)
{
    pthread_mutex_lock(&engine->lock);
    if (!engine->error)
        engine->error = g_steal_pointer(&error);
    engine->stop = TRUE;
    pthread_cond_broadcast(&engine->synced);
    pthread_mutex_unlock(&engine->lock);
    g_clear_error(&error);
}

static gboolean
engineStopped(ReplCopyEngine *engine)
{
    gboolean stop;

    pthread_mutex_lock(&engine->lock);
    stop = engine->stop;
    pthread_mutex_unlock(&engine->lock);
    return stop;
}

/* How far ahead of the last checkpoint data may be, so that an interruption never costs more. */
static guint64
engineLead(const ReplCopyEngine *engine)
{
    guint64 buffers = engine->tune.workers * engine->tune.block_bytes;

    return engine->job->checkpoint_bytes + MAX(engine->job->checkpoint_bytes, buffers);
}

/* Waits while a checkpoint is so late that more data would be too far ahead of it. Returns whether
 * the copy goes on. */
static gboolean
engineMayGoOn(ReplCopyEngine *engine)
{
    gboolean stop;

    pthread_mutex_lock(&engine->lock);
    while (!engine->stop && engine->syncing &&
           engine->handed_bytes - engine->safe_bytes >= engineLead(engine))
        pthread_cond_wait(&engine->synced, &engine->lock);
    stop = engine->stop;
    pthread_mutex_unlock(&engine->lock);
    return !stop;
}

/* Gives the target its blocks ahead of the writers: many file systems let several writers into one
 * file only where it has blocks already, and lay it out in one run this way. Under cutLock. */
static int
enginePreallocate(ReplCopyEngine *engine, const ReplPiece *piece, GError **err)
{
    guint64 ahead = replCutterAhead(&engine->cutter, piece);
    int rc;

    if (!engine->preallocate || piece->dstOffset_bytes < engine->preallocated_bytes ||
        ahead < PREALLOCATE_MIN_BYTES)
        return 0;
    ahead = MIN(ahead, PREALLOCATE_MAX_BYTES);
    do {
        rc = fallocate(engine->dst->fd, FALLOC_FL_KEEP_SIZE, piece->dstOffset_bytes, ahead);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0 && (errno == ENOSPC || errno == EDQUOT)) {
        replErrorSetSystem(err, errno,
                           _("There is no space for the copy: cannot allocate %llu bytes at "
                             "offset %llu of its target"),
                           (unsigned long long)ahead, (unsigned long long)piece->dstOffset_bytes);
        return -1;
    }
    if (rc < 0)
        engine->preallocate = FALSE;
    engine->preallocated_bytes = piece->dstOffset_bytes + ahead;
    return 0;
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
    return enginePreallocate(engine, piece, err) < 0 ? -1 : 1;
}

/* Hands out the next piece to @worker: whether there is one. */
static gboolean
engineTake(ReplCopyEngine *engine, ReplCopyWorker *worker)
{
    GError *error = NULL;
    int rc = 0;

    pthread_mutex_lock(&engine->cutLock);
    if (engineMayGoOn(engine))
        rc = engineCut(engine, &worker->piece, &error);
    if (rc > 0) {
        pthread_mutex_lock(&engine->lock);
        worker->busy = TRUE;
        worker->start_bytes = worker->piece.dstOffset_bytes;
        worker->before_bytes = engine->handed_bytes;
        engine->handed_bytes += worker->piece.length_bytes;
        engine->handedEnd_bytes = worker->start_bytes + worker->piece.length_bytes;
        pthread_mutex_unlock(&engine->lock);
    }
    pthread_mutex_unlock(&engine->cutLock);
    if (rc < 0)
        engineFail(engine, error);
    return rc > 0;
}

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
            replEndpointWrite(worker->engine->dst, workerAt(worker, from), pos - from, from, err) <
                0)
            return -1;
        if (zero)
            from = next;
        pos = next;
    }
    if (from == end)
        return 0;
    return replEndpointWrite(worker->engine->dst, workerAt(worker, from), end - from, from, err);
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

        if (replEndpointRead(worker->engine->src, workerAt(worker, part->dstOffset_bytes),
                             part->length_bytes, part->srcOffset_bytes, err) < 0)
            return -1;
    }
    for (i = 0; transform && i < worker->piece.nparts; i++) {
        const ReplExtent *part = &worker->piece.parts[i];

        if (part->kind != REPL_EXTENT_PLAIN &&
            transform->apply(transform->opaque, part, workerAt(worker, part->dstOffset_bytes),
                             err) < 0)
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
    if (engineStopped(worker->engine))
        return 0;
    if (worker->engine->skipZeros)
        return workerWriteSparse(worker, err);
    return replEndpointWrite(worker->engine->dst, workerAt(worker, piece->dstOffset_bytes),
                             piece->length_bytes, piece->dstOffset_bytes, err);
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

    if (fdatasync(engine->dst->fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the copy's target"));
        return -1;
    }
    return watch->checkpoint(watch->opaque, offset, err);
}

/* Makes a checkpoint when one is due and nobody else is at it. */
static void
engineCheckpoint(ReplCopyEngine *engine)
{
    const ReplCopyJob *job = engine->job;
    GError *error = NULL;
    guint64 offset;
    guint64 data;
    gboolean due;

    if (job->checkpoint_bytes == 0 || !job->watch || !job->watch->checkpoint)
        return;
    pthread_mutex_lock(&engine->lock);
    engineWritten(engine, &offset, &data);
    due = !engine->stop && !engine->syncing && data - engine->safe_bytes >= job->checkpoint_bytes;
    if (due)
        engine->syncing = TRUE;
    pthread_mutex_unlock(&engine->lock);
    if (!due)
        return;

    if (engineSync(engine, offset, &error) < 0)
        engineFail(engine, error);
    pthread_mutex_lock(&engine->lock);
    engine->safe_bytes = data;
    engine->syncing = FALSE;
    pthread_cond_broadcast(&engine->synced);
    pthread_mutex_unlock(&engine->lock);
}

/* The worker's piece is written. */
static void
engineDone(ReplCopyEngine *engine, ReplCopyWorker *worker)
{
    const ReplCopyWatch *watch = engine->job->watch;

    pthread_mutex_lock(&engine->lock);
    if (!engine->stop) {
        worker->busy = FALSE;
        if (watch && watch->advance)
            watch->advance(watch->opaque, worker->piece.length_bytes);
    }
    pthread_mutex_unlock(&engine->lock);
    engineCheckpoint(engine);
}

static void *
workerRun(void *opaque)
{
    ReplCopyWorker *worker = opaque;
    ReplCopyEngine *engine = worker->engine;

    while (engineTake(engine, worker)) {
        GError *error = NULL;

        if (workerCarry(worker, &error) < 0)
            engineFail(engine, error);
        engineDone(engine, worker);
    }
    return NULL;
}

/* Gets all workers' buffers at once: mapped, so that they go back to the system whole, and in huge
 * pages where there are some. A virtual disk handles a request piece by physical piece, and with
 * small pages that was the limit of the copy: huge ones made it 1.5 times as fast. */
static int
engineAllocate(ReplCopyEngine *engine, GError **err)
{
    gsize block = engine->tune.block_bytes;
    guint8 *buffer;

    engine->map_bytes = engine->tune.workers * block + HUGE_PAGE_BYTES;
    engine->map =
        mmap(NULL, engine->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (engine->map == MAP_FAILED) {
        replErrorSetSystem(err, errno, _("Cannot get %zu bytes of memory for a copy"),
                           engine->map_bytes);
        return -1;
    }
    buffer = (guint8 *)(((guintptr)engine->map + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1));
    madvise(buffer, engine->tune.workers * block, MADV_HUGEPAGE); /* a wish */
    engine->workers = g_new0(ReplCopyWorker, engine->tune.workers);
    for (guint i = 0; i < engine->tune.workers; i++) {
        engine->workers[i].engine = engine;
        engine->workers[i].buffer = buffer + i * block;
    }
    return 0;
}

/* Lets all workers run, and returns when they have ended. Fewer threads than wished are no error.
 */
static void
engineRunWorkers(ReplCopyEngine *engine)
{
    sigset_t all;
    sigset_t saved;
    guint started = 1;

    /* The daemon's signals are none of our threads' business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    while (started < engine->tune.workers) {
        ReplCopyWorker *worker = &engine->workers[started];

        if (pthread_create(&worker->thread, NULL, workerRun, worker) != 0)
            break;
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    workerRun(&engine->workers[0]);
    for (guint i = 1; i < started; i++)
        pthread_join(engine->workers[i].thread, NULL);
}

static int
engineRun(ReplCopyEngine *engine, GError **err)
{
    if (engineAllocate(engine, err) < 0)
        return -1;
    pthread_mutex_init(&engine->cutLock, NULL);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->synced, NULL);
    engineRunWorkers(engine);
    pthread_cond_destroy(&engine->synced);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->cutLock);
    g_clear_pointer(&engine->workers, g_free);
    munmap(engine->map, engine->map_bytes);
    if (!engine->error)
        return 0;
    g_propagate_error(err, g_steal_pointer(&engine->error));
    return -1;
}

static int
checkFiles(int src, int dst, const ReplCopyJob *job, const ReplCopyTune *tune, GError **err)
{
    struct stat from;
    struct stat to;

    if (fstat(src, &from) < 0 || fstat(dst, &to) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the files of a copy"));
        return -1;
    }
    if (!S_ISREG(from.st_mode) || !S_ISREG(to.st_mode) ||
        (from.st_dev == to.st_dev && from.st_ino == to.st_ino)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A copy needs two different regular files"));
        return -1;
    }
    if (job->size_bytes > G_MAXINT64 || job->start_bytes > job->size_bytes ||
        (job->transform && job->transform->align_bytes > tune->block_bytes / 2)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("A copy of %llu bytes cannot start at offset %llu"),
                     (unsigned long long)job->size_bytes, (unsigned long long)job->start_bytes);
        return -1;
    }
    if (ftruncate(dst, job->size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot give the copy's target its size of %llu bytes"),
                           (unsigned long long)job->size_bytes);
        return -1;
    }
    return 0;
}

/* The multiples at which pieces end: where the transform wants it, and so that a piece fits into
 * its buffer even when it begins unaligned and is read to the end of its last block. */
static guint64
cutBytes(const ReplCopyJob *job, const ReplCopyTune *tune)
{
    guint align = job->transform ? job->transform->align_bytes : 0;
    guint64 room = tune->block_bytes - 2 * REPL_DIRECT_ALIGN_BYTES;

    return align == 0 || tune->block_bytes % align == 0 ? tune->block_bytes : room - room % align;
}

ReplCopyTune
replCopyTuneDefault(void)
{
    return (ReplCopyTune){.workers = 8, .block_bytes = 2u << 20};
}

int
replCopyRunTuned(int src, int dst, const ReplCopyJob *job, const ReplCopyTune *tune, GError **err)
{
    g_auto(ReplEndpoint) from = {.direct = -1};
    g_auto(ReplEndpoint) to = {.direct = -1};
    ReplCopyEngine engine = {.job = job, .tune = *tune, .preallocate = !tune->noPreallocate};
    ReplDataWalk walk;
    ReplExtentSource found = {.next = replDataWalkNext, .opaque = &walk};
    guint64 blocks;

    if (checkFiles(src, dst, job, tune, err) < 0)
        return -1;
    replEndpointOpen(&from, src, FALSE, !tune->noDirect);
    replEndpointOpen(&to, dst, TRUE, !tune->noDirect);
    engine.src = &from;
    engine.dst = &to;
    if (!job->extents) {
        /* Our own description where there is one: the caller's file offset stays. */
        if (replDataWalkInit(&walk, from.direct >= 0 ? from.direct : src, job->start_bytes,
                             job->size_bytes, tune->noSeek, err) < 0)
            return -1;
        engine.skipZeros = walk.holeBlind && !job->transform;
        engine.preallocate = engine.preallocate && !walk.holeBlind;
    }
    engine.cutter = (ReplCutter){.source = job->extents ? job->extents : &found,
                                 .block_bytes = cutBytes(job, tune),
                                 .start_bytes = job->start_bytes,
                                 .size_bytes = job->size_bytes};
    engine.handedEnd_bytes = job->start_bytes;
    blocks = (job->size_bytes - job->start_bytes) / tune->block_bytes + 1;
    engine.tune.workers = CLAMP(blocks, 1, MIN(tune->workers, REPL_COPY_WORKERS_MAX));
    if (engineRun(&engine, err) < 0)
        return -1;
    if (fsync(dst) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the copy's target"));
        return -1;
    }
    return 0;
}

int
replCopyRun(int src, int dst, const ReplCopyJob *job, GError **err)
{
    ReplCopyTune tune = replCopyTuneDefault();

    return replCopyRunTuned(src, dst, job, &tune, err);
}
