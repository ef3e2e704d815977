/*
 * test_peer_calls.c: calls that hang, and who waits for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/lock.h"
#include "peer/calls.h"

/* A gate that tasks hang at until the test opens it. */
typedef struct {
    ReplLock lock;
    gboolean open;
    guint began;
    guint cleared;
} Gate;

typedef struct {
    ReplCallTask task;
    Gate *gate;
    guint result;
} Task;

static void
runTask(ReplCallTask *opaque)
{
    Task *task = (Task *)opaque;

    REPL_GUARD(&task->gate->lock);
    task->gate->began++;
    replLockWake(&task->gate->lock);
    while (!task->gate->open)
        replLockWait(&task->gate->lock);
    task->result = 42;
}

static void
clearTask(ReplCallTask *opaque)
{
    Task *task = (Task *)opaque;

    REPL_GUARD(&task->gate->lock);
    task->gate->cleared++;
    replLockWake(&task->gate->lock);
}

static Task *
newTask(Gate *gate)
{
    Task *task = replCallTaskNew(sizeof(Task), runTask, clearTask);

    task->gate = gate;
    return task;
}

static void
openGate(Gate *gate)
{
    REPL_GUARD(&gate->lock);
    gate->open = TRUE;
    replLockWake(&gate->lock);
}

/* Until @began tasks have begun and @cleared are gone; fails after a minute. */
static void
await(Gate *gate, guint began, guint cleared)
{
    gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    REPL_GUARD(&gate->lock);
    while (gate->began < began || gate->cleared < cleared) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        replLockWaitUntil(&gate->lock, until);
    }
}

static gint64
soon(void)
{
    return g_get_monotonic_time() + 20000;
}

static void
testDone(void)
{
    g_autoptr(ReplCalls) calls = replCallsNew("test", 2);
    Gate gate = {.open = TRUE};
    Task *task;
    guint i;

    replLockInit(&gate.lock);
    for (i = 0; i < 100; i++) {
        task = newTask(&gate);
        g_assert_cmpint(replCallsStart(calls, &task->task, NULL), ==, 0);
        g_assert_cmpint(replCallsWait(calls, &task->task, G_MAXINT64, FALSE), ==, REPL_CALL_DONE);
        g_assert_cmpuint(task->result, ==, 42);
        replCallTaskUnref(&task->task);
    }
    await(&gate, 100, 100);
    replLockClear(&gate.lock);
}

/* A caller leaves at its deadline; the task stays whole until its thread is through with it. */
static void
testLeft(void)
{
    ReplCalls *calls = replCallsNew("test", 1);
    Gate gate = {.open = FALSE};
    Task *hanging = newTask(&gate);
    Task *queued;

    replLockInit(&gate.lock);
    g_assert_cmpint(replCallsStart(calls, &hanging->task, NULL), ==, 0);
    await(&gate, 1, 0);
    g_assert_cmpint(replCallsWait(calls, &hanging->task, soon(), TRUE), ==, REPL_CALL_LEFT);
    queued = newTask(&gate);
    g_assert_cmpint(replCallsStart(calls, &queued->task, NULL), ==, 0);
    g_assert_cmpint(replCallsWait(calls, &queued->task, soon(), FALSE), ==, REPL_CALL_QUEUED);
    g_assert_cmpint(replCallsWait(calls, &queued->task, soon(), TRUE), ==, REPL_CALL_QUEUED);
    replCallTaskUnref(&queued->task);
    await(&gate, 1, 1); /* it was taken out, and never began */
    replCallTaskUnref(&hanging->task);
    replCallsUnref(calls);
    g_assert_cmpuint(gate.cleared, ==, 1);
    openGate(&gate);
    await(&gate, 1, 2);
    g_assert_cmpuint(gate.began, ==, 1);
    replLockClear(&gate.lock);
}

/* As many at a time as there may be threads, and in order. */
static void
testThreads(void)
{
    g_autoptr(ReplCalls) calls = replCallsNew("test", 2);
    Gate gate = {.open = FALSE};
    Task *task[5];
    guint i;

    replLockInit(&gate.lock);
    for (i = 0; i < G_N_ELEMENTS(task); i++) {
        task[i] = newTask(&gate);
        g_assert_cmpint(replCallsStart(calls, &task[i]->task, NULL), ==, 0);
    }
    await(&gate, 2, 0);
    g_assert_cmpint(replCallsWait(calls, &task[4]->task, soon(), FALSE), ==, REPL_CALL_QUEUED);
    g_assert_cmpint(replCallsWait(calls, &task[0]->task, soon(), FALSE), ==, REPL_CALL_LEFT);
    g_assert_cmpuint(gate.began, ==, 2);
    openGate(&gate);
    for (i = 0; i < G_N_ELEMENTS(task); i++) {
        g_assert_cmpint(replCallsWait(calls, &task[i]->task, G_MAXINT64, FALSE), ==, REPL_CALL_DONE);
        replCallTaskUnref(&task[i]->task);
    }
    await(&gate, 5, 5);
    replLockClear(&gate.lock);
}

static void
runDetached(gpointer opaque)
{
    openGate(opaque);
}

static void
testDetached(void)
{
    Gate gate = {.open = FALSE};

    replLockInit(&gate.lock);
    g_assert_true(replCallsDetached("test", runDetached, &gate));
    replLockTake(&gate.lock);
    while (!gate.open)
        replLockWait(&gate.lock);
    replLockDrop(&gate.lock);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer/calls/done", testDone);
    g_test_add_func("/peer/calls/left", testLeft);
    g_test_add_func("/peer/calls/threads", testThreads);
    g_test_add_func("/peer/calls/detached", testDetached);
    return g_test_run();
}
