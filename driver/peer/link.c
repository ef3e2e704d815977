/*
 * link.c: one open connection to a libvirt daemon on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/link.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "peer/announce.h"
#include "peer/dial.h"
#include "peer/minder.h"

/* While it is opened, a connection is looked at after so long. */
#define REPL_LINK_OPENING_ms 1000

/* A peer has so long to agree to the end of a stream, and may send so much before it does: what was under way. */
#define REPL_LINK_ABORT_us (5 * G_USEC_PER_SEC)
#define REPL_LINK_ABORT_bytes (16u << 20)
#define REPL_LINK_ABORT_TICK_ms 50

/* libvirt asks these of auth.conf before it asks us; we know nothing more, and there is no user to ask. */
static int
replLinkNoAnswer(virConnectCredentialPtr cred, unsigned int ncred, void *opaque)
{
    (void)cred;
    (void)ncred;
    (void)opaque;
    return -1;
}

static gint replLinksSilent_s = 30; /* atomic */

void
replLinksSetSilence(guint silent_s)
{
    g_atomic_int_set(&replLinksSilent_s, (gint)silent_s);
}

/* Opening takes long: let it end when the other host is gone. */
static gboolean
replLinkMindOpening(gpointer cord, gint64 since_us)
{
    (void)since_us;
    replCordMind(cord);
    return FALSE;
}

static virConnectPtr
replLinkConnect(const char *uri, ReplCord *cord)
{
    /* Those of virsh, so that an auth.conf that does there does here: each more is one more that libvirt insists on. */
    static int kinds[] = {VIR_CRED_AUTHNAME, VIR_CRED_PASSPHRASE, VIR_CRED_REALM, VIR_CRED_NOECHOPROMPT,
                          VIR_CRED_ECHOPROMPT};
    static virConnectAuth silent = {kinds, G_N_ELEMENTS(kinds), replLinkNoAnswer, NULL};

    ReplMinder *minder = replMinderStart(REPL_LINK_OPENING_ms, replLinkMindOpening, cord);
    virConnectPtr conn = virConnectOpenAuth(uri, &silent, VIR_CONNECT_NO_ALIASES);

    replMinderStop(minder);
    replCordTie(cord, conn != NULL);
    return conn;
}

/* polkit refuses with one of these, depending on whether the daemon or its access driver asked it. */
static gboolean
replLinkIsDenial(int code)
{
    return code == VIR_ERR_ACCESS_DENIED || code == VIR_ERR_AUTH_UNAVAILABLE;
}

static gboolean
replLinkIsAuth(int code)
{
    return code == VIR_ERR_AUTH_FAILED || code == VIR_ERR_AUTH_CANCELLED ||
           code == VIR_ERR_AUTH_UNAVAILABLE || code == VIR_ERR_ACCESS_DENIED;
}

void
replLinkTakeError(const char *uri, ReplPeerTransport transport, gboolean opening, GError **err)
{
    virErrorPtr last = virGetLastError();
    int code = last && last->code != VIR_ERR_OK ? last->code : VIR_ERR_INTERNAL_ERROR;
    const char *said = last && last->message ? replErrorDetail(last) : _("an unknown error");

    /* Shown without its code, too (peer/@error). */
    if (opening && last && last->message)
        said = last->message;
    if (opening && !replLinkIsAuth(code))
        code = VIR_ERR_NO_CONNECT;
    if (replLinkIsDenial(code) && (transport == REPL_PEER_TLS || transport == REPL_PEER_TCP))
        replErrorSet(err, code,
                     _("Peer '%s' refuses: %s (where polkit decides, it knows no process behind a TLS or TCP "
                       "connection "
                       "and refuses all of them: let this host come by ssh, or without polkit)"),
                     uri, said);
    else if (opening)
        replErrorSet(err, code, _("peer '%s': it cannot be connected to: %s"), uri, said);
    else
        replErrorSet(err, code, _("Peer '%s' says: %s"), uri, said);
    virResetLastError();
}

/* What the callbacks of one connection share; each holds a reference, since one may still run in libvirt's event loop
 * while the connection is taken down. */
typedef struct {
    gatomicrefcount refs;
    guint64 id;
    ReplLinkWatch watch;
} ReplLinkWatching;

static void
replLinkWatchingUnref(void *opaque)
{
    ReplLinkWatching *watching = opaque;

    if (!g_atomic_ref_count_dec(&watching->refs))
        return;
    watching->watch.unref(watching->watch.opaque);
    g_free(watching);
}

static ReplLinkWatching *
replLinkWatchingRef(ReplLinkWatching *watching)
{
    g_atomic_ref_count_inc(&watching->refs);
    return watching;
}

static void
replLinkClosed(virConnectPtr conn, int reason, void *opaque)
{
    ReplLinkWatching *watching = opaque;
    const char *why;

    (void)conn;
    switch (reason) {
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
        why = _("it does not answer any more");
        break;
    case VIR_CONNECT_CLOSE_REASON_EOF:
        why = _("it has closed the connection");
        break;
    default:
        why = _("the connection is broken");
    }
    watching->watch.closed(watching->id, why, watching->watch.opaque);
}

static void
replLinkLifecycle(virConnectPtr conn, virStoragePoolPtr pool, int event, int detail, void *opaque)
{
    ReplLinkWatching *watching = opaque;

    (void)conn;
    (void)event;
    (void)detail;
    watching->watch.poolEvent(virStoragePoolGetName(pool), watching->watch.opaque);
}

static void
replLinkRefresh(virConnectPtr conn, virStoragePoolPtr pool, void *opaque)
{
    ReplLinkWatching *watching = opaque;

    (void)conn;
    watching->watch.poolEvent(virStoragePoolGetName(pool), watching->watch.opaque);
}

/* Returns the id of the registration, or -1: a peer that tells no events costs fresh news and nothing else. */
static int
replLinkWatchEvent(ReplLink *link, int event, virConnectStoragePoolEventGenericCallback cb,
                   ReplLinkWatching *watching)
{
    int id = virConnectStoragePoolEventRegisterAny(link->conn, NULL, event, cb, replLinkWatchingRef(watching),
                                                   replLinkWatchingUnref);

    if (id < 0)
        replLinkWatchingUnref(watching);
    return id;
}

static void
replLinkStartWatch(ReplLink *link, const ReplLinkWatch *watch)
{
    ReplLinkWatching *watching = g_new0(ReplLinkWatching, 1);

    g_atomic_ref_count_init(&watching->refs);
    watching->id = link->id;
    watching->watch = *watch;
    watching->watch.opaque = watch->ref(watch->opaque);
    link->closeWatched =
        virConnectRegisterCloseCallback(link->conn, replLinkClosed, replLinkWatchingRef(watching),
                                        replLinkWatchingUnref) == 0;
    if (!link->closeWatched)
        replLinkWatchingUnref(watching);
    link->eventIds[0] = replLinkWatchEvent(link, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                           VIR_STORAGE_POOL_EVENT_CALLBACK(replLinkLifecycle), watching);
    link->eventIds[1] = replLinkWatchEvent(link, VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                           VIR_STORAGE_POOL_EVENT_CALLBACK(replLinkRefresh), watching);
    replLinkWatchingUnref(watching);
    virResetLastError();
}

static void
replLinkPoolFree(gpointer pool)
{
    virStoragePoolFree(pool);
}

static char *replLinksDaemonId; /* set at start */

void
replLinksStart(const char *daemonId)
{
    if (!replLinksDaemonId)
        replLinksDaemonId = g_strdup(daemonId);
}

/* A call to ourselves could wait for the worker that it keeps from answering. */
static int
replLinkCheckOther(const ReplLink *link, GError **err)
{
    if (!link->daemonId || g_strcmp0(link->daemonId, replLinksDaemonId) != 0)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Peer '%s' is this very daemon: a region on another host has to be on another one"),
                 link->uri);
    return -1;
}

/* What the peer announces; nothing where it has no module, or does not let us ask. */
static void
replLinkAnnounced(ReplLink *link, ReplAnnounced *announced)
{
    char *caps = virConnectGetStoragePoolCapabilities(link->conn, 0);

    if (caps)
        replAnnounceRead(caps, announced);
    free(caps);
    virResetLastError();
}

/* While it is opened. */
static void
replLinkLearn(ReplLink *link)
{
    ReplAnnounced announced = {0};
    unsigned long version;

    if (virConnectGetLibVersion(link->conn, &version) == 0)
        link->libvirt =
            g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
    replLinkAnnounced(link, &announced);
    link->daemonId = announced.daemonId;
    link->wireVersions = announced.wireVersions;
    link->servesHosts = announced.servesHosts;
}

void
replLinkAskServes(ReplLink *link)
{
    g_auto(ReplAnnounced) announced = {0};

    if (!link->wireVersions || g_atomic_int_get(&link->servesHosts))
        return;
    replLinkAnnounced(link, &announced);
    g_atomic_int_set(&link->servesHosts, announced.servesHosts);
}

ReplLink *
replLinkOpen(const ReplPeerUri *uri, guint64 id, guint dial_s, const ReplLinkWatch *watch, GError **err)
{
    g_autoptr(ReplCord) cord = NULL;
    virConnectPtr conn;
    ReplLink *link;

    if (dial_s && uri->host && uri->port > 0 && replDial(uri->host, uri->port, dial_s, uri->text, err) < 0)
        return NULL;
    cord = replCordFind(uri, (guint)g_atomic_int_get(&replLinksSilent_s));
    if (!(conn = replLinkConnect(uri->open, cord))) {
        replLinkTakeError(uri->text, uri->transport, TRUE, err);
        return NULL;
    }
    link = g_new0(ReplLink, 1);
    g_atomic_ref_count_init(&link->refs);
    link->id = id;
    link->transport = uri->transport;
    link->uri = g_strdup(uri->text);
    link->conn = conn;
    link->cord = g_steal_pointer(&cord);
    link->eventIds[0] = link->eventIds[1] = -1;
    link->calls = replCallsNew("repl-peer-call", 1);
    replLockInit(&link->lock);
    link->pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replLinkPoolFree);
    if (watch)
        replLinkStartWatch(link, watch);
    replLinkLearn(link);
    if (replLinkCheckOther(link, err) == 0)
        return link;
    replLinkUnref(link);
    return NULL;
}

ReplLink *
replLinkRef(ReplLink *link)
{
    g_atomic_ref_count_inc(&link->refs);
    return link;
}

static void
replLinkFree(gpointer opaque)
{
    ReplLink *link = opaque;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(link->eventIds); i++) {
        if (link->eventIds[i] >= 0)
            virConnectStoragePoolEventDeregisterAny(link->conn, link->eventIds[i]);
    }
    if (link->closeWatched)
        virConnectUnregisterCloseCallback(link->conn, replLinkClosed);
    g_hash_table_unref(link->pools);
    virConnectClose(link->conn);
    replCordFree(link->cord);
    virResetLastError();
    replLockClear(&link->lock);
    replCallsUnref(link->calls);
    g_free(link->daemonId);
    g_free(link->wireVersions);
    g_free(link->libvirt);
    g_free(link->uri);
    g_free(link);
}

void
replLinkUnref(ReplLink *link)
{
    if (!link || !g_atomic_ref_count_dec(&link->refs))
        return;
    /* Better a connection that stays open than a thread of the daemon that hangs. */
    if (!replCallsDetached("repl-peer-bye", replLinkFree, link))
        replWarn("The connection to peer '%s' stays open", link->uri);
}

gboolean
replLinkIsOpen(ReplLink *link)
{
    return virConnectIsAlive(link->conn) == 1;
}

virStoragePoolPtr
replLinkPool(ReplLink *link, const char *name, GError **err)
{
    virStoragePoolPtr pool;
    virStoragePoolPtr before;

    replLockTake(&link->lock);
    if ((pool = g_hash_table_lookup(link->pools, name)))
        virStoragePoolRef(pool);
    replLockDrop(&link->lock);
    if (pool)
        return pool;
    if (!(pool = virStoragePoolLookupByName(link->conn, name))) {
        replLinkTakeError(link->uri, link->transport, FALSE, err);
        return NULL;
    }
    replLockTake(&link->lock);
    if ((before = g_hash_table_lookup(link->pools, name))) {
        virStoragePoolRef(before);
    } else {
        virStoragePoolRef(pool);
        g_hash_table_insert(link->pools, g_strdup(name), pool);
    }
    replLockDrop(&link->lock);
    if (!before)
        return pool;
    virStoragePoolFree(pool);
    return before;
}

void
replLinkForgetPool(ReplLink *link, const char *name)
{
    REPL_GUARD(&link->lock);
    g_hash_table_remove(link->pools, name);
}

void
replLinkCut(ReplLink *link)
{
    replCordCut(link->cord);
}

typedef struct {
    ReplCord *cord;
    guint64 before_bytes;
} ReplLinkAbort;

/* A peer that does not keep to the rules could fill our memory while we wait for its answer. */
static gboolean
replLinkMindAbort(gpointer opaque, gint64 since_us)
{
    const ReplLinkAbort *abort = opaque;
    guint64 came_bytes = replCordReceived_bytes(abort->cord) - abort->before_bytes;

    if (since_us < REPL_LINK_ABORT_us && came_bytes < REPL_LINK_ABORT_bytes)
        return TRUE;
    replCordCut(abort->cord);
    return FALSE;
}

static void
replLinkAbort(ReplLink *link, virStreamPtr stream)
{
    ReplLinkAbort abort = {link->cord, replCordReceived_bytes(link->cord)};
    ReplMinder *minder = replMinderStart(REPL_LINK_ABORT_TICK_ms, replLinkMindAbort, &abort);

    virStreamAbort(stream);
    replMinderStop(minder);
}

void
replLinkEndStream(ReplLink *link, virStreamPtr stream, gboolean well)
{
    if (!well)
        replLinkAbort(link, stream);
    virStreamFree(stream);
    virResetLastError();
}
