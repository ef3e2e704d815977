/*
 * test_base_thread.c: threads that leave signals to the daemon, and the lock that its thread may take twice
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <signal.h>

#include "base/lock.h"
#include "base/thread.h"

static gpointer
seenMask(gpointer opaque)
{
    g_assert_cmpint(pthread_sigmask(SIG_SETMASK, NULL, opaque), ==, 0);
    return NULL;
}

static void
testSignals(void)
{
    sigset_t before, after, seen;

    g_assert_cmpint(pthread_sigmask(SIG_SETMASK, NULL, &before), ==, 0);
    g_thread_join(replThreadNew("repl-test", seenMask, &seen, NULL));
    g_assert_cmpint(pthread_sigmask(SIG_SETMASK, NULL, &after), ==, 0);
    for (int number = 1; number <= SIGRTMAX; number++) {
        gboolean cannot = number == SIGKILL || number == SIGSTOP || (number > SIGSYS && number < SIGRTMIN);

        g_assert_true(cannot || sigismember(&seen, number));
        if (number <= SIGSYS)
            g_assert_cmpint(sigismember(&before, number), ==, sigismember(&after, number));
    }
}

static gpointer
tryLock(gpointer opaque)
{
    ReplLock *lock = opaque;
    int rc = pthread_mutex_trylock(&lock->mutex);

    if (rc == 0)
        replLockDrop(lock);
    return GINT_TO_POINTER(rc);
}

static void
testRecursive(void)
{
    ReplLock lock;

    replLockInitRecursive(&lock);
    replLockTake(&lock);
    replLockTake(&lock);
    replLockDrop(&lock);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(replThreadNew("other", tryLock, &lock, NULL))), ==, EBUSY);
    replLockDrop(&lock);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(replThreadNew("other", tryLock, &lock, NULL))), ==, 0);
    replLockClear(&lock);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/signals", testSignals);
    g_test_add_func("/lock/recursive", testRecursive);
    return g_test_run();
}
