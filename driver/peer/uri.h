/*
 * uri.h: which URIs the daemon opens as a peer
 *
 * The daemon is root and lends nobody its rights: a URI that could run a program here, read another
 * key or skip a check is taken only when the administrator has named it in the configuration. Pure.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef enum {
    REPL_PEER_TLS,
    REPL_PEER_SSH,
    REPL_PEER_TCP,
    REPL_PEER_UNIX,
    REPL_PEER_OTHER, /* one that only the configuration lets in */
} ReplPeerTransport;

/* Immutable. */
typedef struct {
    char *text; /* as it was written */
    char *open; /* what libvirt gets: the same, with what keeps ssh from asking at a terminal */
    ReplPeerTransport transport;
    char *host; /* NULL: none; without the brackets of an IPv6 address */
    guint port; /* that connections go to; 0: only the transport knows */
} ReplPeerUri;

/* @allowed: the URIs that the configuration names, separated by blanks; NULL: none. NULL with @err
 * (VIR_ERR_INVALID_ARG for one that is none, VIR_ERR_OPERATION_DENIED for one that is not let in)
 * set. */
ReplPeerUri *
replPeerUriParse(const char *text, const char *allowed, GError **err);

/* The URI of a pool that names only a host, perhaps with a port (0: none). NULL with @err set when
 * it is no name of a host. */
char *
replPeerUriOfHost(const char *host, guint port, GError **err);

ReplPeerUri *
replPeerUriCopy(const ReplPeerUri *uri);

void
replPeerUriFree(ReplPeerUri *uri);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerUri, replPeerUriFree)
