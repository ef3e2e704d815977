/*
 * call.c: one call into a peer, from a thread of the daemon that must not hang
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/call.h"

#include "base/error.h"

/* A call that took no longer than this has not held up other calls. */
#define REPL_PEER_GRACE_us (G_USEC_PER_SEC / 2)

/* How long a list of pools waits for the peer of each pool. */
#define REPL_PEER_BRIEF_us G_USEC_PER_SEC

/* Quick calls that may be late at once: libvirtd has five priority workers, and they must not all wait. */
#define REPL_PEER_LATE_MAX 2

/* How long a slow call is still waited for while its peer is not connected. */
#define REPL_PEER_LAST_us (5 * G_USEC_PER_SEC)

/* How often a slow call looks whether the daemon stops. */
#define REPL_PEER_SLICE_us (G_USEC_PER_SEC / 5)

static gint replPeerCallsMax = 5; /* these three: atomic */
static gint replPeerCallsAll;
static gint replPeerCallsLate;

void
replPeerCallsSetMax(guint max)
{
    g_atomic_int_set(&replPeerCallsMax, (gint)max);
}

static gboolean
replPeerTakePermit(gint *count, gint max)
{
    if (g_atomic_int_add(count, 1) < max)
        return TRUE;
    g_atomic_int_add(count, -1);
    return FALSE;
}

/* The permits that a waiting call holds. */
typedef struct {
    gboolean all;
    gboolean late;
} ReplPeerPermits;

static void
replPeerPermitsClear(ReplPeerPermits *permits)
{
    if (permits->all)
        g_atomic_int_add(&replPeerCallsAll, -1);
    if (permits->late)
        g_atomic_int_add(&replPeerCallsLate, -1);
    *permits = (ReplPeerPermits){FALSE, FALSE};
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplPeerPermits, replPeerPermitsClear)

static int
replPeerPermitsTake(ReplPeerPermits *permits, gboolean slow, const char *uri, GError **err)
{
    if (permits->all)
        return 0;
    permits->all = replPeerTakePermit(&replPeerCallsAll, g_atomic_int_get(&replPeerCallsMax));
    permits->late = permits->all && !slow && replPeerTakePermit(&replPeerCallsLate, REPL_PEER_LATE_MAX);
    if (permits->all && (slow || permits->late))
        return 0;
    replPeerPermitsClear(permits);
    replErrorSet(err, VIR_ERR_NO_CONNECT,
                 _("peer '%s': it is slow to answer, and as many calls wait for peers already as may "
                   "(max_peer_waiting in "
                   "storage-replication.conf): please try again"),
                 uri);
    return -1;
}

/* Gives a slow call a connection of its own, since on the shared one it would keep quick calls waiting. */
static int
replPeerOwnLink(ReplPeerCall *call, GError **err)
{
    ReplLink *own = replLinkOpen(replPeerUri(call->peer), 0, REPL_LINK_DIAL_s, NULL, err);

    if (!own)
        return -1;
    replLinkUnref(call->link);
    call->link = own;
    g_atomic_pointer_set(&call->own, own);
    if (g_atomic_int_get(&call->left))
        replLinkCut(own);
    return 0;
}

/* No thread waits for @call any more: it returns, unless it does so by itself. */
static void
replPeerCallLeave(ReplPeerCall *call)
{
    ReplLink *own;

    g_atomic_int_set(&call->left, TRUE);
    if ((own = g_atomic_pointer_get(&call->own)))
        replLinkCut(own);
}

static void
replPeerCallTask(ReplCallTask *task)
{
    ReplPeerCall *call = (ReplPeerCall *)task;

    call->ret = call->slow && replPeerOwnLink(call, &call->err) < 0 ? -1 : call->run(call, &call->err);
}

static void
replPeerCallClear(ReplCallTask *task)
{
    ReplPeerCall *call = (ReplPeerCall *)task;

    if (call->clear)
        call->clear(call);
    g_clear_error(&call->err);
    g_clear_pointer(&call->link, replLinkUnref);
    g_clear_pointer(&call->peer, replPeerUnref);
}

gpointer
replPeerCallNew(gsize size, int (*run)(ReplPeerCall *, GError **), void (*clear)(ReplPeerCall *))
{
    ReplPeerCall *call = replCallTaskNew(size, replPeerCallTask, replPeerCallClear);

    call->run = run;
    call->clear = clear;
    return call;
}

/* Until when a quick call may wait without a permit (grace) and with one (deadline). */
typedef struct {
    gint64 grace_us;
    gint64 deadline_us;
} ReplPeerTimes;

static void
replPeerDidNotAnswer(ReplPeer *peer, ReplLink *link)
{
    g_autofree char *why = g_strdup_printf(_("peer '%s': it did not answer within %u seconds"),
                                           replPeerUri(peer)->text, replPeersWait_s());

    replPeerLost(peer, link, TRUE, why);
}

/* Returns the peer's connection, waiting for it as long as @times allow; NULL with @err set. */
static ReplLink *
replPeerCallLink(const ReplPeerCall *call, ReplPeerPermits *permits, const ReplPeerTimes *times, GError **err)
{
    ReplPeer *peer = call->peer;
    g_autoptr(GError) cause = NULL;
    gboolean late;
    ReplLink *link = replPeerLink(peer, permits->all ? times->deadline_us : times->grace_us, &late, &cause);

    if (!link && late && !permits->all && !call->brief) {
        if (replPeerPermitsTake(permits, FALSE, replPeerUri(peer)->text, err) < 0)
            return NULL;
        g_clear_error(&cause);
        link = replPeerLink(peer, times->deadline_us, &late, &cause);
    }
    if (!link && late && !call->brief)
        replPeerDidNotAnswer(peer, NULL);
    if (!link)
        g_propagate_error(err, g_steal_pointer(&cause));
    return link;
}

/* Waits for a quick call that has begun. 0: it has ended; -1 with @err set: it is left to its thread. */
static int
replPeerAwaitQuick(ReplPeerCall *call, ReplPeerPermits *permits, const ReplPeerTimes *times, ReplLink *link,
                   GError **err)
{
    const char *uri = replPeerUri(call->peer)->text;
    ReplCallEnd end =
        replCallsWait(link->calls, &call->task, permits->all ? times->deadline_us : times->grace_us, FALSE);

    if (end != REPL_CALL_DONE && call->brief) {
        end = replCallsWait(link->calls, &call->task, 0, TRUE);
    } else if (end != REPL_CALL_DONE && !permits->all) {
        if (replPeerPermitsTake(permits, FALSE, uri, err) < 0) {
            replCallsWait(link->calls, &call->task, 0, TRUE);
            return -1;
        }
        end = replCallsWait(link->calls, &call->task, times->deadline_us, TRUE);
    }
    if (end == REPL_CALL_DONE)
        return 0;
    if (end == REPL_CALL_LEFT && !call->brief)
        replPeerDidNotAnswer(call->peer, link);
    replErrorSet(err, VIR_ERR_NO_CONNECT,
                 end == REPL_CALL_LEFT ? _("peer '%s': it did not answer within %u seconds")
                                       : _("peer '%s': it was busy with other calls for %u seconds"),
                 uri, replPeersWait_s());
    return -1;
}

static void
replPeerSetUnanswered(const char *uri, GError **err)
{
    replErrorSet(err, VIR_ERR_NO_CONNECT,
                 _("peer '%s': it does not answer any more, and may or may not do what it was told"), uri);
}

/* Waits for a slow call as long as the peer is connected, which its connector looks after: another call may have lost
 * the connection that all share because the pool there was busy with this one. Returns 0 when the call has ended,
 * or -1 with @err set: the call is left to its thread. */
static int
replPeerAwaitSlow(ReplPeerCall *call, const ReplPeerTimes *times, GError **err)
{
    ReplCalls *calls = replPeerSlowCalls(call->peer);
    const char *uri = replPeerUri(call->peer)->text;
    gint64 giveUp_us = G_MAXINT64;

    for (;;) {
        gint64 now = g_get_monotonic_time();
        ReplCallEnd end = replCallsWait(calls, &call->task, now + REPL_PEER_SLICE_us, FALSE);

        if (end == REPL_CALL_DONE)
            return 0;
        if (replPeerIsConnected(call->peer))
            giveUp_us = G_MAXINT64;
        else if (giveUp_us == G_MAXINT64)
            giveUp_us = now + REPL_PEER_LAST_us; /* when the daemon there has ended, so has the call */
        if (replPeersStopping() || now >= giveUp_us || (end == REPL_CALL_QUEUED && now >= times->deadline_us))
            break;
    }
    replPeerCallLeave(call);
    if (replCallsWait(calls, &call->task, 0, TRUE) == REPL_CALL_QUEUED)
        replErrorSet(err, VIR_ERR_NO_CONNECT, _("peer '%s': it was busy with other calls for %u seconds"),
                     uri, replPeersWait_s());
    else
        replPeerSetUnanswered(uri, err);
    return -1;
}

/* One try. Returns 0: made (look at call->ret), or -1 with @err set. */
static int
replPeerCallOnce(ReplPeerCall *call, ReplPeerPermits *permits, const ReplPeerTimes *times, GError **err)
{
    g_autoptr(ReplLink) link = replPeerCallLink(call, permits, times, err);
    ReplCalls *calls;

    if (!link)
        return -1;
    g_clear_pointer(&call->link, replLinkUnref);
    call->link = replLinkRef(link);
    call->ret = 0;
    calls = call->slow ? replPeerSlowCalls(call->peer) : link->calls;
    if (replCallsStart(calls, &call->task, err) < 0)
        return -1;
    return call->slow ? replPeerAwaitSlow(call, times, err)
                      : replPeerAwaitQuick(call, permits, times, link, err);
}

static int
replPeerCallMake(ReplPeer *peer, ReplPeerCall *call, ReplPeerPermits *permits, GError **err)
{
    gint64 now = g_get_monotonic_time();
    const ReplPeerTimes usual = {now + REPL_PEER_GRACE_us, now + replPeersWait_s() * G_USEC_PER_SEC};
    const ReplPeerTimes brief = {now + REPL_PEER_BRIEF_us, now + REPL_PEER_BRIEF_us};
    const ReplPeerTimes times = call->brief ? brief : usual;
    gboolean again = !call->slow;

    if (!call->peer)
        call->peer = replPeerRef(peer);
    while (replPeerCallOnce(call, permits, &times, err) == 0) {
        if (call->ret == 0)
            return 0;
        if (call->own && !replLinkIsOpen(call->own)) {
            replPeerSetUnanswered(replPeerUri(peer)->text, err);
            return -1;
        }
        /* The connection broke: the peer's daemon may have been restarted since the last call. Try once more,
         * it is back in a moment. */
        if (!call->slow && !replLinkIsOpen(call->link)) {
            replPeerLost(peer, call->link, FALSE, call->err->message);
            if (again) {
                again = FALSE;
                g_clear_error(&call->err);
                continue;
            }
        }
        g_propagate_error(err, g_steal_pointer(&call->err));
        return -1;
    }
    return -1;
}

int
replPeerCallQuick(ReplPeer *peer, ReplPeerCall *call, GError **err)
{
    g_auto(ReplPeerPermits) permits = {FALSE, FALSE};

    return replPeerCallMake(peer, call, &permits, err);
}

int
replPeerCallSlow(ReplPeer *peer, ReplPeerCall *call, GError **err)
{
    g_auto(ReplPeerPermits) permits = {FALSE, FALSE};

    call->slow = TRUE;
    if (replPeerPermitsTake(&permits, TRUE, replPeerUri(peer)->text, err) < 0)
        return -1;
    return replPeerCallMake(peer, call, &permits, err);
}
