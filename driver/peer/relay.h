/*
 * relay.h: the bytes of a volume on another host, between a client's stream and the peer's
 *
 * In:    where the volume is, and a client's stream.
 * Owner: the call that opens it, until replRelayStart(); then its own two threads.
 * Lock:  one guards our end of the socket pair whose other end libvirt serves to the client.
 *
 * One thread, that of a line (line.h), carries the bytes between the socket and a stream of a connection of its own. Another
 * one watches it: while the client takes or gives nothing all is well, while the peer does not for long the relay is
 * given up. The client sees an error, never a short file, when the peer fails: a download that breaks off resets the
 * socket, and the end of an upload waits until the peer has confirmed it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/uri.h"
#include "virt/virt.h"

typedef struct _ReplRelay ReplRelay;

/* What is carried. */
typedef struct {
    char *volume;
    gboolean upload;
    gboolean sparse; /* holes go as holes, from end to end */
    guint64 offset;
    guint64 length; /* 0: to the end */
} ReplRelayOf;

/* In a call's thread: opens a connection to @uri and the volume's stream on it. NULL with @err set. */
ReplRelay *
replRelayOpen(const ReplPeerUri *uri, const char *pool, const ReplRelayOf *of, GError **err);

/* Ties @stream, of a client on connection @conn, to the peer's, and starts. Takes @relay over in any case. Returns 0, or -1 with @err set. */
int
replRelayStart(ReplRelay *relay, virStreamPtr stream, virConnectPtr conn, GError **err);

/* One that was never started. */
void
replRelayFree(ReplRelay *relay);
