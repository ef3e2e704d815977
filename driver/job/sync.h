/*
 * sync.h: a mutex and the condition that goes with it
 *
 * pthread rather than GMutex and GCond: those are made of bare futexes, which thread checkers
 * (TSan, helgrind) cannot see. Timed waits are on the monotonic clock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <pthread.h>

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
} ReplMonitor;

typedef ReplMonitor ReplLocked;

static inline void
replMonitorInit(ReplMonitor *monitor)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&monitor->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&monitor->cond, &attr);
    pthread_condattr_destroy(&attr);
}

static inline void
replMonitorClear(ReplMonitor *monitor)
{
    pthread_cond_destroy(&monitor->cond);
    pthread_mutex_destroy(&monitor->mutex);
}

static inline ReplLocked *
replMonitorLock(ReplMonitor *monitor)
{
    pthread_mutex_lock(&monitor->mutex);
    return monitor;
}

static inline void
replMonitorUnlock(ReplMonitor *monitor)
{
    pthread_mutex_unlock(&monitor->mutex);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLocked, replMonitorUnlock)

/* Holds @monitor until the end of the block. */
#define REPL_GUARD(monitor)                                                                        \
    g_autoptr(ReplLocked) replGuard G_GNUC_UNUSED = replMonitorLock(monitor)

static inline void
replMonitorWait(ReplMonitor *monitor)
{
    pthread_cond_wait(&monitor->cond, &monitor->mutex);
}

/* At most until @deadline_us of g_get_monotonic_time(); may wake earlier, as all waits. */
static inline void
replMonitorWaitUntil(ReplMonitor *monitor, gint64 deadline_us)
{
    struct timespec until = {.tv_sec = deadline_us / G_USEC_PER_SEC,
                             .tv_nsec = deadline_us % G_USEC_PER_SEC * 1000};

    pthread_cond_timedwait(&monitor->cond, &monitor->mutex, &until);
}

static inline void
replMonitorWake(ReplMonitor *monitor)
{
    pthread_cond_broadcast(&monitor->cond);
}
