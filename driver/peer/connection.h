/*
 * connection.h: a peer: what stands behind one URI, connected or not
 *
 * A peer that is used has one connector thread, which opens the connection, sees it go and opens it again. Opening happens
 * in yet another thread, because it may hang: after a while the connector tries beside it. These threads are never joined.
 * Every second or so the connector asks for a sign of life, in the thread that makes the calls on the connection; a peer that
 * gives none for as long as a call waits is away.
 *
 *   connecting ──opened──▶ connected ──closed by the peer──▶ connecting
 *       │  ▲                    └──no answer in time──▶ away
 *       └──failed, or in too long──▶ away ──opened──▶ connected
 *
 * A call waits for a peer that is connecting, and fails at once while it is away (call.h). Pools on one URI share the peer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "peer/calls.h"
#include "peer/link.h"
#include "peer/uri.h"

typedef enum {
    REPL_PEER_CONNECTING,
    REPL_PEER_CONNECTED,
    REPL_PEER_AWAY,
} ReplPeerState;

const char *
replPeerStateToString(ReplPeerState state);

typedef struct {
    ReplPeerState state;
    gint64 since_s; /* seconds since 1970 */
    char *error;    /* why it is not connected; NULL: not known yet */
    int errorCode;
    char *wireVersions;   /* that the module there announces; NULL: none, or not connected */
    gboolean servesHosts; /* the same */
    char *libvirt;        /* version of libvirt there; NULL: not known, or not connected */
} ReplPeerStatus;

void
replPeerStatusClear(ReplPeerStatus *status);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplPeerStatus, replPeerStatusClear)

typedef struct _ReplPeer ReplPeer;

/* Called with news of a peer, in any thread and with no lock held. @pool: the pool there that has changed;
 * NULL: the peer is there again. */
typedef void (*ReplPeerNews)(ReplPeer *peer, const char *pool);

/* Once, before the first peer. @daemonId: of this daemon, which is no peer of its own. */
void
replPeersStart(const char *daemonId, ReplPeerNews news);

/* How long a call waits for a peer. */
void
replPeersSetWait(guint wait_s);
guint
replPeersWait_s(void);

/* Ends all waiting, for good, and starts nothing any more. Returns at once; connections end with the process. */
void
replPeersStop(void);
gboolean
replPeersStopping(void);

/* The peer behind @uri, a reference; it is not connected before it is used. */
ReplPeer *
replPeerGet(const ReplPeerUri *uri);

ReplPeer *
replPeerRef(ReplPeer *peer);

void
replPeerUnref(ReplPeer *peer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeer, replPeerUnref)

/* Keeps the peer connected until as many replPeerLeave() have come. */
void
replPeerUse(ReplPeer *peer);
void
replPeerLeave(ReplPeer *peer);

const ReplPeerUri *
replPeerUri(const ReplPeer *peer);

/* For calls that have a connection of their own. */
ReplCalls *
replPeerSlowCalls(ReplPeer *peer);

/* Whether the peer is connected now. */
gboolean
replPeerIsConnected(ReplPeer *peer);

void
replPeerStatus(ReplPeer *peer, ReplPeerStatus *status);

/* The connection, a reference, waiting until @deadline_us (monotonic) for a peer that is connecting. NULL with @err set:
 * at once when it is away or the daemon stops; when the deadline passes, with *late set. */
ReplLink *
replPeerLink(ReplPeer *peer, gint64 deadline_us, gboolean *late, GError **err);

/* @link is no good any more: the connector opens another one. @away: calls fail at once until then, since somebody has
 * waited in vain. Nothing when @link (NULL: none) is not the peer's connection now. */
void
replPeerLost(ReplPeer *peer, ReplLink *link, gboolean away, const char *why);
