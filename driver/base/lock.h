/*
 * lock.h: the one kind of lock, with the condition that goes with it
 *
 * pthread rather than GMutex and GCond: those are made of bare futexes, which thread checkers (ThreadSanitizer,
 * helgrind) cannot see. For the same reason pthread_once is used rather than g_once. Timed waits are on the monotonic
 * clock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <pthread.h>

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
} ReplLock;

/* For static ones; they need no replLockInit. */
#define REPL_LOCK_INIT                                                                                       \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER                                                  \
    }

/* A lock that is held. */
typedef ReplLock ReplLocked;

static inline void
replLockInit(ReplLock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->cond, NULL);
}

/* One that its thread may take again; only the last drop lets others in. No waits on it. */
static inline void
replLockInitRecursive(ReplLock *lock)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_cond_init(&lock->cond, NULL);
}

static inline void
replLockClear(ReplLock *lock)
{
    pthread_cond_destroy(&lock->cond);
    pthread_mutex_destroy(&lock->mutex);
}

static inline ReplLocked *
replLockTake(ReplLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    return lock;
}

static inline void
replLockDrop(ReplLock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLocked, replLockDrop)

/* Holds @lock until the end of the block. */
#define REPL_GUARD(lock) g_autoptr(ReplLocked) G_PASTE(replGuard, __LINE__) G_GNUC_UNUSED = replLockTake(lock)

/* Lets go of @lock until another thread wakes it, then holds it again. May return earlier, as all waits do. */
static inline void
replLockWait(ReplLock *lock)
{
    pthread_cond_wait(&lock->cond, &lock->mutex);
}

/* The same, but at most until @deadline_us of g_get_monotonic_time(). Returns whether that is still to come. */
static inline gboolean
replLockWaitUntil(ReplLock *lock, gint64 deadline_us)
{
    struct timespec until = {.tv_sec = deadline_us / G_USEC_PER_SEC,
                             .tv_nsec = deadline_us % G_USEC_PER_SEC * 1000};

    return pthread_cond_clockwait(&lock->cond, &lock->mutex, CLOCK_MONOTONIC, &until) == 0;
}

/* Wakes all that wait. */
static inline void
replLockWake(ReplLock *lock)
{
    pthread_cond_broadcast(&lock->cond);
}
