/*
 * calls.h: calls that may hang, made by threads that are never waited for longer than said
 *
 * A call into a peer that is gone blocks inside libvirt for as long as the network likes. So the
 * thread that wants something puts a task into the queue of the peer and waits for it with a
 * deadline; when that passes, the task is left to its thread, which drops it when the call returns.
 * Threads come when they are needed, go when they are idle, block signals and are never joined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplCalls ReplCalls;

/* What both sides may hold when the deadline passes; the part behind it belongs to @run until it is
 * done, to the caller afterwards, and to whoever is last for @clear. Made by replCallTaskNew(). */
typedef struct _ReplCallTask ReplCallTask;
struct _ReplCallTask {
    void (*run)(ReplCallTask *task);
    void (*clear)(ReplCallTask *task); /* frees what the task holds; NULL: nothing */

    ReplCalls *calls; /* set when it is queued; its lock guards these two */
    int state;
};

typedef enum {
    REPL_CALL_DONE,
    REPL_CALL_LEFT,  /* still running when the deadline passed */
    REPL_CALL_QUEUED /* had not begun by then, and never will */
} ReplCallEnd;

/* A zeroed task of @size bytes, which begins with a ReplCallTask. */
gpointer
replCallTaskNew(gsize size, void (*run)(ReplCallTask *), void (*clear)(ReplCallTask *));

void
replCallTaskUnref(ReplCallTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCallTask, replCallTaskUnref)

/* At most @maxThreads threads. */
ReplCalls *
replCallsNew(const char *name, guint maxThreads);

/* The queue goes when its last task has ended. */
void
replCallsUnref(ReplCalls *calls);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCalls, replCallsUnref)

/* Queues @task. 0, or -1 with @err set when there is no thread to run it. */
int
replCallsStart(ReplCalls *calls, ReplCallTask *task, GError **err);

/* Waits until @deadline_us of g_get_monotonic_time() (G_MAXINT64: without an end) for @task to end;
 * with
 * @leave a task that has not begun is taken out of the queue then. */
ReplCallEnd
replCallsWait(ReplCalls *calls, ReplCallTask *task, gint64 deadline_us, gboolean leave);

/* A thread of its own for work that no thread waits for; it frees @opaque. Returns FALSE (logged)
 * when there is none. */
gboolean
replCallsDetached(const char *name, void (*run)(gpointer opaque), gpointer opaque);
