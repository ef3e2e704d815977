/*
 * calledsession.c: one session that another host has opened: its greeting and its end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib-object.h>

#include "peer/epoch.h"
#include "stack/calledpriv.h"

/* Whoever opens a session says HELLO at once. */
#define REPL_CALLED_HELLO_us (10 * G_USEC_PER_SEC)

/* Sessions at once: each has three threads. */
#define REPL_CALLED_MAX 128

static struct {
    ReplLock lock; /* guards these; woken when the count goes down */
    guint count;
    gboolean stop;
    GPtrArray *entered; /* of ReplCalled, not references: their threads are there. NULL: none yet */
} replCalledAll = {.lock = REPL_LOCK_INIT};

gboolean
replCalledCount(void)
{
    REPL_GUARD(&replCalledAll.lock);

    if (replCalledAll.stop || replCalledAll.count >= REPL_CALLED_MAX)
        return FALSE;
    replCalledAll.count++;
    return TRUE;
}

void
replCalledUncount(void)
{
    REPL_GUARD(&replCalledAll.lock);

    replCalledAll.count--;
    replLockWake(&replCalledAll.lock);
}

gboolean
replCalledStopping(void)
{
    REPL_GUARD(&replCalledAll.lock);

    return replCalledAll.stop;
}

ReplCalled *
replCalledRef(ReplCalled *called)
{
    g_atomic_ref_count_inc(&called->refs);
    return called;
}

void
replCalledUnref(ReplCalled *called)
{
    if (!g_atomic_ref_count_dec(&called->refs))
        return;
    g_clear_pointer(&called->region, replRegionFree);
    g_free(called->volume);
    if (called->identity)
        g_object_unref(called->identity);
    g_clear_pointer(&called->hello, g_byte_array_unref);
    replLockClear(&called->lock);
    g_free(called);
    replCalledUncount();
}

/* --- the session's side --- */

static int
replCalledFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    ReplCalled *called = opaque;
    int (*handler)(void *, ReplSession *, ReplWireFrame *, GError **) = NULL;

    {
        REPL_GUARD(&called->lock);
        if (!called->hello && frame->type == REPL_WIRE_HELLO) {
            called->hello = g_steal_pointer(&frame->payload);
            replLockWake(&called->lock);
            return 0;
        }
        handler = called->handler;
    }
    if (handler)
        return handler(called->handlerOpaque, session, frame, err);
    replErrorSet(err, VIR_ERR_RPC, _("The other host talks before it was greeted"));
    return -1;
}

static void
replCalledEnded(ReplSession *session, const GError *why, void *opaque)
{
    ReplCalled *called = opaque;
    REPL_GUARD(&called->lock);

    (void)session;
    called->over = TRUE;
    called->goodbye = why == NULL;
    called->handler = NULL;
    replLockWake(&called->lock);
}

static void
replCalledRelease(void *opaque)
{
    replCalledUnref(opaque);
}

/* --- the thread --- */

GByteArray *
replCalledHello(ReplCalled *called)
{
    gint64 until = g_get_monotonic_time() + REPL_CALLED_HELLO_us;
    REPL_GUARD(&called->lock);

    while (!called->hello && !called->over && g_get_monotonic_time() < until)
        replLockWaitUntil(&called->lock, until);
    return called->hello ? g_byte_array_ref(called->hello) : NULL;
}

gboolean
replCalledWait(ReplCalled *called, guint timeout_ms)
{
    gint64 until = g_get_monotonic_time() + timeout_ms * G_GINT64_CONSTANT(1000);
    REPL_GUARD(&called->lock);

    while (!called->over && g_get_monotonic_time() < until)
        replLockWaitUntil(&called->lock, until);
    return called->over;
}

gboolean
replCalledGoodbye(ReplCalled *called)
{
    REPL_GUARD(&called->lock);

    return called->over && called->goodbye;
}

void
replCalledHandle(ReplCalled *called, int (*handler)(void *, ReplSession *, ReplWireFrame *, GError **),
                 void *opaque)
{
    REPL_GUARD(&called->lock);

    called->handler = called->over ? NULL : handler;
    called->handlerOpaque = opaque;
}

void
replCalledWelcome(ReplCalled *called)
{
    const ReplWireWelcome welcome = {REPL_WIRE_VERSION_MAX, (char *)replEpochHostId(),
                                     (char *)g_get_host_name()};
    g_autoptr(GByteArray) bytes = replWireWelcomeBytes(&welcome);

    replSessionSend(called->session, REPL_WIRE_WELCOME, 0, bytes, TRUE);
}

/* --- the worker's part --- */

ReplCalled *
replCalledNew(virStorageVolPtr vol, int fd)
{
    static const ReplSessionOps ops = {replCalledFrame, replCalledEnded, replCalledRelease};
    ReplCalled *called = g_new0(ReplCalled, 1);

    g_atomic_ref_count_init(&called->refs);
    replLockInit(&called->lock);
    called->volume = g_strdup(virStorageVolGetName(vol));
    called->identity = replVirt.IdentityGetCurrent();
    /* The session, which holds one more reference, frees it last. */
    called->session = replSessionNew(replChannelOfSocket(fd), &ops, replCalledRef(called));
    return called;
}

gboolean
replCalledEnter(ReplCalled *called)
{
    REPL_GUARD(&replCalledAll.lock);

    if (!replCalledAll.entered)
        replCalledAll.entered = g_ptr_array_new();
    g_ptr_array_add(replCalledAll.entered, called);
    return !replCalledAll.stop;
}

void
replCalledLeave(ReplCalled *called)
{
    REPL_GUARD(&replCalledAll.lock);

    g_ptr_array_remove_fast(replCalledAll.entered, called);
}

void
replCalledStopAll(void)
{
    REPL_GUARD(&replCalledAll.lock);

    replCalledAll.stop = TRUE;
    for (guint i = 0; replCalledAll.entered && i < replCalledAll.entered->len; i++)
        replSessionEnd(((ReplCalled *)g_ptr_array_index(replCalledAll.entered, i))->session, NULL);
}

gboolean
replCalledAwaitAll(gint64 timeout_us)
{
    gint64 until = g_get_monotonic_time() + timeout_us;
    REPL_GUARD(&replCalledAll.lock);

    while (replCalledAll.count > 0 && g_get_monotonic_time() < until)
        replLockWaitUntil(&replCalledAll.lock, until);
    return replCalledAll.count == 0;
}
