/*
 * call.h: one call into a peer, from a thread of the daemon that must not hang
 *
 * A quick call (what a healthy peer answers at once) ends within the configured time, whatever the peer does. A slow one
 * (wiping, allocating, refreshing) may take as long as the peer shows signs of life, on the connection that all share and, to the
 * kernel, on the call's own. Each blocks the daemon's worker that makes
 * it, so there are limits, over all peers: on slow calls (and quick ones that are late) the configured number, a quarter of
 * the workers by default; on quick calls that are late, which may be in priority workers, two.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/connection.h"

typedef struct _ReplPeerCall ReplPeerCall;

/* The head of a call's own structure, whose other members are its arguments and results. Until the call has returned
 * well, all of it belongs to the thread that makes it. */
struct _ReplPeerCall {
    ReplCallTask task;
    /* Talks to call->link, which a slow one shares with nobody; returns 0, or -1 with *err set. A quick one may be made
     * twice, when the connection broke. */
    int (*run)(ReplPeerCall *call, GError **err);
    void (*clear)(ReplPeerCall *call); /* frees the other members; NULL: nothing to free */
    gboolean brief; /* of a quick one: waits for a second at most, and draws no conclusions */

    ReplPeer *peer; /* these are the call's own */
    gboolean slow;
    ReplLink *link;
    ReplLink *own; /* link, of a slow one; atomic: NULL while it is not open */
    gint left;     /* atomic: no thread waits for a slow one any more */
    int ret;
    GError *err;
};

/* A zeroed call of @size bytes. */
gpointer
replPeerCallNew(gsize size, int (*run)(ReplPeerCall *, GError **), void (*clear)(ReplPeerCall *));

static inline void
replPeerCallUnref(ReplPeerCall *call)
{
    if (call)
        replCallTaskUnref(&call->task);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerCall, replPeerCallUnref)

/* Makes a quick call. Returns 0, or -1 with @err set; only after 0 the results may be looked at. */
int
replPeerCallQuick(ReplPeer *peer, ReplPeerCall *call, GError **err);

/* Makes a slow call. */
int
replPeerCallSlow(ReplPeer *peer, ReplPeerCall *call, GError **err);

/* How many threads of the daemon may wait for peers at once. */
void
replPeerCallsSetMax(guint max);
