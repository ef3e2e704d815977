/*
 * cord.h: the kernel's end of a connection to another host: its TCP socket, or the ssh that carries it
 *
 * libvirt hands out neither, and its calls have no limit in time. By the cord
 *   - the kernel breaks a connection whose packets vanish: it asks the other host's kernel for a sign of life, which one
 *     that is busy with a long call gives, too;
 *   - a thread is brought back out of a call: its connection is cut as if the peer had closed it;
 *   - what a peer sends is counted, whether or not a thread has taken it from libvirt.
 *
 * It is found by what has come while libvirt opened the connection: a socket to the peer's port, or a child called ssh of
 * the opening thread. Where that is not one alone (a connection that is opened beside it for more than a second, an ssh that
 * shares a connection, a UNIX socket) there is no cord, and everything here does nothing.
 *
 * Owner: the connection (link.h).
 * Lock:  none. replCordFind() and replCordTie() are called before the connection is known to other threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/uri.h"

typedef struct _ReplCord ReplCord;

/* In the thread that is going to open a connection to @uri. A host that is silent for @silent_s seconds is gone. */
ReplCord *
replCordFind(const ReplPeerUri *uri, guint silent_s);

/* While it is opened, in any thread: from now on the kernel looks whether the other host is there. */
void
replCordMind(ReplCord *cord);

/* In the thread that has opened it, successfully (@open) or not. Once. */
void
replCordTie(ReplCord *cord, gboolean open);

/* Cuts the connection. In any thread. */
void
replCordCut(ReplCord *cord);

/* How much has come over it so far; 0: not known. In any thread. */
guint64
replCordReceived_bytes(const ReplCord *cord);

/* When libvirt has closed the connection. */
void
replCordFree(ReplCord *cord);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCord, replCordFree)
