/*
 * call.c: one call into a peer, from a thread of the daemon that must not hang
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/call.h"

#include "base/error.h"

/* A call that took no longer than this has blocked nobody. */
#define REPL_PEER_GRACE_us (G_USEC_PER_SEC / 2)

/* Of five priority workers. */
#define REPL_PEER_LATE_MAX 2

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
replPeerTakePlace(gint *count, gint max)
{
    if (g_atomic_int_add(count, 1) < max)
        return TRUE;
    g_atomic_int_add(count, -1);
    return FALSE;
}

/* The places that a waiting call holds. */
typedef struct {
    gboolean all;
    gboolean late;
} ReplPeerPlaces;

static void
replPeerPlacesClear(ReplPeerPlaces *places)
{
    if (places->all)
        g_atomic_int_add(&replPeerCallsAll, -1);
    if (places->late)
        g_atomic_int_add(&replPeerCallsLate, -1);
    *places = (ReplPeerPlaces){FALSE, FALSE};
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplPeerPlaces, replPeerPlacesClear)

static int
replPeerPlacesTake(ReplPeerPlaces *places, gboolean slow, const char *uri, GError **err)
{
    if (places->all)
        return 0;
    places->all = replPeerTakePlace(&replPeerCallsAll, g_atomic_int_get(&replPeerCallsMax));
    places->late = places->all && !slow && replPeerTakePlace(&replPeerCallsLate, REPL_PEER_LATE_MAX);
    if (places->all && (slow || places->late))
        return 0;
    replPeerPlacesClear(places);
    replErrorSet(
        err, VIR_ERR_NO_CONNECT,
        _("Peer '%s' is slow to answer, and as many calls wait for peers already as may (max_peer_waiting in "
          "storage-replication.conf): please try again"),
        uri);
    return -1;
}

static void
replPeerCallTask(ReplCallTask *task)
{
    ReplPeerCall *call = (ReplPeerCall *)task;

    call->ret = call->run(call, &call->err);
}

static void
replPeerCallClear(ReplCallTask *task)
{
    ReplPeerCall *call = (ReplPeerCall *)task;

    if (call->clear)
        call->clear(call);
    g_clear_error(&call->err);
    g_clear_pointer(&call->link, replLinkUnref);
}

gpointer
replPeerCallNew(gsize size, int (*run)(ReplPeerCall *, GError **), void (*clear)(ReplPeerCall *))
{
    ReplPeerCall *call = replCallTaskNew(size, replPeerCallTask, replPeerCallClear);

    call->run = run;
    call->clear = clear;
    return call;
}

/* Until when a quick call may wait without a place, and with one. */
typedef struct {
    gint64 grace_us;
    gint64 deadline_us;
} ReplPeerTimes;

static void
replPeerDidNotAnswer(ReplPeer *peer, ReplLink *link)
{
    g_autofree char *why = g_strdup_printf(_("Peer '%s' did not answer within %u seconds"),
                                           replPeerUri(peer)->text, replPeersWait_s());

    replPeerLost(peer, link, TRUE, why);
}

/* The connection; waits as long as @times allow. */
static ReplLink *
replPeerCallLink(ReplPeer *peer, ReplPeerPlaces *places, const ReplPeerTimes *times, GError **err)
{
    g_autoptr(GError) cause = NULL;
    gboolean late;
    ReplLink *link = replPeerLink(peer, places->all ? times->deadline_us : times->grace_us, &late, &cause);

    if (!link && late && !places->all) {
        if (replPeerPlacesTake(places, FALSE, replPeerUri(peer)->text, err) < 0)
            return NULL;
        g_clear_error(&cause);
        link = replPeerLink(peer, times->deadline_us, &late, &cause);
    }
    if (!link && late)
        replPeerDidNotAnswer(peer, NULL);
    if (!link)
        g_propagate_error(err, g_steal_pointer(&cause));
    return link;
}

/* Waits for a quick call that has begun. 0: it has ended; -1 with @err set: it is left to its thread. */
static int
replPeerAwaitQuick(ReplPeer *peer, ReplPeerCall *call, ReplPeerPlaces *places, const ReplPeerTimes *times,
                   ReplLink *link, GError **err)
{
    ReplCalls *calls = replPeerCalls(peer);
    ReplCallEnd end =
        replCallsWait(calls, &call->task, places->all ? times->deadline_us : times->grace_us, FALSE);

    if (end != REPL_CALL_DONE && !places->all) {
        if (replPeerPlacesTake(places, FALSE, replPeerUri(peer)->text, err) < 0) {
            replCallsWait(calls, &call->task, 0, TRUE);
            return -1;
        }
        end = replCallsWait(calls, &call->task, times->deadline_us, TRUE);
    }
    if (end == REPL_CALL_DONE)
        return 0;
    if (end == REPL_CALL_LEFT)
        replPeerDidNotAnswer(peer, link);
    replErrorSet(err, VIR_ERR_NO_CONNECT,
                 end == REPL_CALL_LEFT ? _("Peer '%s' did not answer within %u seconds")
                                       : _("Peer '%s' was busy with other calls for %u seconds"),
                 replPeerUri(peer)->text, replPeersWait_s());
    return -1;
}

/* Waits for a slow call; libvirt ends it when the peer has gone silent. */
static int
replPeerAwaitSlow(ReplPeer *peer, ReplPeerCall *call, GError **err)
{
    ReplCalls *calls = replPeerCalls(peer);

    while (replCallsWait(calls, &call->task, g_get_monotonic_time() + REPL_PEER_SLICE_us, FALSE) !=
           REPL_CALL_DONE) {
        if (replPeersStopping()) {
            replCallsWait(calls, &call->task, 0, TRUE);
            replErrorSet(err, VIR_ERR_NO_CONNECT,
                         _("The daemon stops; peer '%s' may go on with what it was told"),
                         replPeerUri(peer)->text);
            return -1;
        }
    }
    return 0;
}

/* One try. Returns 0: made (look at call->ret), or -1 with @err set. */
static int
replPeerCallOnce(ReplPeer *peer, ReplPeerCall *call, ReplPeerPlaces *places, const ReplPeerTimes *times,
                 GError **err)
{
    g_autoptr(ReplLink) link = replPeerCallLink(peer, places, times, err);

    if (!link)
        return -1;
    g_clear_pointer(&call->link, replLinkUnref);
    call->link = replLinkRef(link);
    call->ret = 0;
    if (replCallsStart(replPeerCalls(peer), &call->task, err) < 0)
        return -1;
    if (call->task.slow)
        return replPeerAwaitSlow(peer, call, err);
    return replPeerAwaitQuick(peer, call, places, times, link, err);
}

static int
replPeerCallMake(ReplPeer *peer, ReplPeerCall *call, ReplPeerPlaces *places, GError **err)
{
    gint64 now = g_get_monotonic_time();
    const ReplPeerTimes times = {now + REPL_PEER_GRACE_us, now + replPeersWait_s() * G_USEC_PER_SEC};
    gboolean again = !call->task.slow;

    while (replPeerCallOnce(peer, call, places, &times, err) == 0) {
        if (call->ret == 0)
            return 0;
        /* The peer may have been started anew since the last call: then it is there in a moment. */
        if (!replLinkIsOpen(call->link)) {
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
    g_auto(ReplPeerPlaces) places = {FALSE, FALSE};

    return replPeerCallMake(peer, call, &places, err);
}

int
replPeerCallSlow(ReplPeer *peer, ReplPeerCall *call, GError **err)
{
    g_auto(ReplPeerPlaces) places = {FALSE, FALSE};

    call->task.slow = TRUE;
    if (replPeerPlacesTake(&places, TRUE, replPeerUri(peer)->text, err) < 0)
        return -1;
    return replPeerCallMake(peer, call, &places, err);
}
