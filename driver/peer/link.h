/*
 * link.h: one open connection to a libvirt daemon on another host
 *
 * Everything here goes through libvirt's public API. Opening may block for as long as the network likes, and so
 * may every call: they happen in threads that nobody joins (calls.h). The last reference hands the
 * connection to a thread of its own, which says goodbye to the peer.
 *
 * One thread at a time makes calls on a connection, and there are no keepalive messages. libvirt before 10.3.0 leaves an event
 * source behind when a thread that waits in a call is woken by another thread's call, or by a keepalive message that is sent or
 * not answered; the next call runs that source on a stack that is gone, and the daemon may die. A peer that falls silent is
 * noticed from outside: the threads that wait for a call look whether it gets on (line.h), a peer's connector asks
 * for a sign of life (connection.h), and the kernel looks whether the other host is there (cord.h). When no thread waits for a call
 * any more its connection is cut, and the call returns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "base/lock.h"
#include "peer/calls.h"
#include "peer/cord.h"
#include "peer/uri.h"

/* How long a connection that is opened for one job or one call dials. */
#define REPL_LINK_DIAL_s 3

/* What libvirt tells about a connection, in its event loop or in any thread that is in a call: these return at once,
 * and call nothing of libvirt. */
typedef struct {
    void (*closed)(guint64 id, const char *why, gpointer opaque);
    void (*poolEvent)(const char *pool, gpointer opaque); /* something happened to a pool there */
    gpointer (*ref)(gpointer opaque);
    void (*unref)(gpointer opaque);
    gpointer opaque;
} ReplLinkWatch;

/* The fields are fixed when it is open, but for servesHosts and the last two. */
typedef struct {
    gatomicrefcount refs;
    guint64 id; /* no other connection of this daemon has it */
    ReplPeerTransport transport;
    char *uri;
    virConnectPtr conn; /* replLinkIsOpen() alone may be asked beside a call */
    ReplCord *cord;
    char *daemonId;     /* of the module there; NULL: there is none */
    gint servesHosts;   /* atomic: whether it announced to serve other hosts when it was last asked */
    char *wireVersions; /* as the module announces them, separated by blanks; NULL: none */
    char *libvirt;      /* version of libvirt there, "9.0.0"; NULL: it does not say */
    gboolean closeWatched;
    int eventIds[2]; /* -1: none */

    ReplCalls *calls; /* of calls that share it: one thread */

    ReplLock lock;     /* guards the table */
    GHashTable *pools; /* name -> virStoragePool, looked up on this connection */
} ReplLink;

/* Once, before the first link: the id of this daemon, which no link leads to. */
void
replLinksStart(const char *daemonId);

/* Of links that are opened from now on: a host that is silent for so long is gone. */
void
replLinksSetSilence(guint silent_s);

/* Opens @uri: never asks anybody anything, takes no alias, looks for a module there. Before libvirt, which knows no
 * time-out, is set to connect, anything has to answer at the port within @dial_s seconds (0: this is not looked at). @watch (NULL:
 * nobody) is told what happens later. NULL with @err set, which names the URI and what libvirt said. */
ReplLink *
replLinkOpen(const ReplPeerUri *uri, guint64 id, guint dial_s, const ReplLinkWatch *watch, GError **err);

ReplLink *
replLinkRef(ReplLink *link);

void
replLinkUnref(ReplLink *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLink, replLinkUnref)

/* Whether libvirt still calls it alive; sends nothing to the peer. */
gboolean
replLinkIsOpen(ReplLink *link);

/* The pool @name there, looked up once for each connection; the caller frees it. NULL with @err set. */
virStoragePoolPtr
replLinkPool(ReplLink *link, const char *name, GError **err);

/* Asks a module that served no other hosts whether it does now. A call on the connection. */
void
replLinkAskServes(ReplLink *link);

/* Forgets the look-up: the pool is another one now, or gone. */
void
replLinkForgetPool(ReplLink *link, const char *name);

/* Cuts the connection, as if the peer had closed it: a call that hangs on it returns with an error. In any thread; nothing
 * where libvirt's way to the peer is not known. */
void
replLinkCut(ReplLink *link);

/* Frees a stream on @link. @well: it has been finished; any other one is aborted, or the connection would keep it. The
 * connection is cut when the peer takes long to agree, or goes on sending. */
void
replLinkEndStream(ReplLink *link, virStreamPtr stream, gboolean well);

/* Takes the thread's libvirt error as what the peer at @uri said. @opening: while connecting, when all that libvirt
 * does not know as a matter of authentication is VIR_ERR_NO_CONNECT. */
void
replLinkTakeError(const char *uri, ReplPeerTransport transport, gboolean opening, GError **err);
