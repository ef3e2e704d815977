/*
 * minder.c: a thread that looks at something again and again, for as long as another one is in a call that may hang
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/minder.h"

#include "base/lock.h"
#include "peer/calls.h"

struct _ReplMinder {
    gatomicrefcount refs; /* of the thread that started it, and its own */

    guint tick_ms; /* fixed */
    gboolean (*look)(gpointer opaque, gint64 since_us);
    gpointer opaque;

    ReplLock lock;    /* guards the rest, and is held in look() */
    gboolean stopped; /* opaque is not the minder's any more */
};

static void
replMinderUnref(ReplMinder *minder)
{
    if (!g_atomic_ref_count_dec(&minder->refs))
        return;
    replLockClear(&minder->lock);
    g_free(minder);
}

static void
replMinderMain(gpointer opaque)
{
    ReplMinder *minder = opaque;
    gint64 began_us = g_get_monotonic_time();
    gint64 next_us = began_us;

    replLockTake(&minder->lock);
    while (!minder->stopped) {
        next_us += minder->tick_ms * G_GINT64_CONSTANT(1000);
        while (!minder->stopped && g_get_monotonic_time() < next_us)
            replLockWaitUntil(&minder->lock, next_us);
        if (!minder->stopped && !minder->look(minder->opaque, g_get_monotonic_time() - began_us))
            break;
    }
    replLockDrop(&minder->lock);
    replMinderUnref(minder);
}

ReplMinder *
replMinderStart(guint tick_ms, gboolean (*look)(gpointer opaque, gint64 since_us), gpointer opaque)
{
    ReplMinder *minder = g_new0(ReplMinder, 1);

    g_atomic_ref_count_init(&minder->refs);
    g_atomic_ref_count_inc(&minder->refs);
    minder->tick_ms = tick_ms;
    minder->look = look;
    minder->opaque = opaque;
    replLockInit(&minder->lock);
    if (replCallsDetached("repl-minder", replMinderMain, minder))
        return minder;
    replMinderUnref(minder);
    replMinderUnref(minder);
    return NULL;
}

void
replMinderStop(ReplMinder *minder)
{
    if (!minder)
        return;
    replLockTake(&minder->lock);
    minder->stopped = TRUE;
    replLockWake(&minder->lock);
    replLockDrop(&minder->lock);
    replMinderUnref(minder);
}
