/*
 * peer_ends.h: a source in memory, and the two ends of a session over a socketpair, for the tests of sources on other
 * hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "copy/reader.h"
#include "endpoint/peer_source.h"
#include "endpoint/serve.h"
#include "wire/messages.h"
#include "wire_samples.h"

#define LAYER_BYTES (24u << 20)
#define HOLE_FROM (8u << 20)
#define HOLE_TO (16u << 20)

/* --- a source in memory: data, a hole, data --- */

typedef struct {
    ReplSource source;
    ReplPlanLayer layer;
    ReplLabel label;
    ReplImage *image;
    ReplSourceFacts facts;
    guint8 *bytes;
    gint held;
    gboolean changed;
    gint read_bytes;
} MemorySource;

typedef struct {
    ReplReader reader;
    MemorySource *source;
} MemoryReader;

static inline int
memoryData(ReplReader *reader, guint64 from, guint64 *offset, guint64 *length, GError **err)
{
    if (from >= LAYER_BYTES)
        return 0;
    *offset = from < HOLE_FROM ? from : MAX(from, HOLE_TO);
    *length = from < HOLE_FROM ? MIN(HOLE_FROM - from, 100000) : LAYER_BYTES - *offset;
    return 1;
}

static inline int
memoryRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemorySource *source = ((MemoryReader *)reader)->source;

    g_assert_cmpuint(offset + len, <=, LAYER_BYTES);
    memcpy(buf, source->bytes + offset, len);
    g_atomic_int_add(&source->read_bytes, len);
    return 0;
}

static inline void
memoryReaderFree(ReplReader *reader)
{
    g_free(reader);
}

static inline int
memoryDescribe(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts, GError **err)
{
    *facts = &((MemorySource *)source)->facts;
    return 0;
}

static inline int
memoryHold(ReplSource *source, GError **err)
{
    g_atomic_int_inc(&((MemorySource *)source)->held);
    return 0;
}

static inline int
memoryUnchanged(ReplSource *source, GError **err)
{
    if (!((MemorySource *)source)->changed)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, "changed");
    return -1;
}

static inline ReplReader *
memoryOpen(ReplSource *source, guint layer, GError **err)
{
    static const ReplReaderOps ops = {.data = memoryData, .pread = memoryRead, .free = memoryReaderFree};
    MemoryReader *reader = g_new0(MemoryReader, 1);

    reader->reader.ops = &ops;
    reader->source = (MemorySource *)source;
    return &reader->reader;
}

static inline gssize
memoryDigests(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
              guint8 *digests, GError **err)
{
    guint64 all = LAYER_BYTES / REPL_DIGEST_BLOCK_bytes;
    guint i;

    for (i = 0; i < count && first + i < all; i++)
        memset(digests + i * REPL_DIGEST_bytes, (first + i) % 251, REPL_DIGEST_bytes);
    return i;
}

static inline void
memoryFree(ReplSource *source)
{
    MemorySource *self = (MemorySource *)source;

    g_free(self->bytes);
    replImageFree(self->image);
    g_free(self);
}

static inline MemorySource *
memorySourceNew(void)
{
    static const ReplSourceOps ops = {.describe = memoryDescribe,
                                      .hold = memoryHold,
                                      .unchanged = memoryUnchanged,
                                      .openLayer = memoryOpen,
                                      .digests = memoryDigests,
                                      .free = memoryFree};
    MemorySource *self = g_new0(MemorySource, 1);
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);

    self->source.ops = &ops;
    self->bytes = g_malloc0(LAYER_BYTES);
    for (gsize i = 0; i < LAYER_BYTES; i += 4) {
        guint32 value = i % 3 ? g_rand_int(rand) : 0;

        if (i < HOLE_FROM || i >= HOLE_TO)
            memcpy(self->bytes + i, &value, sizeof(value));
    }
    self->image = replImageNew(SAMPLE_UUID);
    self->label.name = (char *)"cn-north-1";
    self->layer = (ReplPlanLayer){.volume = "web.qcow2",
                                  .pool = "beijing",
                                  .poolUuid = SAMPLE_UUID,
                                  .identity = {1, 2, LAYER_BYTES, 4, 5},
                                  .format = REPL_FORMAT_QCOW2,
                                  .size_bytes = LAYER_BYTES};
    self->facts = (ReplSourceFacts){.pool = "beijing",
                                    .poolUuid = SAMPLE_UUID,
                                    .label = &self->label,
                                    .volume = "web.qcow2",
                                    .image = self->image,
                                    .layers = &self->layer,
                                    .layerCount = 1};
    return self;
}

/* --- two ends --- */

typedef struct {
    MemorySource *memory;
    ReplServe *serve;
    ReplTalk *talk;
    ReplSource *source;
    int (*meddle)(ReplSession *session, ReplWireFrame *frame); /* instead of serve: 1 = done */
    ReplSession *holder;
    ReplSession *maker;
    gint opened; /* sessions */
    gint gone;
} Ends;

static inline int
holderFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    Ends *ends = opaque;

    if (ends->meddle && ends->meddle(session, frame))
        return 0;
    return replServeFrame(ends->serve, session, frame, err);
}

static inline int
makerFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    return replTalkAnswer(((Ends *)opaque)->talk, session, frame, err);
}

static inline void
holderEnded(ReplSession *session, const GError *why, void *opaque)
{
}

static inline void
makerEnded(ReplSession *session, const GError *why, void *opaque)
{
    replTalkDetach(((Ends *)opaque)->talk, session);
}

static inline void
endsRelease(void *opaque)
{
    g_atomic_int_inc(&((Ends *)opaque)->gone);
}

static inline void
endsConnect(Ends *ends)
{
    static const ReplSessionOps holder = {holderFrame, holderEnded, endsRelease};
    static const ReplSessionOps maker = {makerFrame, makerEnded, endsRelease};
    int fds[2];

    g_clear_pointer(&ends->holder, replSessionUnref);
    g_clear_pointer(&ends->maker, replSessionUnref);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    ends->holder = replSessionNew(replChannelOfSocket(fds[0]), &holder, ends);
    ends->maker = replSessionNew(replChannelOfSocket(fds[1]), &maker, ends);
    ends->opened += 2;
    replTalkAttach(ends->talk, ends->maker);
    g_assert_cmpint(replSessionStart(ends->holder, NULL), ==, 0);
    g_assert_cmpint(replSessionStart(ends->maker, NULL), ==, 0);
}

static inline Ends *
endsNew(guint wait_s)
{
    Ends *ends = g_new0(Ends, 1);

    ends->memory = memorySourceNew();
    ends->serve = replServeNew(&ends->memory->source, NULL, NULL, NULL);
    ends->talk = replTalkNew("b", wait_s, wait_s);
    ends->source = replPeerSourceNew(ends->talk, "shanghai", SAMPLE_UUID, "b", NULL);
    return ends;
}

static inline void
endsFree(Ends *ends)
{
    if (ends->maker)
        replSessionBye(ends->maker, 5000);
    g_clear_pointer(&ends->holder, replSessionUnref);
    g_clear_pointer(&ends->maker, replSessionUnref);
    replSourceFree(ends->source);
    replServeFree(ends->serve);
    /* All threads and sessions go; the talk after them: their ends tell it. */
    for (int i = 0; i < 1000 && g_atomic_int_get(&ends->gone) < ends->opened; i++)
        g_usleep(10000);
    g_assert_cmpint(g_atomic_int_get(&ends->gone), ==, ends->opened);
    replTalkUnref(ends->talk);
    replSourceFree(&ends->memory->source);
    g_free(ends);
}
