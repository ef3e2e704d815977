/*
 * peer_ask.c: questions to the other host, asked until a session lasts long enough for the answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "endpoint/peersourcepriv.h"

const ReplWireLayer *
replPeerSourceLayerOf(const ReplWireChain *chain, guint index)
{
    return g_ptr_array_index(chain->layers, index);
}

/* --- one question --- */

/* As replTalkHear: 1, 0 for a lost session, -1. */
static int
replPeerSourceOnce(ReplPeerSource *self, guint64 number, ReplWireType type, GByteArray *payload,
                   ReplWireType expected, ReplWireFrame *answer, GError **err)
{
    ReplAsked asked;
    int rc = replTalkAsk(self->talk, number, type, payload, 0, &asked, err);

    return rc <= 0 ? rc : replTalkHear(self->talk, &asked, expected, answer, err);
}

static int
replPeerSourceChanged(const ReplPeerSource *self, const ReplWireLayer *layer, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' of pool '%s' on host '%s' was changed while it was replicated"),
                 layer->volume, layer->pool, self->host);
    return -1;
}

/* What a new session says must be what the first one said. */
static int
replPeerSourceCompare(const ReplPeerSource *self, const ReplWireChain *now, GError **err)
{
    const ReplWireChain *was = self->chain;

    for (guint i = 0; i < MAX(was->layers->len, now->layers->len); i++) {
        const ReplWireLayer *a = i < was->layers->len ? replPeerSourceLayerOf(was, i) : NULL;
        const ReplWireLayer *b = i < now->layers->len ? replPeerSourceLayerOf(now, i) : NULL;

        if (a && b && g_str_equal(a->volume, b->volume) && g_str_equal(a->poolUuid, b->poolUuid) &&
            replFileIdentityEqual(&a->identity, &b->identity))
            continue;
        return replPeerSourceChanged(self, a ? a : b, err);
    }
    return 0;
}

/* With the lock held: 1, 0 for a lost session, -1. */
static int
replPeerSourceDescribeIn(ReplPeerSource *self, guint64 number, GError **err)
{
    g_auto(ReplWireFrame) answer = {0};
    g_autoptr(ReplWireChain) chain = NULL;
    int rc = replPeerSourceOnce(self, number, REPL_WIRE_DESCRIBE, NULL, REPL_WIRE_CHAIN, &answer, err);

    if (rc <= 0)
        return rc;
    if (!(chain = replWireChainRead(answer.payload, err)))
        return -1;
    if (self->chain)
        return replPeerSourceCompare(self, chain, err) < 0 ? -1 : 1;
    self->chain = g_steal_pointer(&chain);
    return 1;
}

static int
replPeerSourceHoldIn(ReplPeerSource *self, guint64 number, GError **err)
{
    g_auto(ReplWireFrame) answer = {0};

    return replPeerSourceOnce(self, number, REPL_WIRE_HOLD, NULL, REPL_WIRE_OK, &answer, err);
}

/* The layer that is being read is made on demand, and the other host may have been started anew: has it made again, or found,
 * and compares. As above. */
static int
replPeerSourceMakeIn(ReplPeerSource *self, guint64 number, GError **err)
{
    const ReplWireRange range = {.layer = (guint32)self->made};
    g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
    g_auto(ReplWireFrame) answer = {0};
    ReplWireMade now;
    int rc = replPeerSourceOnce(self, number, REPL_WIRE_MAKE, payload, REPL_WIRE_MADE, &answer, err);

    if (rc <= 0)
        return rc;
    if (replWireMadeRead(answer.payload, &now, err) < 0)
        return -1;
    if (now.making == self->making)
        return 1;
    return replPeerSourceChanged(self, replPeerSourceLayerOf(self->chain, range.layer), err);
}

/* Makes session @number good for questions. 1, 0 for a lost session, -1. */
static int
replPeerSourcePrepare(ReplPeerSource *self, guint64 number, GError **err)
{
    int rc;
    REPL_GUARD(&self->lock);

    if (self->prepared == number)
        return 1;
    if ((rc = replPeerSourceDescribeIn(self, number, err)) <= 0)
        return rc;
    if (self->held && (rc = replPeerSourceHoldIn(self, number, err)) <= 0)
        return rc;
    if (self->made >= 0 && (rc = replPeerSourceMakeIn(self, number, err)) <= 0)
        return rc;
    self->prepared = number;
    return 1;
}

guint64
replPeerSourceSession(ReplPeerSource *self, GError **err)
{
    for (;;) {
        guint64 number = replTalkWait(self->talk, err);
        int rc;

        if (number == 0 || (rc = replPeerSourcePrepare(self, number, err)) < 0)
            return 0;
        if (rc > 0)
            return number;
    }
}

int
replPeerSourceAsk(ReplPeerSource *self, ReplWireType type, GByteArray *payload, ReplWireType expected,
                  ReplWireFrame *answer, GError **err)
{
    for (;;) {
        guint64 number = replPeerSourceSession(self, err);
        int rc;

        if (number == 0 || (rc = replPeerSourceOnce(self, number, type, payload, expected, answer, err)) < 0)
            return -1;
        if (rc > 0)
            return 0;
    }
}
