/*
 * pushlink.c: the sessions of one attempt at a push, and what the other host says of its job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/pushlink.h"

#include "base/error.h"
#include "base/lock.h"
#include "peer/caller.h"
#include "peer/epoch.h"

struct _ReplPushLink {
    gatomicrefcount refs;
    ReplCaller *caller; /* fixed; a reference until replPushLinkStop */

    ReplLock lock; /* guards the rest */
    ReplServe *serve;
    ReplSession *session; /* NULL: none */
    gboolean ever;
    gint64 since_us; /* when the last session went, or the first was tried */
    guint64 words;
    guint64 news; /* counts all that may be waited for */
    ReplWireStatus status;
    GError *why;
    gboolean refused;
    ReplTraffic *traffic; /* NULL: nobody is told */
    char *name;           /* of the other host, for the traffic */
};

static void
replPushLinkUnref(void *opaque)
{
    ReplPushLink *link = opaque;

    if (!g_atomic_ref_count_dec(&link->refs))
        return;
    g_clear_pointer(&link->session, replSessionUnref);
    replWireStatusClear(&link->status);
    g_clear_error(&link->why);
    replTrafficUnref(link->traffic);
    g_free(link->name);
    replLockClear(&link->lock);
    g_free(link);
}

/* With the lock held. */
static void
replPushLinkNews(ReplPushLink *link)
{
    link->news++;
    replLockWake(&link->lock);
}

static void
replPushLinkAttached(void *opaque, ReplSession *session, const ReplWireWelcome *welcome)
{
    ReplPushLink *link = opaque;
    REPL_GUARD(&link->lock);

    (void)welcome;
    g_clear_pointer(&link->session, replSessionUnref);
    link->session = replSessionRef(session);
    if (link->traffic)
        replSessionWatch(session, link->traffic);
    replTrafficGoesOn(link->traffic, link->name);
    link->ever = TRUE;
    g_clear_error(&link->why);
    replPushLinkNews(link);
}

static void
replPushLinkDetached(void *opaque, ReplSession *session, const GError *why)
{
    ReplPushLink *link = opaque;
    REPL_GUARD(&link->lock);

    if (link->session != session)
        return;
    replTrafficWaits(link->traffic, link->name);
    g_clear_pointer(&link->session, replSessionUnref);
    link->since_us = g_get_monotonic_time();
    g_clear_error(&link->why);
    link->why = why ? g_error_copy(why) : NULL;
    replPushLinkNews(link);
}

static void
replPushLinkFailed(ReplPushLink *link, const GError *why, gboolean refused)
{
    REPL_GUARD(&link->lock);

    g_clear_error(&link->why);
    link->why = g_error_copy(why);
    link->refused = link->refused || refused;
    if (!link->session)
        replTrafficWaits(link->traffic, link->name);
    replPushLinkNews(link);
}

static void
replPushLinkAway(void *opaque, const GError *why)
{
    replPushLinkFailed(opaque, why, FALSE);
}

static void
replPushLinkRefused(void *opaque, const GError *why)
{
    replPushLinkFailed(opaque, why, TRUE);
}

static int
replPushLinkFrame(void *opaque, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    ReplPushLink *link = opaque;
    g_auto(ReplWireStatus) status = {0};

    if (frame->type == REPL_WIRE_STATUS && replWireStatusRead(frame->payload, &status, err) < 0)
        return -1;
    REPL_GUARD(&link->lock);
    if (frame->type != REPL_WIRE_STATUS)
        return link->serve ? replServeFrame(link->serve, session, frame, err) : 0;
    replWireStatusClear(&link->status);
    link->status = status;
    status = (ReplWireStatus){0};
    link->words++;
    replPushLinkNews(link);
    return 0;
}

ReplPushLink *
replPushLinkNew(const ReplJobRecord *record, const ReplPeerUri *uri, const char *pool, ReplServe *serve,
                GError **err)
{
    static const ReplCallerOps ops = {replPushLinkAttached, replPushLinkFrame,   replPushLinkDetached,
                                      replPushLinkAway,     replPushLinkRefused, replPushLinkUnref};
    const ReplWireHello hello = {.purpose = REPL_WIRE_PUSH,
                                 .job = record->id,
                                 .hostId = (char *)replEpochHostId(),
                                 .host = (char *)g_get_host_name(),
                                 .request = record->requestXml};
    ReplPushLink *link = g_new0(ReplPushLink, 1);

    g_atomic_ref_count_init(&link->refs);
    replLockInit(&link->lock);
    link->serve = serve;
    link->since_us = g_get_monotonic_time();
    g_atomic_ref_count_inc(&link->refs); /* the caller's */
    link->caller = replCallerNew(uri, pool, record->volume, &hello, &ops, link);
    if (replCallerStart(link->caller, err) == 0)
        return link;
    replPushLinkStop(link);
    return NULL;
}

void
replPushLinkStop(ReplPushLink *link)
{
    ReplCaller *caller;

    {
        REPL_GUARD(&link->lock);
        link->serve = NULL;
        caller = g_steal_pointer(&link->caller);
    }
    replCallerStop(caller);
    replCallerUnref(caller);
    replPushLinkUnref(link);
}

void
replPushLinkWake(ReplPushLink *link)
{
    REPL_GUARD(&link->lock);

    replPushLinkNews(link);
}

void
replPushNewsClear(ReplPushNews *news)
{
    replWireStatusClear(&news->status);
    g_clear_error(&news->why);
}

void
replPushLinkWait(ReplPushLink *link, guint timeout_ms, ReplPushNews *news)
{
    gint64 until = g_get_monotonic_time() + timeout_ms * G_GINT64_CONSTANT(1000);
    guint64 before;
    REPL_GUARD(&link->lock);

    for (before = link->news; link->news == before && g_get_monotonic_time() < until;)
        replLockWaitUntil(&link->lock, until);
    news->attached = link->session != NULL;
    news->ever = link->ever;
    news->away_us = link->session ? 0 : g_get_monotonic_time() - link->since_us;
    news->words = link->words;
    news->refused = link->refused;
    news->why = link->why ? g_error_copy(link->why) : NULL;
    if (link->status.info)
        news->status = (ReplWireStatus){g_strdup(link->status.volume), replJobInfoCopy(link->status.info),
                                        link->status.stable_bytes, link->status.over};
}

gboolean
replPushLinkControl(ReplPushLink *link, ReplWireVerb verb, guint64 value)
{
    g_autoptr(GByteArray) bytes = replWireControlBytes(verb, value);
    g_autoptr(ReplSession) session = NULL;

    {
        REPL_GUARD(&link->lock);
        session = link->session ? replSessionRef(link->session) : NULL;
    }
    return session && replSessionSend(session, REPL_WIRE_CONTROL, 0, bytes, TRUE);
}

void
replPushLinkWatch(ReplPushLink *link, ReplTraffic *traffic, const char *name)
{
    REPL_GUARD(&link->lock);

    link->traffic = replTrafficRef(traffic);
    link->name = g_strdup(name);
    if (link->session)
        replSessionWatch(link->session, traffic);
}
