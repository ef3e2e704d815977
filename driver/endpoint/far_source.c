/*
 * far_source.c: an image of a pool of type region as a source, whatever its host is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/far_source.h"

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/peer_pull.h"
#include "endpoint/stock_source.h"
#include "peer/kind.h"
#include "virt/access.h"

/* Of the time that a call waits for a peer, and how often it is asked. */
#define REPL_FAR_FIRST 3
#define REPL_FAR_AGAIN_us (G_USEC_PER_SEC / 4)

typedef struct {
    ReplSource base;
    char *poolUuid; /* these two are fixed */
    char *volume;

    ReplLock lock;     /* guards these two, for cancel; inner is set once, by the owner's thread */
    ReplSource *inner; /* NULL: not known yet */
    gboolean cancelled;

    ReplTraffic *traffic; /* the owner's; NULL: nobody is told */
} ReplFarSource;

static gboolean
replFarSourceIsCancelled(ReplFarSource *self)
{
    REPL_GUARD(&self->lock);

    return self->cancelled;
}

/* As replPeerHasModule(), but that a peer which is being started, as after a restart of both hosts, is waited for. */
static int
replFarSourceAsk(ReplFarSource *self, const ReplPeerPoolEntry *entry, GError **err)
{
    gint64 until_us = g_get_monotonic_time() + replPeersWait_s() * REPL_FAR_FIRST * G_USEC_PER_SEC;

    for (;;) {
        g_autoptr(GError) why = NULL;
        int module = replPeerHasModule(entry, &why);

        if (module >= 0)
            return module;
        if (!g_error_matches(why, REPL_ERROR, VIR_ERR_NO_CONNECT) || g_get_monotonic_time() >= until_us ||
            replPeersStopping() || replFarSourceIsCancelled(self)) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        g_usleep(REPL_FAR_AGAIN_us);
    }
}

static ReplSource *
replFarSourceMake(ReplFarSource *self, GError **err)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    int module;

    if (!replUuidParse(self->poolUuid, uuid) || !(entry = replPeerPoolsFind(uuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("There is no pool of type 'region' with UUID '%s' any more"), self->poolUuid);
        return NULL;
    }
    if ((module = replFarSourceAsk(self, entry, err)) < 0)
        return NULL;
    return module ? replPeerPullSource(self->poolUuid, self->volume)
                  : replStockSourceNew(self->poolUuid, self->volume);
}

/* The source of the peer's kind; NULL with @err set. */
static ReplSource *
replFarSourceOf(ReplFarSource *self, GError **err)
{
    ReplSource *inner;

    if (self->inner)
        return self->inner;
    if (!(inner = replFarSourceMake(self, err)))
        return NULL;
    if (self->traffic)
        replSourceWatch(inner, self->traffic);
    REPL_GUARD(&self->lock);
    self->inner = inner;
    if (self->cancelled)
        replSourceCancel(inner);
    return inner;
}

static int
replFarSourceHold(ReplSource *base, GError **err)
{
    ReplSource *inner = replFarSourceOf((ReplFarSource *)base, err);

    return inner ? replSourceHold(inner, err) : -1;
}

static int
replFarSourceDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts,
                      GError **err)
{
    ReplSource *inner = replFarSourceOf((ReplFarSource *)base, err);

    return inner ? replSourceDescribe(inner, request, facts, err) : -1;
}

static int
replFarSourceUnchanged(ReplSource *base, GError **err)
{
    ReplSource *inner = replFarSourceOf((ReplFarSource *)base, err);

    return inner ? replSourceUnchanged(inner, err) : -1;
}

static ReplReader *
replFarSourceOpenLayer(ReplSource *base, guint layer, GError **err)
{
    ReplSource *inner = replFarSourceOf((ReplFarSource *)base, err);

    return inner ? replSourceOpenLayer(inner, layer, err) : NULL;
}

static gssize
replFarSourceDigests(ReplSource *base, guint layer, ReplDigestLevel level, guint64 first, guint count,
                     guint8 *digests, GError **err)
{
    ReplSource *inner = replFarSourceOf((ReplFarSource *)base, err);

    return inner ? replSourceDigests(inner, layer, level, first, count, digests, err) : -1;
}

static ReplChain *
replFarSourceChain(ReplSource *base)
{
    ReplFarSource *self = (ReplFarSource *)base;

    return self->inner ? replSourceChain(self->inner) : NULL;
}

static void
replFarSourceCancel(ReplSource *base)
{
    ReplFarSource *self = (ReplFarSource *)base;
    REPL_GUARD(&self->lock);

    self->cancelled = TRUE;
    if (self->inner)
        replSourceCancel(self->inner);
}

static void
replFarSourceWatch(ReplSource *base, ReplTraffic *traffic)
{
    ReplFarSource *self = (ReplFarSource *)base;

    replTrafficUnref(self->traffic);
    self->traffic = replTrafficRef(traffic);
    if (self->inner)
        replSourceWatch(self->inner, traffic);
}

static void
replFarSourceFree(ReplSource *base)
{
    ReplFarSource *self = (ReplFarSource *)base;

    replSourceFree(self->inner);
    replTrafficUnref(self->traffic);
    replLockClear(&self->lock);
    g_free(self->poolUuid);
    g_free(self->volume);
    g_free(self);
}

ReplSource *
replFarSource(const char *poolUuid, const char *volume)
{
    static const ReplSourceOps ops = {
        .hold = replFarSourceHold,
        .describe = replFarSourceDescribe,
        .unchanged = replFarSourceUnchanged,
        .openLayer = replFarSourceOpenLayer,
        .digests = replFarSourceDigests,
        .chain = replFarSourceChain,
        .cancel = replFarSourceCancel,
        .watch = replFarSourceWatch,
        .free = replFarSourceFree,
    };
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    ReplFarSource *self;

    if (!replUuidParse(poolUuid, uuid) || !(entry = replPeerPoolsFind(uuid)))
        return NULL;
    self = g_new0(ReplFarSource, 1);
    self->base.ops = &ops;
    self->poolUuid = g_strdup(poolUuid);
    self->volume = g_strdup(volume);
    replLockInit(&self->lock);
    return &self->base;
}
