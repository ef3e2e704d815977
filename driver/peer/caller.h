/*
 * caller.h: keeps a session to another host open, for one job, until it is told to stop
 *
 * In:    where the other host is, and what the session is for.
 * Out:   sessions, one after the other: each is greeted (HELLO, WELCOME) before anyone else sees it.
 * Owner: reference counted; the job's owner stops it. Its threads hold references and are never joined, because opening a
 *        connection takes as long as the network likes.
 * Lock:  one lock guards all but what is fixed; callbacks are made without it.
 *
 * While there is no session a fresh connection is tried at least every 2 s, also while an older try hangs.
 * When a session has been silent for 2 s (each side says something twice a second), another one is started
 * beside it; the session that is greeted last counts, and the other host ends the older ones.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/session.h"
#include "peer/uri.h"
#include "wire/messages.h"

typedef struct _ReplCaller ReplCaller;

typedef struct {
    /* A session was greeted: use it from now on. */
    void (*attached)(void *opaque, ReplSession *session, const ReplWireWelcome *welcome);

    /* A frame of a greeted session, as ReplSessionOps.frame. */
    int (*frame)(void *opaque, ReplSession *session, ReplWireFrame *frame, GError **err);

    /* A greeted session is over. */
    void (*detached)(void *opaque, ReplSession *session, const GError *why);

    /* A try failed in a way that may pass: @why names the URI. */
    void (*away)(void *opaque, const GError *why);

    /* The other host refuses for good (access, no such pool, no common version): nothing is tried any
     * more. */
    void (*refused)(void *opaque, const GError *why);

    /* Nothing of the above comes any more. */
    void (*release)(void *opaque);
} ReplCallerOps;

/* @uri and @hello are copied (the epoch is set for each session). Takes @opaque over. */
ReplCaller *
replCallerNew(const ReplPeerUri *uri, const char *pool, const char *volume, const ReplWireHello *hello,
              const ReplCallerOps *ops, void *opaque);

/* Returns 0, or -1 with @err set. */
int
replCallerStart(ReplCaller *caller, GError **err);

/* Says goodbye and tries nothing any more. Does not wait. */
void
replCallerStop(ReplCaller *caller);

ReplCaller *
replCallerRef(ReplCaller *caller);

void
replCallerUnref(ReplCaller *caller);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCaller, replCallerUnref)
