/*
 * peer_source.c: a source on another host that has the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/peer_source.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "copy/reader.h"
#include "endpoint/peersourcepriv.h"
#include "peer/rate.h"
#include "wire/messages.h"

/* --- the table --- */

/* The data disk whose layers begin with layer @first, or NULL: it stands in the chain of the disk before. */
static const ReplWireDisk *
replPeerSourceDiskAt(const ReplWireChain *chain, guint next, guint first)
{
    const ReplWireDisk *disk = next < chain->disks->len ? g_ptr_array_index(chain->disks, next) : NULL;

    return disk && disk->first == first ? disk : NULL;
}

static void
replPeerSourceFacts(ReplPeerSource *self)
{
    const ReplWireChain *chain = self->chain;
    guint count = chain->layers->len;

    self->layers = g_new0(ReplPlanLayer, count);
    self->members = g_ptr_array_new();
    for (guint i = 0; i < count; i++) {
        const ReplWireLayer *wire = replPeerSourceLayerOf(chain, i);
        const ReplWireDisk *disk = replPeerSourceDiskAt(chain, self->members->len, i);

        if (disk)
            g_ptr_array_add(self->members, disk->image);

        self->layers[i] = (ReplPlanLayer){
            .volume = wire->volume,
            .pool = wire->pool,
            .poolUuid = self->poolUuid,
            .identity = wire->identity,
            .format = wire->format,
            .encrypted = wire->encrypted,
            .compressed = wire->compressed,
            .snapshotCount = wire->snapshotCount,
            .bitmapCount = wire->bitmapCount,
            .size_bytes = wire->identity.size_bytes,
            .allocated_bytes = wire->allocated_bytes,
            .virtualSize_bytes = wire->virtualSize_bytes,
            .byQemu = !wire->exact,
            .secretUsage = wire->secretUsage,
            .onDemand = wire->onDemand,
            .lostSnapshots = wire->lostSnapshots,
            .lostBitmaps = wire->lostBitmaps,
            .disk = self->members->len,
        };
    }
    self->label = (ReplLabel){.name = chain->region,
                              .project = chain->project ? chain->project : (char *)"default",
                              .quota = {-1, -1, -1}};
    self->facts = (ReplSourceFacts){
        .pool = self->pool ? self->pool : chain->pool,
        .poolUuid = self->poolUuid,
        .label = &self->label,
        .volume = self->layers[0].volume,
        .image = chain->image,
        .layers = self->layers,
        .layerCount = count,
        .members = (const ReplImage *const *)self->members->pdata,
        .memberCount = self->members->len,
    };
    for (guint i = 0; i < count; i++)
        self->facts.formed = self->facts.formed || self->layers[i].onDemand;
}

static int
replPeerSourceDescribe(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts,
                       GError **err)
{
    ReplPeerSource *self = (ReplPeerSource *)source;

    (void)request;
    if (replPeerSourceSession(self, err) == 0)
        return -1;
    if (!self->layers)
        replPeerSourceFacts(self);
    *facts = &self->facts;
    return 0;
}

static int
replPeerSourceHold(ReplSource *source, GError **err)
{
    ReplPeerSource *self = (ReplPeerSource *)source;
    g_auto(ReplWireFrame) answer = {0};

    if (replPeerSourceAsk(self, REPL_WIRE_HOLD, NULL, REPL_WIRE_OK, &answer, err) < 0)
        return -1;
    REPL_GUARD(&self->lock);
    self->held = TRUE;
    return 0;
}

static int
replPeerSourceUnchanged(ReplSource *source, GError **err)
{
    g_auto(ReplWireFrame) answer = {0};

    return replPeerSourceAsk((ReplPeerSource *)source, REPL_WIRE_CHECK, NULL, REPL_WIRE_OK, &answer, err);
}

static gssize
replPeerSourceDigests(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
                      guint8 *digests, GError **err)
{
    ReplPeerSource *self = (ReplPeerSource *)source;
    guint done = 0;

    if (level != REPL_DIGEST_BLOCKS)
        return 0;
    while (done < count) {
        ReplWireRange range = {layer, (first + done) * REPL_WIRE_BLOCK_BYTES,
                               MIN(count - done, REPL_WIRE_DIGESTS_MAX)};
        g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
        g_auto(ReplWireFrame) answer = {0};
        const guint8 *got;
        guint part;

        if (replPeerSourceAsk(self, REPL_WIRE_DIGESTS, payload, REPL_WIRE_DIGEST_LIST, &answer, err) < 0 ||
            !(got = replWireDigestsRead(answer.payload, &part, err)))
            return -1;
        if (part > range.length_bytes) {
            replErrorSet(err, VIR_ERR_RPC, _("Host '%s' sent %u digests where %u were asked for"), self->host,
                         part, range.length_bytes);
            return -1;
        }
        memcpy(digests + (gsize)done * REPL_WIRE_DIGEST_BYTES, got, (gsize)part * REPL_WIRE_DIGEST_BYTES);
        done += part;
        if (part < range.length_bytes)
            break;
    }
    return done;
}

static int
replPeerSourceMakeLayer(ReplSource *source, guint layer, ReplSourceMade *made, GError **err)
{
    ReplPeerSource *self = (ReplPeerSource *)source;
    const ReplWireRange range = {.layer = layer};
    g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
    g_auto(ReplWireFrame) answer = {0};
    ReplWireMade told;

    if (replPeerSourceAsk(self, REPL_WIRE_MAKE, payload, REPL_WIRE_MADE, &answer, err) < 0 ||
        replWireMadeRead(answer.payload, &told, err) < 0)
        return -1;
    *made = (ReplSourceMade){told.making, told.size_bytes};
    self->layers[layer].size_bytes = told.size_bytes;
    REPL_GUARD(&self->lock);
    self->made = (gint)layer;
    self->making = told.making;
    return 0;
}

static int
replPeerSourceNewKey(ReplSource *source, guint layer, ReplSourceKey *key, GError **err)
{
    const ReplWireRange range = {.layer = layer};
    g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
    g_auto(ReplWireFrame) answer = {0};

    if (replPeerSourceAsk((ReplPeerSource *)source, REPL_WIRE_KEY, payload, REPL_WIRE_KEY_HEADER, &answer,
                          err) < 0)
        return -1;
    return (key->header = replWireKeyRead(answer.payload, &key->header_bytes, err)) ? 0 : -1;
}

static void
replPeerSourceCancel(ReplSource *source)
{
    replTalkCancel(((ReplPeerSource *)source)->talk);
}

/* A host that this one calls goes by the name of its pool here. */
static void
replPeerSourceWatch(ReplSource *source, ReplTraffic *traffic)
{
    ReplPeerSource *self = (ReplPeerSource *)source;

    replTalkWatch(self->talk, traffic, self->caller ? self->pool : self->host);
    if (self->caller)
        replTrafficLink(traffic, replRateSeen(self->host));
}

static void
replPeerSourceBePatient(ReplSource *source)
{
    replTalkBePatient(((ReplPeerSource *)source)->talk);
}

static void
replPeerSourceFree(ReplSource *source)
{
    ReplPeerSource *self = (ReplPeerSource *)source;

    if (self->caller) {
        replCallerStop(self->caller);
        replCallerUnref(self->caller);
    }
    replTalkUnref(self->talk);
    g_clear_pointer(&self->chain, replWireChainFree);
    g_free(self->layers);
    g_clear_pointer(&self->members, g_ptr_array_unref);
    g_free(self->pool);
    g_free(self->poolUuid);
    g_free(self->host);
    replLockClear(&self->lock);
    g_free(self);
}

ReplSource *
replPeerSourceNew(ReplTalk *talk, const char *pool, const char *poolUuid, const char *host,
                  ReplCaller *caller)
{
    static const ReplSourceOps ops = {
        .describe = replPeerSourceDescribe,
        .hold = replPeerSourceHold,
        .unchanged = replPeerSourceUnchanged,
        .openLayer = replPeerReaderNew,
        .digests = replPeerSourceDigests,
        .makeLayer = replPeerSourceMakeLayer,
        .newKey = replPeerSourceNewKey,
        .cancel = replPeerSourceCancel,
        .watch = replPeerSourceWatch,
        .bePatient = replPeerSourceBePatient,
        .free = replPeerSourceFree,
    };
    ReplPeerSource *self = g_new0(ReplPeerSource, 1);

    self->source.ops = &ops;
    self->talk = replTalkRef(talk);
    self->pool = g_strdup(pool);
    self->poolUuid = g_strdup(poolUuid);
    self->host = g_strdup(host);
    self->caller = caller;
    self->made = -1;
    replLockInit(&self->lock);
    replTalkReopen(talk);
    return &self->source;
}
