/*
 * workers.c: threads on demand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/workers.h"

#include "base/log.h"
#include "base/lock.h"
#include "base/thread.h"

struct _ReplWorkers {
    ReplLock monitor; /* woken when a thread is at its end */

    /* guarded by monitor */
    guint busy;      /* threads that are not at their end */
    GPtrArray *done; /* of GThread that are, to be joined */
};

typedef struct {
    ReplWorkers *workers;
    ReplWork work;
    void *opaque;
} ReplWorker;

ReplWorkers *
replWorkersNew(void)
{
    ReplWorkers *workers = g_new0(ReplWorkers, 1);

    replLockInit(&workers->monitor);
    workers->done = g_ptr_array_new();
    return workers;
}

void
replWorkersFree(ReplWorkers *workers)
{
    if (!workers)
        return;
    g_ptr_array_unref(workers->done);
    replLockClear(&workers->monitor);
    g_free(workers);
}

static void
replWorkersReap(ReplWorkers *workers)
{
    g_autoptr(GPtrArray) done = NULL;
    guint i;

    replLockTake(&workers->monitor);
    done = workers->done;
    workers->done = g_ptr_array_new();
    replLockDrop(&workers->monitor);
    for (i = 0; i < done->len; i++)
        g_thread_join(g_ptr_array_index(done, i));
}

static gpointer
replWorkerMain(gpointer opaque)
{
    g_autofree ReplWorker *worker = opaque;
    ReplWorkers *workers = worker->workers;

    worker->work(worker->opaque);
    replWorkersReap(workers);

    REPL_GUARD(&workers->monitor);
    g_ptr_array_add(workers->done, g_thread_self());
    workers->busy--;
    replLockWake(&workers->monitor);
    return NULL;
}

gboolean
replWorkersRun(ReplWorkers *workers, const char *name, ReplWork work, void *opaque)
{
    g_autoptr(GError) err = NULL;
    ReplWorker *worker = g_new0(ReplWorker, 1);
    GThread *thread;

    REPL_GUARD(&workers->monitor);
    *worker = (ReplWorker){workers, work, opaque};
    thread = replThreadNew(name, replWorkerMain, worker, &err);
    if (!thread) {
        replWarn("%s", err->message);
        g_free(worker);
        return FALSE;
    }
    workers->busy++; /* the thread hands itself over to workers->done */
    return TRUE;
}

void
replWorkersJoin(ReplWorkers *workers)
{
    replLockTake(&workers->monitor);
    while (workers->busy > 0)
        replLockWait(&workers->monitor);
    replLockDrop(&workers->monitor);
    replWorkersReap(workers);
}
