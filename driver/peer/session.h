/*
 * session.h: frames over a channel, in both directions at once
 *
 * In:    a channel, and what to do with each frame that comes.
 * Out:   frames, queued and sent in order.
 * Owner: reference counted; its two threads hold references. They are never joined, because a thread inside libvirt comes
 *        back when the network says so. The handler is referenced as long as they run.
 * Lock:  one lock guards the queue and the end; it is not held while the handler is called.
 *
 * The receiver always drains the channel and hands each frame to the handler, which must not wait for a disk or for the
 * network: a daemon that finds five messages pending stops reading the whole connection. PING, PONG and BYE are
 * the session's own. A peer that says nothing at all is found by silence: the sender sends a PING when it has had
 * nothing to send for half a second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/traffic.h"
#include "peer/channel.h"
#include "wire/frame.h"

typedef struct _ReplSession ReplSession;

typedef struct {
    /* A frame came; the handler may take its payload (leave NULL). -1 with @err set ends the session. */
    int (*frame)(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err);

    /* The session is over: called once, last, with the reason (NULL: the other end said BYE). */
    void (*ended)(ReplSession *session, const GError *why, void *opaque);

    /* The handler is needed no more. */
    void (*release)(void *opaque);
} ReplSessionOps;

/* Takes @channel over, and @opaque, which is released when the session is gone. */
ReplSession *
replSessionNew(ReplChannel *channel, const ReplSessionOps *ops, void *opaque);

/* Starts the threads. Returns 0, or -1 with @err set. */
int
replSessionStart(ReplSession *session, GError **err);

ReplSession *
replSessionRef(ReplSession *session);

void
replSessionUnref(ReplSession *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplSession, replSessionUnref)

/* Queues a frame; @payload may be NULL; it is referenced, and not written to any more. Waits while much is queued, unless @urgent. DATA
 * is packed when the network is slower than what is given to it. Returns FALSE when the session is over. */
gboolean
replSessionSend(ReplSession *session, ReplWireType type, guint32 id, GByteArray *payload, gboolean urgent);

/* Says BYE when what is queued has been sent, and ends when the other end has closed; after @grace_ms in any case. */
void
replSessionBye(ReplSession *session, guint grace_ms);

/* Ends the session now or, while it is answering a goodbye, as soon as that is said; @why may be NULL. */
void
replSessionEnd(ReplSession *session, const GError *why);

gboolean
replSessionIsOver(ReplSession *session);

/* How long nothing has come. */
gint64
replSessionSilent_us(ReplSession *session);

/* Tells @traffic what goes over the channel in both directions, headers included; also what went so far. */
void
replSessionWatch(ReplSession *session, ReplTraffic *traffic);
