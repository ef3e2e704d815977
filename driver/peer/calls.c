/*
 * calls.c: calls that may hang, made by threads that are never waited for longer than said
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/calls.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

/* Threads that have nothing to do stay for so long: clients ask for many things in a row. */
#define REPL_CALLS_IDLE_us (10 * G_USEC_PER_SEC)

typedef enum {
    REPL_CALL_STATE_NEW,
    REPL_CALL_STATE_WAITING,
    REPL_CALL_STATE_RUNNING,
    REPL_CALL_STATE_ENDED,
} ReplCallState;

struct _ReplCalls {
    gatomicrefcount refs;
    char *name; /* these two are fixed */
    guint maxThreads;

    ReplLock lock; /* woken when a task comes or ends */

    /* guarded by lock */
    GQueue queue; /* of ReplCallTask, references */
    guint threads;
    guint idle; /* of them */
};

gpointer
replCallTaskNew(gsize size, void (*run)(ReplCallTask *), void (*clear)(ReplCallTask *))
{
    ReplCallTask *task = g_atomic_rc_box_alloc0(size);

    task->run = run;
    task->clear = clear;
    return task;
}

static void
replCallTaskClear(gpointer opaque)
{
    ReplCallTask *task = opaque;

    if (task->clear)
        task->clear(task);
}

void
replCallTaskUnref(ReplCallTask *task)
{
    if (task)
        g_atomic_rc_box_release_full(task, replCallTaskClear);
}

ReplCalls *
replCallsNew(const char *name, guint maxThreads)
{
    ReplCalls *calls = g_new0(ReplCalls, 1);

    g_atomic_ref_count_init(&calls->refs);
    calls->name = g_strdup(name);
    calls->maxThreads = maxThreads;
    replLockInit(&calls->lock);
    g_queue_init(&calls->queue);
    return calls;
}

static ReplCalls *
replCallsRef(ReplCalls *calls)
{
    g_atomic_ref_count_inc(&calls->refs);
    return calls;
}

void
replCallsUnref(ReplCalls *calls)
{
    if (!calls || !g_atomic_ref_count_dec(&calls->refs))
        return;
    g_queue_clear_full(&calls->queue, (GDestroyNotify)replCallTaskUnref);
    replLockClear(&calls->lock);
    g_free(calls->name);
    g_free(calls);
}

static ReplCallTask *
replCallsNext(ReplCalls *calls)
{
    ReplCallTask *task = g_queue_pop_head(&calls->queue);

    if (task)
        task->state = REPL_CALL_STATE_RUNNING;
    return task;
}

/* Waits for the next task; NULL when none came for a while. With the lock held. */
static ReplCallTask *
replCallsAwait(ReplCalls *calls)
{
    gint64 until = g_get_monotonic_time() + REPL_CALLS_IDLE_us;
    ReplCallTask *task;

    calls->idle++;
    while (!(task = replCallsNext(calls)) && g_get_monotonic_time() < until)
        replLockWaitUntil(&calls->lock, until);
    calls->idle--;
    return task;
}

static gpointer
replCallsMain(gpointer opaque)
{
    ReplCalls *calls = opaque;
    ReplCallTask *task;

    replLockTake(&calls->lock);
    while ((task = replCallsAwait(calls))) {
        replLockDrop(&calls->lock);
        task->run(task);
        replLockTake(&calls->lock);
        task->state = REPL_CALL_STATE_ENDED;
        replLockWake(&calls->lock);
        replLockDrop(&calls->lock);
        /* What it holds may take long to free: not under the lock. */
        replCallTaskUnref(task);
        replLockTake(&calls->lock);
    }
    calls->threads--;
    replLockDrop(&calls->lock);
    replCallsUnref(calls);
    return NULL;
}

/* A thread that is never joined. */
static gboolean
replCallsSpawn(const char *name, GThreadFunc func, gpointer opaque, GError **err)
{
    GThread *thread = replThreadNew(name, func, opaque, err);

    if (thread)
        g_thread_unref(thread);
    return thread != NULL;
}

int
replCallsStart(ReplCalls *calls, ReplCallTask *task, GError **err)
{
    g_autoptr(GError) cause = NULL;

    REPL_GUARD(&calls->lock);
    g_queue_push_tail(&calls->queue, g_atomic_rc_box_acquire(task));
    task->state = REPL_CALL_STATE_WAITING;
    if (calls->queue.length > calls->idle && calls->threads < calls->maxThreads) {
        if (replCallsSpawn(calls->name, replCallsMain, replCallsRef(calls), &cause)) {
            calls->threads++;
        } else {
            replCallsUnref(calls); /* never the last reference: the caller has one */
            if (calls->threads == 0) {
                g_queue_remove(&calls->queue, task);
                task->state = REPL_CALL_STATE_NEW;
                g_atomic_rc_box_release(task); /* nor this */
                replErrorSet(err, VIR_ERR_NO_MEMORY, _("There is no thread for a call to another host: %s"),
                             cause->message);
                return -1;
            }
        }
    }
    replLockWake(&calls->lock);
    return 0;
}

ReplCallEnd
replCallsWait(ReplCalls *calls, ReplCallTask *task, gint64 deadline_us, gboolean leave)
{
    REPL_GUARD(&calls->lock);
    while (task->state != REPL_CALL_STATE_ENDED) {
        if (deadline_us == G_MAXINT64) {
            replLockWait(&calls->lock);
        } else if (g_get_monotonic_time() < deadline_us) {
            replLockWaitUntil(&calls->lock, deadline_us);
        } else if (task->state == REPL_CALL_STATE_RUNNING) {
            return REPL_CALL_LEFT;
        } else {
            if (leave && g_queue_remove(&calls->queue, task)) {
                task->state = REPL_CALL_STATE_NEW;
                g_atomic_rc_box_release(task); /* never the last reference: the caller has one */
            }
            return REPL_CALL_QUEUED;
        }
    }
    return REPL_CALL_DONE;
}

typedef struct {
    void (*run)(gpointer opaque);
    gpointer opaque;
} ReplCallsDetached;

static gpointer
replCallsDetachedMain(gpointer opaque)
{
    g_autofree ReplCallsDetached *detached = opaque;

    detached->run(detached->opaque);
    return NULL;
}

gboolean
replCallsDetached(const char *name, void (*run)(gpointer opaque), gpointer opaque)
{
    ReplCallsDetached *detached = g_new(ReplCallsDetached, 1);
    g_autoptr(GError) err = NULL;

    *detached = (ReplCallsDetached){run, opaque};
    if (replCallsSpawn(name, replCallsDetachedMain, detached, &err))
        return TRUE;
    replWarn("There is no thread '%s': %s", name, err->message);
    g_free(detached);
    return FALSE;
}
