/*
 * streamend.h: a client's stream over a socket, which breaks without harm and whose end waits for another's word
 *
 * Newer daemons of libvirt die when a stream that a client sends to breaks while they write to it; the streams that are opened here
 * break in a way that they bear (streamend.c).
 *
 * libvirt's streams over a descriptor tell a client that an upload has ended well once its bytes are in the
 * socket. The thread that carries the bytes on may still fail after that. So the end of such a stream is
 * ours: it waits, for a moment, until that thread tells whether the bytes have arrived.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/fd.h"
#include "virt/virt.h"

/* Whether @stream, which a call on connection @conn came with and that nothing has been opened on, is one that replStreamWatch() can
 * watch. */
gboolean
replStreamIsKnown(virStreamPtr stream, virConnectPtr conn);

/* Calls @ended(@opaque, @good) once the client has ended @stream, which has been opened, or it was broken off (by the client, or
 * with its connection). @good: the client ended it, and libvirt has written all that came. It may be the event loop that
 * calls. FALSE: it will not be called. */
gboolean
replStreamWatch(virStreamPtr stream, void (*ended)(void *opaque, gboolean good), void *opaque);

/* Opens @stream, which a client's call came with on connection @conn, over *@fd, a socket whose other end is ours, and takes that over.
 * -1 with @err set: the descriptor may still be the caller's, who closes what is left in *@fd. */
int
replStreamOpen(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, GError **err);

/* Shared by the stream and the thread that carries its bytes; reference counted. */
typedef struct _ReplStreamEnd ReplStreamEnd;

/* Opens @stream, which a client's call came with on connection @conn, over *@fd, and takes that over. @confirmed: its end
 * waits for replStreamEndTell(), at most two seconds, since it may be the event loop that waits. @sparse: *@fd is of type
 * SOCK_SEQPACKET, and what goes over it are packets (sparse.h). NULL with @err set. */
ReplStreamEnd *
replStreamEndOpen(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, gboolean confirmed, gboolean sparse,
                  GError **err);

void
replStreamEndUnref(ReplStreamEnd *end);

/* Whether the client ended its stream well; otherwise, once the socket is at its end, it broke it off. */
gboolean
replStreamEndIsGood(ReplStreamEnd *end);

/* Of a sparse upload that the client ended well: the hole behind all packets. */
guint64
replStreamEndHole_bytes(ReplStreamEnd *end);

/* Called by the thread that carries the bytes: they have arrived (@why NULL), or have not, for the reason
 * @why. */
void
replStreamEndTell(ReplStreamEnd *end, const GError *why);
