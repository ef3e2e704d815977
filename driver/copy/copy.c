/*
 * copy.c: sets up a copy, lets its workers run, and ends it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/copy.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "copy/engine.h"
#include "copy/files.h"

#define HUGE_PAGE_BYTES ((gsize)2 << 20)

/* Gets all workers' buffers at once: mapped, so that they go back to the system whole, and in huge
 * pages where there are some. A virtual disk handles a request piece by physical piece, and with
 * small pages that was the limit of the copy: huge ones made it 1.5 times as fast. */
static int
engineAllocate(ReplCopyEngine *engine, GError **err)
{
    gsize block = engine->tune.block_bytes;
    guint8 *buffer;

    engine->map_bytes = engine->tune.workers * block + HUGE_PAGE_BYTES;
    engine->map = mmap(NULL, engine->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (engine->map == MAP_FAILED) {
        replErrorSetSystem(err, errno, _("Cannot get %zu bytes of memory for a copy"), engine->map_bytes);
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

/* Lets all workers run, and returns when they have ended. Fewer threads than wished are no error. */
static void
engineRunWorkers(ReplCopyEngine *engine)
{
    guint i;

    for (i = 1; i < engine->tune.workers; i++) {
        engine->workers[i].thread = replThreadNew("repl-copy", replWorkerRun, &engine->workers[i], NULL);
        if (!engine->workers[i].thread)
            break;
    }
    replWorkerRun(&engine->workers[0]);
    for (i = 1; i < engine->tune.workers; i++)
        g_clear_pointer(&engine->workers[i].thread, g_thread_join);
}

static int
engineRun(ReplCopyEngine *engine, GError **err)
{
    if (engineAllocate(engine, err) < 0)
        return -1;
    replLockInit(&engine->cutLock);
    replLockInit(&engine->lock);
    engineRunWorkers(engine);
    replLockClear(&engine->lock);
    replLockClear(&engine->cutLock);
    g_clear_pointer(&engine->workers, g_free);
    munmap(engine->map, engine->map_bytes);
    if (!engine->error)
        return 0;
    g_propagate_error(err, g_steal_pointer(&engine->error));
    return -1;
}

static gboolean
isSameFile(int src, int dst)
{
    struct stat from;
    struct stat to;

    return src >= 0 && dst >= 0 && fstat(src, &from) == 0 && fstat(dst, &to) == 0 &&
           from.st_dev == to.st_dev && from.st_ino == to.st_ino;
}

static int
checkJob(ReplReader *reader, ReplWriter *writer, const ReplCopyJob *job, const ReplCopyTune *tune,
         GError **err)
{
    if (isSameFile(replReaderFd(reader), replWriterFd(writer))) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A copy needs two different regular files"));
        return -1;
    }
    if (job->size_bytes > G_MAXINT64 || job->start_bytes > job->size_bytes ||
        (job->transform && job->transform->align_bytes > tune->block_bytes / 2)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A copy of %llu bytes cannot start at offset %llu"),
                     (unsigned long long)job->size_bytes, (unsigned long long)job->start_bytes);
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

/* What replCopyRun uses to write to a disk or a link. */
static ReplCopyTune
replCopyTuneDefault(void)
{
    /* Of 0.5, 1 and 2 MiB and 8 to 16 workers: 1 MiB was faster than 2 by 8 %, everything else alike. */
    return (ReplCopyTune){.workers = 8, .block_bytes = 1u << 20};
}

/* The same from memory into memory (tmpfs). There is nothing to wait for but the processors and the one writer that the
 * kernel lets into a file: more threads only get in each other's way (2.9 GiB/s instead of 2.4 with two processors,
 * decrypting 2.8 instead of 2.1). */
static ReplCopyTune
replCopyTuneMemory(void)
{
    ReplCopyTune tune = replCopyTuneDefault();

    tune.workers = MIN(g_get_num_processors() + 1, tune.workers);
    return tune;
}

int
replCopyRunTuned(ReplReader *reader, ReplWriter *writer, const ReplCopyJob *job, const ReplCopyTune *tune,
                 GError **err)
{
    ReplCopyEngine engine = {.job = job, .tune = *tune, .reader = reader, .writer = writer};
    ReplExtentSource sieved = {.next = replSieveNext, .opaque = &engine.sieve};
    gboolean blind = !job->extents && reader->holeBlind;
    guint64 blocks;

    if (checkJob(reader, writer, job, tune, err) < 0 || replWriterResize(writer, job->size_bytes, err) < 0)
        return -1;
    replSieveInit(&engine.sieve, job, reader, writer);
    /* Zeros may only be left out where the target reads as zeros. */
    engine.skipZeros = blind && !job->transform && !job->overwrite;
    engine.reserve = !blind;
    engine.cutter = (ReplCutter){.source = &sieved,
                                 .block_bytes = cutBytes(job, tune),
                                 .start_bytes = job->start_bytes,
                                 .size_bytes = job->size_bytes};
    engine.handedEnd_bytes = job->start_bytes;
    blocks = (job->size_bytes - job->start_bytes) / tune->block_bytes + 1;
    engine.tune.workers = CLAMP(blocks, 1, MIN(tune->workers, REPL_COPY_WORKERS_MAX));
    if (engineRun(&engine, err) < 0)
        return -1;
    return replWriterFlush(writer, TRUE, err);
}

int
replCopyRun(ReplReader *reader, ReplWriter *writer, const ReplCopyJob *job, GError **err)
{
    ReplCopyTune tune = replCopyTuneDefault();

    if (reader->inMemory && writer->inMemory)
        tune = replCopyTuneMemory();
    else if (writer->inTurn)
        tune.workers = REPL_COPY_WORKERS_MAX; /* eight were 8 % slower: a slow read holds up all behind it */
    if (writer->inOrder)
        tune.workers = 1;
    if (job->transform)
        tune.block_bytes = MAX(tune.block_bytes, 2 * job->transform->align_bytes);
    return replCopyRunTuned(reader, writer, job, &tune, err);
}
