/*
 * connection.c: a peer: what stands behind one URI, connected or not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/connection.h"

#include "base/error.h"
#include "base/log.h"
#include "base/words.h"
#include "base/lock.h"
#include "peer/pulse.h"

/* Between tries while the peer is away. */
#define REPL_PEER_RETRY_us (2 * G_USEC_PER_SEC)

/* Between tries when the peer answered and refused this host: only an administrator can change that. */
#define REPL_PEER_REFUSED_us (10 * G_USEC_PER_SEC)

/* A try that takes longer is left to itself, and another one begins beside it, while no more than so many hang. */
#define REPL_PEER_HANG_us (10 * G_USEC_PER_SEC)
#define REPL_PEER_HUNG_MAX 4

/* Slow calls at a time, each with a connection of its own. */
#define REPL_PEER_SLOW_THREADS 4

/* The kernel breaks a connection when its host has been silent for so many times as long as a call waits. */
#define REPL_PEER_SILENT 6

/* For this long after a connection was lost, the peer's daemon may just be restarting. */
#define REPL_PEER_AGAIN_us (G_USEC_PER_SEC / 2)

typedef struct {
    ReplPeer *peer; /* a reference */
    guint64 id;
    gboolean dial; /* look whether anything answers before libvirt is set to it */
} ReplPeerTry;

struct _ReplPeer {
    gatomicrefcount refs;
    ReplPeerUri *uri; /* these two are fixed */
    ReplCalls *slow;

    ReplLock lock; /* woken by every change */

    /* guarded by lock */
    guint users;
    gboolean connector; /* its thread runs */
    ReplPeerState state;
    gint64 since_s;
    char *error; /* why it is not connected, NULL: not known */
    int errorCode;
    ReplLink *link;
    ReplPulse pulse; /* of link */
    guint64 tryId;   /* id of the one under way, 0: none */
    gint64 tryBegan_us;
    gint64 nextTry_us;
    gint64 graceUntil_us; /* a failure to connect means little before */
    guint hung;           /* tries that were left to themselves */
};

static ReplPeerNews replPeersNews;  /* set at start */
static gint replPeersWaitNow_s = 5; /* atomic */
static gint replPeersStopped;       /* atomic */
static gint replPeersIds;           /* atomic */

/* Guards the table. */
static ReplLock replPeersLock = REPL_LOCK_INIT;
static GHashTable *replPeersAll; /* URI -> ReplPeer, no reference */

const char *
replPeerStateToString(ReplPeerState state)
{
    static const char *const words[] = {"connecting", "connected", "away"};

    return replWord(words, G_N_ELEMENTS(words), state);
}

void
replPeerStatusClear(ReplPeerStatus *status)
{
    g_clear_pointer(&status->error, g_free);
    g_clear_pointer(&status->wireVersions, g_free);
    g_clear_pointer(&status->libvirt, g_free);
}

void
replPeersStart(const char *daemonId, ReplPeerNews news)
{
    if (replPeersAll)
        return;
    replLinksStart(daemonId);
    replPeersNews = news;
    replPeersAll = g_hash_table_new(g_str_hash, g_str_equal);
}

void
replPeersSetWait(guint wait_s)
{
    g_atomic_int_set(&replPeersWaitNow_s, (gint)wait_s);
    replLinksSetSilence(REPL_PEER_SILENT * wait_s);
}

guint
replPeersWait_s(void)
{
    return (guint)g_atomic_int_get(&replPeersWaitNow_s);
}

gboolean
replPeersStopping(void)
{
    return g_atomic_int_get(&replPeersStopped) != 0;
}

void
replPeersStop(void)
{
    GHashTableIter iter;
    gpointer peer;

    g_atomic_int_set(&replPeersStopped, 1);
    if (!replPeersAll)
        return;
    REPL_GUARD(&replPeersLock);
    g_hash_table_iter_init(&iter, replPeersAll);
    while (g_hash_table_iter_next(&iter, NULL, &peer)) {
        replLockTake(&((ReplPeer *)peer)->lock);
        replLockWake(&((ReplPeer *)peer)->lock);
        replLockDrop(&((ReplPeer *)peer)->lock);
    }
}

ReplPeer *
replPeerGet(const ReplPeerUri *uri)
{
    ReplPeer *peer;

    REPL_GUARD(&replPeersLock);
    if ((peer = g_hash_table_lookup(replPeersAll, uri->text)))
        return replPeerRef(peer);
    peer = g_new0(ReplPeer, 1);
    g_atomic_ref_count_init(&peer->refs);
    peer->uri = replPeerUriCopy(uri);
    peer->slow = replCallsNew("repl-peer-slow", REPL_PEER_SLOW_THREADS);
    peer->since_s = g_get_real_time() / G_USEC_PER_SEC;
    replLockInit(&peer->lock);
    g_hash_table_insert(replPeersAll, peer->uri->text, peer);
    return peer;
}

ReplPeer *
replPeerRef(ReplPeer *peer)
{
    g_atomic_ref_count_inc(&peer->refs);
    return peer;
}

/* The table's lock is held while the count goes down, so that no thread finds a peer that is about to be freed. */
static gboolean
replPeerDrop(ReplPeer *peer)
{
    REPL_GUARD(&replPeersLock);
    if (!g_atomic_ref_count_dec(&peer->refs))
        return FALSE;
    g_hash_table_remove(replPeersAll, peer->uri->text);
    return TRUE;
}

void
replPeerUnref(ReplPeer *peer)
{
    if (!peer || !replPeerDrop(peer))
        return;
    replLinkUnref(peer->link);
    replCallsUnref(peer->slow);
    replLockClear(&peer->lock);
    replPeerUriFree(peer->uri);
    g_free(peer->error);
    g_free(peer);
}

const ReplPeerUri *
replPeerUri(const ReplPeer *peer)
{
    return peer->uri;
}

ReplCalls *
replPeerSlowCalls(ReplPeer *peer)
{
    return peer->slow;
}

gboolean
replPeerIsConnected(ReplPeer *peer)
{
    REPL_GUARD(&peer->lock);
    return peer->link != NULL;
}

void
replPeerStatus(ReplPeer *peer, ReplPeerStatus *status)
{
    REPL_GUARD(&peer->lock);
    *status = (ReplPeerStatus){peer->state,
                               peer->since_s,
                               g_strdup(peer->error),
                               peer->errorCode,
                               g_strdup(peer->link ? peer->link->wireVersions : NULL),
                               peer->link && g_atomic_int_get(&peer->link->servesHosts),
                               g_strdup(peer->link ? peer->link->libvirt : NULL)};
}

/* With the lock held. @why NULL: nothing is wrong, or not known to be. */
static void
replPeerSetState(ReplPeer *peer, ReplPeerState state, int code, const char *why)
{
    if (state != peer->state)
        peer->since_s = g_get_real_time() / G_USEC_PER_SEC;
    peer->state = state;
    peer->errorCode = code;
    g_free(peer->error);
    peer->error = g_strdup(why);
    replLockWake(&peer->lock);
}

/* With the lock held; gives the connection, which the caller lets go of without it. */
static ReplLink *
replPeerTakeLink(ReplPeer *peer, ReplPeerState state, const char *why)
{
    ReplLink *link = g_steal_pointer(&peer->link);

    replPulseClear(&peer->pulse);
    peer->nextTry_us = 0;
    peer->graceUntil_us =
        state == REPL_PEER_CONNECTING ? g_get_monotonic_time() + replPeersWait_s() * G_USEC_PER_SEC : 0;
    replPeerSetState(peer, state, VIR_ERR_NO_CONNECT, why);
    /* A peer that is away has left calls without an answer. */
    if (link && state == REPL_PEER_AWAY)
        replLinkCut(link);
    return link;
}

void
replPeerLost(ReplPeer *peer, ReplLink *link, gboolean away, const char *why)
{
    g_autoptr(ReplLink) gone = NULL;

    replLockTake(&peer->lock);
    if (peer->link == link && (link || peer->state == REPL_PEER_CONNECTING)) {
        gone = replPeerTakeLink(peer, away ? REPL_PEER_AWAY : REPL_PEER_CONNECTING, why);
        replInfo("Peer '%s' is lost: %s", peer->uri->text, why);
    }
    replLockDrop(&peer->lock);
}

/* ---- what libvirt tells */

static void
replPeerOnClosed(guint64 id, const char *why, gpointer opaque)
{
    ReplPeer *peer = opaque;
    g_autoptr(ReplLink) gone = NULL;

    replLockTake(&peer->lock);
    if (peer->link && peer->link->id == id) {
        gone = replPeerTakeLink(peer, REPL_PEER_CONNECTING, why);
        replInfo("Peer '%s' is lost: %s", peer->uri->text, why);
    }
    replLockDrop(&peer->lock);
}

static void
replPeerOnPoolEvent(const char *pool, gpointer opaque)
{
    replPeersNews(opaque, pool);
}

static gpointer
replPeerWatchRef(gpointer peer)
{
    return replPeerRef(peer);
}

static void
replPeerWatchUnref(gpointer peer)
{
    replPeerUnref(peer);
}

/* ---- connecting */

/* NULL with @err set. */
static ReplLink *
replPeerTryOpen(const ReplPeerTry *try, GError **err)
{
    const ReplLinkWatch watch = {replPeerOnClosed, replPeerOnPoolEvent, replPeerWatchRef, replPeerWatchUnref,
                                 try->peer};

    return replLinkOpen(try->peer->uri, try->id, try->dial ? replPeersWait_s() : 0, &watch, err);
}

/* With the lock held. */
static void
replPeerTryFailed(ReplPeer *peer, const GError *err)
{
    gint64 now = g_get_monotonic_time();
    gboolean absent = err->code == VIR_ERR_NO_CONNECT;
    gboolean again = absent && peer->state == REPL_PEER_CONNECTING && now < peer->graceUntil_us;

    /* Each failure once in the log, not each try. */
    if (g_strcmp0(peer->error, err->message) != 0)
        replWarn("%s", err->message);
    peer->nextTry_us = now + (again    ? REPL_PEER_AGAIN_us
                              : absent ? REPL_PEER_RETRY_us
                                       : REPL_PEER_REFUSED_us);
    replPeerSetState(peer, again ? REPL_PEER_CONNECTING : REPL_PEER_AWAY, err->code, err->message);
}

static void
replPeerTryMain(gpointer opaque)
{
    g_autofree ReplPeerTry *try = opaque;
    g_autoptr(ReplPeer) peer = try->peer;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplLink) link = replPeerTryOpen(try, &err);
    gboolean came = FALSE;

    replLockTake(&peer->lock);
    if (peer->tryId != try->id) {
        peer->hung--; /* too late: another one has been made beside it */
    } else {
        peer->tryId = 0;
        if (!link) {
            replPeerTryFailed(peer, err);
        } else if (peer->users > 0 && !replPeersStopping()) {
            peer->link = g_steal_pointer(&link);
            replPeerSetState(peer, REPL_PEER_CONNECTED, 0, NULL);
            came = TRUE;
        }
    }
    replLockWake(&peer->lock);
    replLockDrop(&peer->lock);
    if (came) {
        replInfo("Peer '%s' is connected", peer->uri->text);
        replPeersNews(peer, NULL);
    }
}

/* With the lock held. */
static void
replPeerBeginTry(ReplPeer *peer)
{
    ReplPeerTry *try = g_new0(ReplPeerTry, 1);

    try->peer = replPeerRef(peer);
    try->id = 1 + (guint64)(guint)g_atomic_int_add(&replPeersIds, 1);
    try->dial = peer->state == REPL_PEER_AWAY;
    peer->tryId = try->id;
    peer->tryBegan_us = g_get_monotonic_time();
    if (replCallsDetached("repl-peer-open", replPeerTryMain, try))
        return;
    peer->tryId = 0;
    peer->nextTry_us = g_get_monotonic_time() + REPL_PEER_RETRY_us;
    g_atomic_ref_count_dec(&peer->refs); /* never the last one: the connector has its own */
    g_free(try);
}

/* With the lock held: looks after the connection, which is given in *gone, to be let go of without the lock, when the peer is
 * silent. When to look again. */
static gint64
replPeerLookAfter(ReplPeer *peer, ReplLink **gone)
{
    g_autofree char *why = NULL;
    gint64 again_us;

    if (replPulseBeats(&peer->pulse, peer->link, replPeersWait_s(), &again_us))
        return again_us;
    why = g_strdup_printf(_("peer '%s': it did not answer within %u seconds"), peer->uri->text,
                          replPeersWait_s());
    *gone = replPeerTakeLink(peer, REPL_PEER_AWAY, why);
    replInfo("Peer '%s' is lost: %s", peer->uri->text, why);
    return 0;
}

/* With the lock held: what is to be done now, and when to look again (monotonic). */
static gint64
replPeerConnectorStep(ReplPeer *peer, ReplLink **gone)
{
    gint64 now;

    if (peer->link)
        return replPeerLookAfter(peer, gone);
    now = g_get_monotonic_time();
    if (peer->tryId) {
        if (now < peer->tryBegan_us + REPL_PEER_HANG_us || peer->hung >= REPL_PEER_HUNG_MAX)
            return MAX(now + G_USEC_PER_SEC, peer->tryBegan_us + REPL_PEER_HANG_us);
        peer->tryId = 0;
        peer->hung++;
        if (peer->state == REPL_PEER_CONNECTING) {
            g_autofree char *why = g_strdup_printf(_("peer '%s': it does not answer"), peer->uri->text);

            replPeerSetState(peer, REPL_PEER_AWAY, VIR_ERR_NO_CONNECT, why);
        }
    }
    if (now < peer->nextTry_us)
        return peer->nextTry_us;
    replPeerBeginTry(peer);
    return now + REPL_PEER_RETRY_us;
}

static void
replPeerConnector(gpointer opaque)
{
    g_autoptr(ReplPeer) peer = opaque;
    g_autoptr(ReplLink) link = NULL;

    replLockTake(&peer->lock);
    while (peer->users > 0 && !replPeersStopping()) {
        g_autoptr(ReplLink) gone = NULL;
        gint64 until = replPeerConnectorStep(peer, &gone);

        if (!gone) {
            replLockWaitUntil(&peer->lock, until);
            continue;
        }
        replLockDrop(&peer->lock);
        g_clear_pointer(&gone, replLinkUnref);
        replLockTake(&peer->lock);
    }
    peer->connector = FALSE;
    replPulseClear(&peer->pulse);
    link = g_steal_pointer(&peer->link);
    if (link)
        replPeerSetState(peer, REPL_PEER_CONNECTING, 0, NULL);
    replLockDrop(&peer->lock);
}

void
replPeerUse(ReplPeer *peer)
{
    REPL_GUARD(&peer->lock);
    if (peer->users++ > 0)
        return;
    /* A call needs the peer now: try to connect at once. */
    peer->nextTry_us = 0;
    if (!peer->link)
        replPeerSetState(peer, REPL_PEER_CONNECTING, 0, NULL);
    if (peer->connector)
        return;
    peer->connector = replCallsDetached("repl-peer", replPeerConnector, replPeerRef(peer));
    if (peer->connector)
        return;
    g_atomic_ref_count_dec(&peer->refs); /* never the last one: the caller has its own */
    replPeerSetState(peer, REPL_PEER_AWAY, VIR_ERR_NO_CONNECT, _("There is no thread to connect with"));
}

void
replPeerLeave(ReplPeer *peer)
{
    REPL_GUARD(&peer->lock);
    peer->users--;
    replLockWake(&peer->lock);
}

ReplLink *
replPeerLink(ReplPeer *peer, gint64 deadline_us, gboolean *late, GError **err)
{
    REPL_GUARD(&peer->lock);
    *late = FALSE;
    while (!peer->link && peer->state == REPL_PEER_CONNECTING && !replPeersStopping()) {
        if (g_get_monotonic_time() >= deadline_us) {
            *late = TRUE;
            replErrorSet(err, VIR_ERR_NO_CONNECT, _("peer '%s': it cannot be reached now"), peer->uri->text);
            return NULL;
        }
        replLockWaitUntil(&peer->lock, deadline_us);
    }
    if (replPeersStopping()) {
        replErrorSet(err, VIR_ERR_NO_CONNECT, "%s", _("The daemon stops"));
        return NULL;
    }
    if (peer->link)
        return replLinkRef(peer->link);
    replErrorSet(err, peer->errorCode ? peer->errorCode : VIR_ERR_NO_CONNECT, "%s",
                 peer->error ? peer->error : _("The peer is away"));
    return NULL;
}
