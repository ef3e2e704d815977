/*
 * talk.h: questions to the other host and their answers, over whichever session there is
 *
 * In:    questions, by many threads at once; sessions, which come and go.
 * Out:   answers. A question whose session is lost is not answered: its asker asks again, in the next session.
 * Owner: reference counted; the one who asks and the sessions that are attached hold it.
 * Lock:  one lock guards all of it.
 *
 * A talk lasts as long as the side of a job that asks. Sessions of it have numbers that grow; an asker that has to
 * prepare a session before it asks (peer_source.c) sees by the number that another one has come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/traffic.h"
#include "peer/session.h"

typedef struct _ReplTalk ReplTalk;

/* @peer names the other host in messages. @first_s: how long an asker waits for the first session, @wait_s for those
 * that follow. */
ReplTalk *
replTalkNew(const char *peer, guint first_s, guint wait_s);

ReplTalk *
replTalkRef(ReplTalk *talk);

void
replTalkUnref(ReplTalk *talk);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplTalk, replTalkUnref)

/* Questions go over @session from now on; the session before is ended. */
void
replTalkAttach(ReplTalk *talk, ReplSession *session);

/* @session is over. Returns whether there is none now. */
gboolean
replTalkDetach(ReplTalk *talk, ReplSession *session);

/* A frame with an id came. Returns 0, or -1 with @err set when nobody asked for it. */
int
replTalkAnswer(ReplTalk *talk, ReplSession *session, ReplWireFrame *frame, GError **err);

/* There is no session yet, because of @why: an asker who has waited in vain gets this error. @forGood: none
 * will come, and askers do not wait. */
void
replTalkNote(ReplTalk *talk, const GError *why, gboolean forGood);

/* Askers that wait return at once, and later ones, too, with VIR_ERR_OPERATION_ABORTED. */
void
replTalkCancel(ReplTalk *talk);

/* Askers wait for the first session as long as for those that follow. */
void
replTalkBePatient(ReplTalk *talk);

/* Tells @traffic what sessions carry from here on, and that the other host, by the name @name, is waited for. */
void
replTalkWatch(ReplTalk *talk, ReplTraffic *traffic, const char *name);

/* Takes a cancel back, for another attempt. */
void
replTalkReopen(ReplTalk *talk);

/* Waits for a session; its number, or 0 with @err set: VIR_ERR_OPERATION_ABORTED when the talk was cancelled,
 * VIR_ERR_NO_CONNECT after the time to wait. */
guint64
replTalkWait(ReplTalk *talk, GError **err);

/* A question that was asked. */
typedef struct {
    guint32 id;
    guint64 number; /* of the session */
} ReplAsked;

/* Asks in session @number; @window_bytes of an image will come as the answer (waits until the window has room). 1: asked;
 * 0: that session is not there any more; -1 with @err set: the talk was cancelled. */
int
replTalkAsk(ReplTalk *talk, guint64 number, ReplWireType type, GByteArray *payload, guint window_bytes,
            ReplAsked *asked, GError **err);

/* Waits for the answer. 1: it is in *answer, of type @expected; 0: the session was lost; -1 with @err set: the other host
 * says that it cannot, or answered something else, or the talk was cancelled. Each question needs exactly one
 * call of this. */
int
replTalkHear(ReplTalk *talk, const ReplAsked *asked, ReplWireType expected, ReplWireFrame *answer,
             GError **err);
