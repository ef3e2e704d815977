/*
 * session.c: frames over a channel, in both directions at once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/session.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"

/* Whoever sends data waits while this much is queued; answers in flight are bounded by the maker's window anyway. */
#define REPL_SESSION_QUEUE_BYTES (4u << 20)

/* Whether packing pays depends on the link, the processors and the data, and shows in nothing but how fast data go. So the other way
 * is tried for a part now and then, and kept if it is faster; after a try that was none, the next one comes later. */
#define REPL_SESSION_PART_BYTES (8u << 20)
#define REPL_SESSION_TRY_BYTES (16u << 20)
#define REPL_SESSION_TRY_MAX_BYTES (2u << 30)

#define REPL_SESSION_LEVEL 1
#define REPL_SESSION_PING_us (G_USEC_PER_SEC / 2)

/* Of messages that answer no question an honest host sends a few in a second; more than so many in this time are a flood. */
#define REPL_SESSION_UNASKED_MAX 1000
#define REPL_SESSION_UNASKED_us (10 * G_USEC_PER_SEC)

/* The end that says goodbye first closes when it has heard the answer; who does not is cut off after so long. */
#define REPL_SESSION_GRACE_ms 2000

/* Which of two ways data go: packed, or as they are. */
typedef struct {
    gboolean on;            /* packed */
    gboolean trying;        /* this way, for a part */
    guint64 before_rate;    /* when trying: bytes a second the other way */
    guint64 left_bytes;     /* else: until the other way is tried */
    guint64 patience_bytes; /* that next time */
    gint64 since_us;        /* the part began; 0: with the next data */
    guint64 part_bytes;     /* of data in it, unpacked */
} ReplPacking;

struct _ReplSession {
    gatomicrefcount refs;

    /* fixed after creation */
    ReplChannel *channel;
    const ReplSessionOps *ops;
    void *opaque;

    guint unasked; /* these two are the receiver's alone: messages without an id since then */
    gint64 unaskedSince_us;

    ReplLock lock; /* guards the rest */
    GQueue queue;  /* of ReplWirePacket */
    gsize queued_bytes;
    gboolean over;      /* nothing is sent any more */
    gboolean byeing;    /* BYE is the last one in the queue */
    gboolean answering; /* the other end has said BYE, and ours is on its way: it ends by itself, soon */
    GError *why;
    ReplPacking packing;
    gint64 heard_us;      /* when something came last */
    ReplTraffic *traffic; /* NULL: nobody is told yet */
    guint64 untold_bytes;
};

ReplSession *
replSessionNew(ReplChannel *channel, const ReplSessionOps *ops, void *opaque)
{
    ReplSession *session = g_new0(ReplSession, 1);

    g_atomic_ref_count_init(&session->refs);
    session->channel = channel;
    session->ops = ops;
    session->opaque = opaque;
    replLockInit(&session->lock);
    g_queue_init(&session->queue);
    session->heard_us = g_get_monotonic_time();
    return session;
}

ReplSession *
replSessionRef(ReplSession *session)
{
    g_atomic_ref_count_inc(&session->refs);
    return session;
}

void
replSessionUnref(ReplSession *session)
{
    if (!g_atomic_ref_count_dec(&session->refs))
        return;
    session->ops->release(session->opaque);
    replChannelFree(session->channel);
    g_queue_clear_full(&session->queue, (GDestroyNotify)replWirePacketFree);
    g_clear_error(&session->why);
    replTrafficUnref(session->traffic);
    replLockClear(&session->lock);
    g_free(session);
}

/* @atOnce: also one that is about to say its goodbye. */
static void
replSessionCut(ReplSession *session, const GError *why, gboolean atOnce)
{
    {
        REPL_GUARD(&session->lock);
        if (session->over || (session->answering && !atOnce))
            return;
        session->over = TRUE;
        session->why = why ? g_error_copy(why) : NULL;
        replLockWake(&session->lock);
    }
    session->channel->ops->abort(session->channel);
}

void
replSessionEnd(ReplSession *session, const GError *why)
{
    replSessionCut(session, why, FALSE);
}

gboolean
replSessionIsOver(ReplSession *session)
{
    REPL_GUARD(&session->lock);

    return session->over || session->answering;
}

gint64
replSessionSilent_us(ReplSession *session)
{
    REPL_GUARD(&session->lock);

    return g_get_monotonic_time() - session->heard_us;
}

/* With the lock held. */
static void
replSessionCarry(ReplSession *session, gsize bytes)
{
    if (session->traffic)
        replTrafficAdd(session->traffic, bytes);
    else
        session->untold_bytes += bytes;
}

void
replSessionWatch(ReplSession *session, ReplTraffic *traffic)
{
    REPL_GUARD(&session->lock);

    replTrafficUnref(session->traffic);
    session->traffic = replTrafficRef(traffic);
    replTrafficAdd(traffic, session->untold_bytes);
    session->untold_bytes = 0;
}

/* --- sending --- */

/* With the lock held. */
static void
replSessionPush(ReplSession *session, ReplWirePacket *packet)
{
    session->queued_bytes += replWirePacketBytes(packet);
    g_queue_push_tail(&session->queue, packet);
    replLockWake(&session->lock);
}

/* A part is over, which went at @rate. */
static void
replPackingJudge(ReplPacking *packing, guint64 rate)
{
    packing->left_bytes -= MIN(packing->left_bytes, packing->part_bytes);
    if (packing->trying && rate < packing->before_rate + packing->before_rate / 16) {
        packing->on = !packing->on;
        packing->patience_bytes = MIN(packing->patience_bytes * 2, REPL_SESSION_TRY_MAX_BYTES);
    } else if (packing->trying) {
        packing->patience_bytes = REPL_SESSION_TRY_BYTES;
    } else if (packing->left_bytes == 0) {
        packing->on = !packing->on;
        packing->before_rate = rate;
        packing->trying = TRUE;
        return;
    }
    if (packing->trying)
        packing->left_bytes = packing->patience_bytes;
    packing->trying = FALSE;
}

/* Whether the next @bytes of data are packed. With the lock held. */
static gboolean
replPackingNext(ReplPacking *packing, gsize bytes)
{
    gint64 now = g_get_monotonic_time();

    if (packing->since_us == 0) {
        packing->since_us = now;
        packing->patience_bytes = packing->left_bytes = REPL_SESSION_TRY_BYTES;
    }
    packing->part_bytes += bytes;
    if (packing->part_bytes >= REPL_SESSION_PART_BYTES) {
        replPackingJudge(packing,
                         packing->part_bytes * G_USEC_PER_SEC / (guint64)MAX(now - packing->since_us, 1));
        packing->since_us = now;
        packing->part_bytes = 0;
    }
    return packing->on;
}

gboolean
replSessionSend(ReplSession *session, ReplWireType type, guint32 id, GByteArray *payload, gboolean urgent)
{
    g_autoptr(ReplWirePacket) packet = NULL;
    gboolean pack;

    {
        REPL_GUARD(&session->lock);
        while (!urgent && !session->over && session->queued_bytes >= REPL_SESSION_QUEUE_BYTES)
            replLockWait(&session->lock);
        if (session->over || session->byeing)
            return FALSE;
        pack = type == REPL_WIRE_DATA && replPackingNext(&session->packing, payload->len);
    }
    packet = replWirePacketNew(type, id, payload, pack ? REPL_SESSION_LEVEL : 0);
    REPL_GUARD(&session->lock);
    if (session->over || session->byeing)
        return FALSE;
    replSessionPush(session, g_steal_pointer(&packet));
    return TRUE;
}

/* The next frame to send, a PING when there has been none for a while; NULL at the end. */
static ReplWirePacket *
replSessionNext(ReplSession *session)
{
    gint64 until = g_get_monotonic_time() + REPL_SESSION_PING_us;

    REPL_GUARD(&session->lock);
    while (!session->over && !session->byeing && g_queue_is_empty(&session->queue)) {
        if (!replLockWaitUntil(&session->lock, until) && g_get_monotonic_time() >= until)
            break;
    }
    if (session->over)
        return NULL;
    if (g_queue_is_empty(&session->queue))
        return session->byeing ? NULL : replWirePacketNew(REPL_WIRE_PING, 0, NULL, 0);
    return g_queue_pop_head(&session->queue);
}

static void
replSessionNoteSent(ReplSession *session, gsize length)
{
    REPL_GUARD(&session->lock);

    replSessionCarry(session, length);
    session->queued_bytes -= MIN(length, session->queued_bytes);
    replLockWake(&session->lock);
}

static gboolean
replSessionIsAnswering(ReplSession *session)
{
    REPL_GUARD(&session->lock);

    return session->answering;
}

static void *
replSessionSender(void *opaque)
{
    g_autoptr(ReplSession) session = opaque;
    ReplWirePacket *next;

    while ((next = replSessionNext(session))) {
        g_autoptr(ReplWirePacket) packet = next;
        g_autoptr(GError) err = NULL;

        if (session->channel->ops->send(session->channel, packet, &err) < 0) {
            replSessionCut(session, err, TRUE);
            break;
        }
        replSessionNoteSent(session, replWirePacketBytes(packet));
    }
    if (replSessionIsAnswering(session))
        session->channel->ops->finish(session->channel);
    return NULL;
}

/* --- receiving --- */

static gboolean
replSessionIsFull(ReplSession *session)
{
    REPL_GUARD(&session->lock);

    return session->queued_bytes >= REPL_SESSION_QUEUE_BYTES;
}

/* Returns -1 with @err set when the other host sends without end what it was not asked for. */
static int
replSessionCountUnasked(ReplSession *session, GError **err)
{
    gint64 now_us = g_get_monotonic_time();

    if (now_us > session->unaskedSince_us + REPL_SESSION_UNASKED_us) {
        session->unaskedSince_us = now_us;
        session->unasked = 0;
    }
    if (++session->unasked <= REPL_SESSION_UNASKED_MAX)
        return 0;
    replErrorSet(err, VIR_ERR_RPC, _("The other host sends without end what it was not asked for"));
    return -1;
}

static int
replSessionHandle(ReplSession *session, ReplWireFrame *frame, gboolean *bye, GError **err)
{
    if (frame->id == 0 && replSessionCountUnasked(session, err) < 0)
        return -1;
    switch ((guint)frame->type) {
    case REPL_WIRE_PING:
        /* No answer to a host that sends PINGs without end and does not read. */
        if (!replSessionIsFull(session))
            replSessionSend(session, REPL_WIRE_PONG, 0, NULL, TRUE);
        return 0;
    case REPL_WIRE_PONG:
        return 0;
    case REPL_WIRE_BYE:
        *bye = TRUE;
        return 0;
    default:
        return session->ops->frame(session, frame, session->opaque, err);
    }
}

/* Receives what makes up one frame. 1 with it handled, 0 at the end, -1 with @err set. */
static int
replSessionReceiveFrame(ReplSession *session, ReplWireInput *input, GError **err)
{
    for (;;) {
        g_auto(ReplWireFrame) frame = {0};
        gboolean bye = FALSE;
        gsize room;
        guint8 *to = replWireInputRoom(input, &room);
        gssize got = session->channel->ops->receive(session->channel, to, room, err);
        int rc;

        if (got < 0)
            return -1;
        if (got == 0) {
            replErrorSet(err, VIR_ERR_NO_CONNECT,
                         _("The other host has closed the session without a goodbye"));
            return -1;
        }
        {
            REPL_GUARD(&session->lock);
            session->heard_us = g_get_monotonic_time();
            replSessionCarry(session, got);
        }
        if ((rc = replWireInputTake(input, got, &frame, err)) < 0)
            return -1;
        if (rc > 0)
            return replSessionHandle(session, &frame, &bye, err) < 0 ? -1 : bye ? 0 : 1;
    }
}

/* --- the end --- */

typedef struct {
    ReplSession *session;
    guint grace_ms;
} ReplSessionGrace;

/* Waits for the receiver to see the end. */
static void *
replSessionWatchEnd(void *opaque)
{
    g_autofree ReplSessionGrace *grace = opaque;
    g_autoptr(ReplSession) session = grace->session;
    gint64 until = g_get_monotonic_time() + grace->grace_ms * G_GINT64_CONSTANT(1000);

    {
        REPL_GUARD(&session->lock);
        while (!session->over && g_get_monotonic_time() < until)
            replLockWaitUntil(&session->lock, until);
    }
    replSessionCut(session, NULL, TRUE);
    return NULL;
}

/* The session is over after @grace_ms at the latest. */
static void
replSessionEndWithin(ReplSession *session, guint grace_ms)
{
    ReplSessionGrace *grace = g_new0(ReplSessionGrace, 1);
    GThread *thread;

    *grace = (ReplSessionGrace){replSessionRef(session), grace_ms};
    if ((thread = replThreadNew("repl-bye", replSessionWatchEnd, grace, NULL))) {
        g_thread_unref(thread);
        return;
    }
    replSessionUnref(session);
    g_free(grace);
    replSessionCut(session, NULL, TRUE);
}

/* --- receiving, to the end --- */

/* Answers the other end's goodbye, so that it does not take the end for a loss. Returns whether this end has
 * said goodbye before; if not, queues it for the sender. */
static gboolean
replSessionAnswerBye(ReplSession *session)
{
    gboolean said;
    REPL_GUARD(&session->lock);

    said = session->byeing || session->over;
    if (said)
        return TRUE;
    replSessionPush(session, replWirePacketNew(REPL_WIRE_BYE, 0, NULL, 0));
    session->byeing = TRUE;
    session->answering = TRUE;
    return FALSE;
}

/* Waits until the other end has read our goodbye and closes. If this end cut the channel before, libvirt
 * would drop what it has not yet sent. */
static void
replSessionLinger(ReplSession *session)
{
    guint8 rest[512];

    replSessionEndWithin(session, REPL_SESSION_GRACE_ms);
    while (session->channel->ops->receive(session->channel, rest, sizeof(rest), NULL) > 0)
        continue;
    replSessionCut(session, NULL, TRUE);
}

static void *
replSessionReceiver(void *opaque)
{
    g_autoptr(ReplSession) session = opaque;
    g_auto(ReplWireInput) input = {0};
    g_autoptr(GError) err = NULL;
    gboolean lingers;
    int rc = 1;

    while (rc > 0 && !replSessionIsOver(session))
        rc = replSessionReceiveFrame(session, &input, &err);
    lingers = rc == 0 && !replSessionAnswerBye(session);
    if (!lingers)
        replSessionCut(session, err, TRUE);
    session->ops->ended(session, lingers ? NULL : session->why, session->opaque);
    if (lingers)
        replSessionLinger(session);
    return NULL;
}

int
replSessionStart(ReplSession *session, GError **err)
{
    GThread *thread = replThreadNew("repl-receive", replSessionReceiver, replSessionRef(session), err);

    if (!thread) {
        replSessionUnref(session);
        return -1;
    }
    g_thread_unref(thread);
    if ((thread = replThreadNew("repl-send", replSessionSender, replSessionRef(session), err))) {
        g_thread_unref(thread);
        return 0;
    }
    replSessionUnref(session);
    replSessionEnd(session, err ? *err : NULL);
    return -1;
}

void
replSessionBye(ReplSession *session, guint grace_ms)
{
    {
        REPL_GUARD(&session->lock);
        if (session->over || session->byeing)
            return;
        replSessionPush(session, replWirePacketNew(REPL_WIRE_BYE, 0, NULL, 0));
        session->byeing = TRUE;
    }
    replSessionEndWithin(session, grace_ms);
}
