/*
 * peersourcepriv.h: what the source on another host and its readers share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "endpoint/peer_source.h"
#include "peer/caller.h"
#include "wire/messages.h"

typedef struct {
    ReplSource source;

    /* fixed */
    ReplTalk *talk;
    char *pool;
    char *poolUuid;
    char *host;
    ReplCaller *caller; /* keeps sessions open; NULL: the other host opens them */

    ReplLock lock; /* guards these; chain does not change once it is there */
    ReplWireChain *chain;
    guint64 prepared; /* number of the session, 0: none */
    gboolean held;
    gint made;      /* the layer that was made on demand last, -1: none */
    guint64 making; /* which making of it that is */

    /* The owning thread's; layers are there once it has described. */
    ReplPlanLayer *layers;
    GPtrArray *members; /* of ReplImage, borrowed from the chain */
    ReplLabel label;
    ReplSourceFacts facts;
} ReplPeerSource;

const ReplWireLayer *
replPeerSourceLayerOf(const ReplWireChain *chain, guint index);

/* Waits for a session and prepares it; its number, or 0 with @err set. */
guint64
replPeerSourceSession(ReplPeerSource *self, GError **err);

/* A question, asked until a session lasts long enough for the answer. Returns 0, or -1 with @err set. */
int
replPeerSourceAsk(ReplPeerSource *self, ReplWireType type, GByteArray *payload, ReplWireType expected,
                  ReplWireFrame *answer, GError **err);

/* openLayer of the table. */
ReplReader *
replPeerReaderNew(ReplSource *source, guint layer, GError **err);
