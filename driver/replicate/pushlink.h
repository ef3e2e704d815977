/*
 * pushlink.h: the sessions of one attempt at a push, and what the other host says of its job
 *
 * In:    where the other host is, the request, and the source that is served.
 * Out:   the newest status of the job there.
 * Owner: reference counted: the attempt holds it, and the threads of its sessions, which may outlive the attempt.
 * Lock:  one lock guards all fields that are not fixed. It is held while a question is handed to @serve,
 *        which never waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/serve.h"
#include "peer/uri.h"
#include "store/jobrecord.h"
#include "wire/messages.h"

typedef struct _ReplPushLink ReplPushLink;

/* Starts to call. @pool: as the other host calls it. @serve is borrowed until replPushLinkStop; NULL: this link only tells the
 * other host something. NULL with @err set. */
ReplPushLink *
replPushLinkNew(const ReplJobRecord *record, const ReplPeerUri *uri, const char *pool, ReplServe *serve,
                GError **err);

/* Says goodbye; from here on @serve is not used. Drops the reference. */
void
replPushLinkStop(ReplPushLink *link);

/* Wakes the thread that waits in replPushLinkWait. By any thread. */
void
replPushLinkWake(ReplPushLink *link);

/* How things stand. */
typedef struct {
    gboolean attached;     /* a session is there */
    gboolean ever;         /* there was one */
    gint64 away_us;        /* how long there has been none */
    guint64 words;         /* how often the other host has said something of the job */
    ReplWireStatus status; /* the newest; info NULL: nothing yet */
    GError *why;           /* why there is no session, NULL: not known */
    gboolean refused;      /* there will be none */
} ReplPushNews;

void
replPushNewsClear(ReplPushNews *news);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplPushNews, replPushNewsClear)

/* Waits for something new, at most @timeout_ms. @news is cleared. */
void
replPushLinkWait(ReplPushLink *link, guint timeout_ms, ReplPushNews *news);

/* Tells the other host what its job is to do. FALSE: there is no session. */
gboolean
replPushLinkControl(ReplPushLink *link, ReplWireVerb verb, guint64 value);

/* Tells @traffic what sessions carry from here on, and that the other host, by the name @name, is waited for. */
void
replPushLinkWatch(ReplPushLink *link, ReplTraffic *traffic, const char *name);
