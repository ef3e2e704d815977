/*
 * basiscrew.c: threads that copy blocks from volumes that are here already
 *
 * A block costs a digest, a read and a write: one thread alone would be slower than a fast link.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/basiscrew.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"

#define REPL_BASIS_THREADS 4u

/* Runs that wait: of 32 MiB, if they are whole ones. */
#define REPL_BASIS_WAITING 32u

struct _ReplBasisCrew {
    /* fixed */
    ReplWriter *inner;
    ReplReader *source;
    GThread *threads[REPL_BASIS_THREADS];

    ReplLock lock; /* guards the rest; woken when any of it changes */
    GQueue runs;   /* of ReplBasisRun */
    guint busy;    /* threads */
    gboolean stop; /* no run is begun any more */
    GError *error; /* of the first run that failed */
};

static gboolean
replBasisRunIsRight(const ReplBasisRun *run, const guint8 *block, guint number, gsize length)
{
    guint8 now[REPL_SUM_BYTES];

    replSumBlock(block, length, now);
    return memcmp(now, run->sums[number], sizeof(now)) == 0;
}

/* Reads what of block @block of the run belongs to it from the source, into @buf, which begins with the run's first
 * block. */
static int
replBasisCrewFetch(ReplBasisCrew *crew, const ReplBasisRun *run, guint64 start, guint number, guint8 *buf,
                   GError **err)
{
    guint64 block = start + (guint64)number * REPL_SUM_BLOCK_BYTES;
    guint64 from = MAX(block, run->from_bytes);
    guint64 end = MIN(block + REPL_SUM_BLOCK_BYTES, run->from_bytes + run->length_bytes);

    return replReaderRead(crew->source, buf + (from - start), end - from,
                          run->to_bytes + (from - run->from_bytes), err);
}

/* Carries one run. @buf: room for its blocks. */
static int
replBasisCrewCarry(ReplBasisCrew *crew, const ReplBasisRun *run, guint8 *buf, GError **err)
{
    guint64 start = run->from_bytes - run->from_bytes % REPL_SUM_BLOCK_BYTES;
    guint64 end = run->from_bytes + run->length_bytes;
    guint64 there = MIN((end + REPL_SUM_BLOCK_BYTES - 1) / REPL_SUM_BLOCK_BYTES * REPL_SUM_BLOCK_BYTES,
                        run->file->size_bytes);
    gboolean got = there >= end && replReaderRead(run->file->reader, buf, there - start, start, NULL) == 0;

    for (guint i = 0; start + (guint64)i * REPL_SUM_BLOCK_BYTES < end; i++) {
        gsize at = (gsize)i * REPL_SUM_BLOCK_BYTES;

        if (got && replBasisRunIsRight(run, buf + at, i, MIN(REPL_SUM_BLOCK_BYTES, there - start - at)))
            continue;
        if (replBasisCrewFetch(crew, run, start, i, buf, err) < 0)
            return -1;
    }
    return replWriterWrite(crew->inner, buf + (run->from_bytes - start), run->length_bytes, run->to_bytes,
                           err);
}

static ReplBasisRun *
replBasisCrewNext(ReplBasisCrew *crew)
{
    ReplBasisRun *run;
    REPL_GUARD(&crew->lock);

    while (!crew->stop && g_queue_is_empty(&crew->runs))
        replLockWait(&crew->lock);
    if (crew->stop)
        return NULL;
    run = g_queue_pop_head(&crew->runs);
    crew->busy++;
    replLockWake(&crew->lock);
    return run;
}

static void
replBasisCrewDone(ReplBasisCrew *crew, GError *error)
{
    REPL_GUARD(&crew->lock);

    crew->busy--;
    if (error && !crew->error) {
        crew->error = error;
        crew->stop = TRUE;
    } else {
        g_clear_error(&error);
    }
    replLockWake(&crew->lock);
}

static gpointer
replBasisCrewThread(gpointer opaque)
{
    ReplBasisCrew *crew = opaque;
    g_autofree guint8 *room =
        g_malloc(REPL_BASIS_RUN_BYTES + REPL_SUM_BLOCK_BYTES + 2 * REPL_READER_SLACK_BYTES);
    guint8 *buf =
        (guint8 *)(((guintptr)room + REPL_READER_SLACK_BYTES - 1) & ~(guintptr)(REPL_READER_SLACK_BYTES - 1));
    ReplBasisRun *next;

    while ((next = replBasisCrewNext(crew))) {
        g_autofree ReplBasisRun *run = next;
        GError *error = NULL;

        replBasisCrewCarry(crew, run, buf, &error);
        replBasisCrewDone(crew, error);
    }
    return NULL;
}

/* Why nothing is taken any more: -1 with @err set; 0: it is. With the lock held. */
static int
replBasisCrewCheck(const ReplBasisCrew *crew, GError **err)
{
    if (crew->error)
        g_propagate_error(err, g_error_copy(crew->error));
    else if (crew->stop)
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("The replication was cancelled"));
    return crew->stop ? -1 : 0;
}

int
replBasisCrewTake(ReplBasisCrew *crew, ReplBasisRun *run, GError **err)
{
    REPL_GUARD(&crew->lock);

    while (!crew->stop && crew->runs.length >= REPL_BASIS_WAITING)
        replLockWait(&crew->lock);
    if (replBasisCrewCheck(crew, err) < 0) {
        g_free(run);
        return -1;
    }
    g_queue_push_tail(&crew->runs, run);
    replLockWake(&crew->lock);
    return 0;
}

int
replBasisCrewDrain(ReplBasisCrew *crew, GError **err)
{
    REPL_GUARD(&crew->lock);

    while (!crew->stop && (crew->busy > 0 || !g_queue_is_empty(&crew->runs)))
        replLockWait(&crew->lock);
    return replBasisCrewCheck(crew, err);
}

static void
replBasisCrewStop(ReplBasisCrew *crew)
{
    REPL_GUARD(&crew->lock);

    crew->stop = TRUE;
    replLockWake(&crew->lock);
}

void
replBasisCrewCancel(ReplBasisCrew *crew)
{
    replBasisCrewStop(crew);
    replReaderCancel(crew->source);
}

void
replBasisCrewFree(ReplBasisCrew *crew)
{
    if (!crew)
        return;
    replBasisCrewStop(crew);
    for (guint i = 0; i < REPL_BASIS_THREADS; i++)
        g_clear_pointer(&crew->threads[i], g_thread_join);
    g_queue_clear_full(&crew->runs, g_free);
    g_clear_error(&crew->error);
    replReaderFree(crew->source);
    replLockClear(&crew->lock);
    g_free(crew);
}

ReplBasisCrew *
replBasisCrewNew(ReplWriter *inner, ReplReader *source, GError **err)
{
    g_autoptr(ReplBasisCrew) crew = g_new0(ReplBasisCrew, 1);

    crew->inner = inner;
    crew->source = source;
    replLockInit(&crew->lock);
    g_queue_init(&crew->runs);
    for (guint i = 0; i < REPL_BASIS_THREADS; i++) {
        if (!(crew->threads[i] = replThreadNew("repl-basis", replBasisCrewThread, crew, i == 0 ? err : NULL)))
            break;
    }
    return crew->threads[0] ? g_steal_pointer(&crew) : NULL;
}
