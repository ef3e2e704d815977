/*
 * caller.c: keeps a session to another host open, for one job, until it is told to stop
 *
 *     supervisor ──every 2 s without a good session──▶ try: dial, connect, stream, HELLO
 *                                                        │ WELCOME          │ fails, or ERROR
 *                                                        ▼                  ▼
 *                                                    attached           away or refused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/caller.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "peer/channelstream.h"
#include "peer/epoch.h"

#define REPL_CALLER_TICK_us (G_USEC_PER_SEC / 5)
#define REPL_CALLER_AGAIN_us (3 * G_USEC_PER_SEC / 2)
#define REPL_CALLER_SILENT_us (2 * G_USEC_PER_SEC)

/* A session that has been silent for this long counts as lost, even while TCP still tries. */
#define REPL_CALLER_DEAD_us (8 * G_USEC_PER_SEC)

/* A try that has not been greeted for so long is given up, when libvirt lets go of it. */
#define REPL_CALLER_TRY_us (20 * G_USEC_PER_SEC)

/* Tries that hang at once: more only make more threads. */
#define REPL_CALLER_TRIES_MAX 4

struct _ReplCaller {
    gatomicrefcount refs;

    /* fixed */
    ReplPeerUri *uri;
    char *pool;
    char *volume;
    ReplWireHello hello;
    const ReplCallerOps *ops;
    void *opaque;

    ReplLock lock;        /* guards the rest */
    ReplSession *session; /* greeted; NULL: none */
    guint64 epoch;        /* of it */
    guint tries;          /* under way */
    gboolean stop;
};

/* One try, and the session that comes of it. */
typedef struct {
    ReplCaller *caller;
    guint64 epoch;

    ReplLock lock; /* guards these */
    gboolean greeted;
    gboolean counted; /* among the caller's tries */
} ReplTry;

ReplCaller *
replCallerNew(const ReplPeerUri *uri, const char *pool, const char *volume, const ReplWireHello *hello,
              const ReplCallerOps *ops, void *opaque)
{
    ReplCaller *caller = g_new0(ReplCaller, 1);

    g_atomic_ref_count_init(&caller->refs);
    caller->uri = replPeerUriCopy(uri);
    caller->pool = g_strdup(pool);
    caller->volume = g_strdup(volume);
    caller->hello = (ReplWireHello){
        REPL_WIRE_VERSION_MIN,   REPL_WIRE_VERSION_MAX, hello->purpose,          g_strdup(hello->job), 0,
        g_strdup(hello->hostId), g_strdup(hello->host), g_strdup(hello->request)};
    caller->ops = ops;
    caller->opaque = opaque;
    replLockInit(&caller->lock);
    return caller;
}

ReplCaller *
replCallerRef(ReplCaller *caller)
{
    g_atomic_ref_count_inc(&caller->refs);
    return caller;
}

void
replCallerUnref(ReplCaller *caller)
{
    if (!g_atomic_ref_count_dec(&caller->refs))
        return;
    caller->ops->release(caller->opaque);
    g_clear_pointer(&caller->session, replSessionUnref);
    replPeerUriFree(caller->uri);
    g_free(caller->pool);
    g_free(caller->volume);
    replWireHelloClear(&caller->hello);
    replLockClear(&caller->lock);
    g_free(caller);
}

/* --- one try --- */

static void
replTryRelease(void *opaque)
{
    ReplTry *try = opaque;

    replCallerUnref(try->caller);
    replLockClear(&try->lock);
    g_free(try);
}

/* Takes the try off the number of tries under way: it was greeted, or it has failed. */
static void
replTryUncount(ReplTry *try)
{
    {
        REPL_GUARD(&try->lock);
        if (!try->counted)
            return;
        try->counted = FALSE;
    }
    REPL_GUARD(&try->caller->lock);
    try->caller->tries--;
    replLockWake(&try->caller->lock);
}

/* Whether the failure may pass by itself. It may if it is one of the connection, and says nothing about this
 * job. */
static gboolean
replCallerMayPass(const GError *why)
{
    switch (why->code) {
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_INTERNAL_ERROR:
    case VIR_ERR_RPC:
    case VIR_ERR_OPERATION_TIMEOUT:
        return TRUE;
    default:
        return FALSE;
    }
}

static void
replCallerFailed(ReplCaller *caller, const GError *why)
{
    {
        REPL_GUARD(&caller->lock);
        if (caller->stop)
            return;
        caller->stop = !replCallerMayPass(why);
        replLockWake(&caller->lock);
    }
    if (replCallerMayPass(why))
        caller->ops->away(caller->opaque, why);
    else
        caller->ops->refused(caller->opaque, why);
}

/* Whether a newer session was greeted meanwhile. */
static gboolean
replTryIsLate(const ReplTry *try)
{
    REPL_GUARD(&try->caller->lock);

    return try->epoch < try->caller->epoch;
}

static int
replTryWelcome(ReplTry *try, ReplSession *session, const ReplWireFrame *frame, GError **err)
{
    ReplCaller *caller = try->caller;
    g_auto(ReplWireWelcome) welcome = {0};
    g_autoptr(ReplSession) before = NULL;
    g_autoptr(GError) why = NULL;

    if (frame->type == REPL_WIRE_ERROR) {
        replWireErrorRead(frame->payload, &why);
        if (!replTryIsLate(try))
            replCallerFailed(caller, why);
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    if (frame->type != REPL_WIRE_WELCOME) {
        replErrorSet(err, VIR_ERR_RPC, _("Peer '%s' does not greet"), caller->uri->text);
        return -1;
    }
    if (replWireWelcomeRead(frame->payload, &welcome, err) < 0)
        return -1;
    {
        REPL_GUARD(&try->lock);
        try->greeted = TRUE;
    }
    {
        REPL_GUARD(&caller->lock);
        /* A try that hung for long comes too late: the newer one counts. */
        if (caller->stop || try->epoch < caller->epoch) {
            replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("This session is not needed any more"));
            return -1;
        }
        before = g_steal_pointer(&caller->session);
        caller->session = replSessionRef(session);
        caller->epoch = try->epoch;
    }
    replTryUncount(try);
    if (before)
        replSessionEnd(before, NULL);
    caller->ops->attached(caller->opaque, session, &welcome);
    return 0;
}

static gboolean
replTryIsGreeted(ReplTry *try)
{
    REPL_GUARD(&try->lock);

    return try->greeted;
}

static int
replTryFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    ReplTry *try = opaque;

    if (!replTryIsGreeted(try))
        return replTryWelcome(try, session, frame, err);
    return try->caller->ops->frame(try->caller->opaque, session, frame, err);
}

static void
replTryEnded(ReplSession *session, const GError *why, void *opaque)
{
    ReplTry *try = opaque;
    ReplCaller *caller = try->caller;
    g_autoptr(ReplSession) gone = NULL;

    replTryUncount(try);
    if (!replTryIsGreeted(try))
        return;
    {
        REPL_GUARD(&caller->lock);
        if (caller->session == session) {
            gone = g_steal_pointer(&caller->session);
            replLockWake(&caller->lock);
        }
    }
    caller->ops->detached(caller->opaque, session, why);
}

static ReplSession *
replTryOpen(ReplTry *try, GError **err)
{
    static const ReplSessionOps ops = {replTryFrame, replTryEnded, replTryRelease};
    const ReplCaller *caller = try->caller;
    ReplChannel *channel;
    ReplLink *link;

    if (!(link = replLinkOpen(caller->uri, 0, REPL_LINK_DIAL_s, NULL, err)))
        return NULL;
    if (!link->wireVersions) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Peer '%s' has no module for replication"),
                     caller->uri->text);
        replLinkUnref(link);
        return NULL;
    }
    if (!(channel = replChannelOfLink(link, caller->pool, caller->volume, err)))
        return NULL;
    return replSessionNew(channel, &ops, try);
}

static void *
replTryRun(void *opaque)
{
    ReplTry *try = opaque;
    ReplCaller *caller = try->caller;
    g_autoptr(ReplSession) session = NULL;
    g_autoptr(GByteArray) hello = NULL;
    g_autoptr(GError) err = NULL;
    ReplWireHello say = caller->hello;

    if (!(session = replTryOpen(try, &err))) {
        replCallerFailed(caller, err);
        replTryUncount(try);
        replTryRelease(try);
        return NULL;
    }
    say.epoch = try->epoch;
    hello = replWireHelloBytes(&say);
    replSessionSend(session, REPL_WIRE_HELLO, 0, hello, TRUE);
    if (replSessionStart(session, &err) < 0) {
        replCallerFailed(caller, err);
        replTryUncount(try);
        return NULL;
    }
    /* Greeted, or not: no host needs longer than this to say so. */
    for (gint64 until = g_get_monotonic_time() + REPL_CALLER_TRY_us;
         !replTryIsGreeted(try) && !replSessionIsOver(session); g_usleep(REPL_CALLER_TICK_us)) {
        if (g_get_monotonic_time() > until)
            replSessionEnd(session, NULL);
    }
    return NULL;
}

static void
replCallerTry(ReplCaller *caller)
{
    g_autoptr(GError) err = NULL;
    ReplTry *try = g_new0(ReplTry, 1);
    GThread *thread;

    try->caller = replCallerRef(caller);
    try->epoch = replEpochNext();
    try->counted = TRUE;
    replLockInit(&try->lock);
    {
        REPL_GUARD(&caller->lock);
        caller->tries++;
    }
    if ((thread = replThreadNew("repl-call", replTryRun, try, &err))) {
        g_thread_unref(thread);
        return;
    }
    replCallerFailed(caller, err);
    replTryUncount(try);
    replTryRelease(try);
}

/* --- the supervisor --- */

/* Whether another try is due. With the lock held. */
static gboolean
replCallerNeeds(const ReplCaller *caller, gint64 last_us)
{
    if (g_get_monotonic_time() < last_us + REPL_CALLER_AGAIN_us || caller->tries >= REPL_CALLER_TRIES_MAX)
        return FALSE;
    return !caller->session || replSessionSilent_us(caller->session) > REPL_CALLER_SILENT_us;
}

static void
replCallerEndDead(ReplCaller *caller)
{
    g_autoptr(ReplSession) session = NULL;
    g_autoptr(GError) err = NULL;

    {
        REPL_GUARD(&caller->lock);
        session = caller->session ? replSessionRef(caller->session) : NULL;
    }
    if (!session || replSessionSilent_us(session) < REPL_CALLER_DEAD_us)
        return;
    replErrorSet(&err, VIR_ERR_NO_CONNECT, _("Peer '%s' does not answer any more"), caller->uri->text);
    replSessionEnd(session, err);
}

static void *
replCallerRun(void *opaque)
{
    g_autoptr(ReplCaller) caller = opaque;
    gint64 last_us = 0;

    for (;;) {
        gboolean needs;

        replCallerEndDead(caller);
        {
            REPL_GUARD(&caller->lock);
            if (!caller->stop && !replCallerNeeds(caller, last_us))
                replLockWaitUntil(&caller->lock, g_get_monotonic_time() + REPL_CALLER_TICK_us);
            if (caller->stop)
                return NULL;
            needs = replCallerNeeds(caller, last_us);
        }
        if (!needs)
            continue;
        last_us = g_get_monotonic_time();
        replCallerTry(caller);
    }
}

int
replCallerStart(ReplCaller *caller, GError **err)
{
    GThread *thread;

    if (replEpochNext() == 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("No session with another host can be opened: the folder of this host's own jobs is "
                       "not usable"));
        return -1;
    }
    if (!(thread = replThreadNew("repl-caller", replCallerRun, replCallerRef(caller), err))) {
        replCallerUnref(caller);
        return -1;
    }
    g_thread_unref(thread);
    return 0;
}

void
replCallerStop(ReplCaller *caller)
{
    g_autoptr(ReplSession) session = NULL;

    {
        REPL_GUARD(&caller->lock);
        caller->stop = TRUE;
        session = caller->session ? replSessionRef(caller->session) : NULL;
        replLockWake(&caller->lock);
    }
    if (session)
        replSessionBye(session, 10000);
}
