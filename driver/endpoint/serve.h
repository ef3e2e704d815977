/*
 * serve.h: answers what another host asks about a source
 *
 * In:    a source (endpoint/source.h) and the questions that come over sessions: DESCRIBE, HOLD, CHECK, RUNS, READ, DIGESTS, KEY,
 *        MAKE.
 * Out:   answers, over the session that asked.
 * Owner: whoever made the ReplServe frees it; the source is borrowed and outlives it. It serves one session
 *        after another: answers to questions of a session that is gone are dropped.
 * Lock:  sourceLock is held while the source itself is asked, which is one thread's business at a time; readers are not
 *        under it. lock guards the list of questions.
 *
 * A few threads read, pack and answer at once. The host that makes the replica has a window that bounds its
 * open questions; a session that asks more than that is cut off.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "peer/session.h"

typedef struct _ReplServe ReplServe;

/* Whether the other host may have a look at a described chain: 0, or -1 with @err set. */
typedef int (*ReplServeMay)(void *opaque, const ReplSourceFacts *facts, GError **err);

/* @may is asked, in a thread of its own, before a description leaves; NULL: everything may. NULL with @err set. */
ReplServe *
replServeNew(ReplSource *source, ReplServeMay may, void *opaque, GError **err);

/* Stops the threads and waits for them: they wait for disks, and for nothing else. */
void
replServeFree(ReplServe *serve);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplServe, replServeFree)

/* Takes a question out of @frame; never waits. Returns 0, or -1 with @err set: the frame is no question, or
 * one too many. */
int
replServeFrame(ReplServe *serve, ReplSession *session, ReplWireFrame *frame, GError **err);

/* @admit is asked before @bytes of a layer are read, and may wait; where it fails the question is not answered. Before any
 * session. */
void
replServeAdmit(ReplServe *serve, int (*admit)(void *opaque, guint64 bytes, GError **err), void *opaque);

/* Holds the source without being asked; 0, or -1 with @err set. */
int
replServeHold(ReplServe *serve, GError **err);

/* The facts of the source as it was described; NULL before replServeHold. */
const ReplSourceFacts *
replServeFacts(ReplServe *serve);
