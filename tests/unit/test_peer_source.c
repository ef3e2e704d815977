/*
 * test_peer_source.c: a source on another host, over a socketpair that breaks, lies and stalls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
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

static int
memoryData(ReplReader *reader, guint64 from, guint64 *offset, guint64 *length, GError **err)
{
    if (from >= LAYER_BYTES)
        return 0;
    *offset = from < HOLE_FROM ? from : MAX(from, HOLE_TO);
    *length = from < HOLE_FROM ? MIN(HOLE_FROM - from, 100000) : LAYER_BYTES - *offset;
    return 1;
}

static int
memoryRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemorySource *source = ((MemoryReader *)reader)->source;

    g_assert_cmpuint(offset + len, <=, LAYER_BYTES);
    memcpy(buf, source->bytes + offset, len);
    g_atomic_int_add(&source->read_bytes, len);
    return 0;
}

static void
memoryReaderFree(ReplReader *reader)
{
    g_free(reader);
}

static int
memoryDescribe(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts, GError **err)
{
    *facts = &((MemorySource *)source)->facts;
    return 0;
}

static int
memoryHold(ReplSource *source, GError **err)
{
    g_atomic_int_inc(&((MemorySource *)source)->held);
    return 0;
}

static int
memoryUnchanged(ReplSource *source, GError **err)
{
    if (!((MemorySource *)source)->changed)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, "changed");
    return -1;
}

static ReplReader *
memoryOpen(ReplSource *source, guint layer, GError **err)
{
    static const ReplReaderOps ops = {.data = memoryData, .pread = memoryRead, .free = memoryReaderFree};
    MemoryReader *reader = g_new0(MemoryReader, 1);

    reader->reader.ops = &ops;
    reader->source = (MemorySource *)source;
    return &reader->reader;
}

static gssize
memoryDigests(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
              guint8 *digests, GError **err)
{
    guint64 all = LAYER_BYTES / REPL_DIGEST_BLOCK_bytes;
    guint i;

    for (i = 0; i < count && first + i < all; i++)
        memset(digests + i * REPL_DIGEST_bytes, (first + i) % 251, REPL_DIGEST_bytes);
    return i;
}

static void
memoryFree(ReplSource *source)
{
    MemorySource *self = (MemorySource *)source;

    g_free(self->bytes);
    replImageFree(self->image);
    g_free(self);
}

static MemorySource *
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

static int
holderFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    Ends *ends = opaque;

    if (ends->meddle && ends->meddle(session, frame))
        return 0;
    return replServeFrame(ends->serve, session, frame, err);
}

static int
makerFrame(ReplSession *session, ReplWireFrame *frame, void *opaque, GError **err)
{
    return replTalkAnswer(((Ends *)opaque)->talk, session, frame, err);
}

static void
holderEnded(ReplSession *session, const GError *why, void *opaque)
{
}

static void
makerEnded(ReplSession *session, const GError *why, void *opaque)
{
    replTalkDetach(((Ends *)opaque)->talk, session);
}

static void
endsRelease(void *opaque)
{
    g_atomic_int_inc(&((Ends *)opaque)->gone);
}

static void
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

static Ends *
endsNew(guint wait_s)
{
    Ends *ends = g_new0(Ends, 1);

    ends->memory = memorySourceNew();
    ends->serve = replServeNew(&ends->memory->source, NULL, NULL, NULL);
    ends->talk = replTalkNew("b", wait_s, wait_s);
    ends->source = replPeerSourceNew(ends->talk, "shanghai", SAMPLE_UUID, "b", NULL);
    return ends;
}

static void
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

/* --- a whole layer, by four threads as the copy engine does --- */

typedef struct {
    ReplReader *reader;
    guint8 *got;
    gint next; /* MiB */
    gint failed;
} Fetch;

static void *
fetchRun(void *opaque)
{
    Fetch *fetch = opaque;
    g_autofree guint8 *buffer = g_malloc((2u << 20) + REPL_READER_SLACK_BYTES);

    for (;;) {
        gsize at = (gsize)g_atomic_int_add(&fetch->next, 2) << 20;

        if (at >= LAYER_BYTES)
            return NULL;
        if (replReaderRead(fetch->reader, buffer, 2u << 20, at, NULL) < 0)
            g_atomic_int_inc(&fetch->failed);
        memcpy(fetch->got + at, buffer, 2u << 20);
    }
}

static void
fetchAll(Ends *ends, void (*meanwhile)(Ends *ends))
{
    g_autofree guint8 *got = g_malloc0(LAYER_BYTES);
    g_autoptr(GError) err = NULL;
    const ReplSourceFacts *facts = NULL;
    g_autoptr(ReplReader) reader = NULL;
    GThread *threads[4];
    Fetch fetch = {.got = got};

    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, &err), ==, 0);
    g_assert_cmpint(replSourceHold(ends->source, &err), ==, 0);
    g_assert_nonnull(reader = replSourceOpenLayer(ends->source, 0, &err));
    fetch.reader = reader;
    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("fetch", fetchRun, &fetch);
    if (meanwhile)
        meanwhile(ends);
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(fetch.failed, ==, 0);
    g_assert_cmpmem(got, LAYER_BYTES, ends->memory->bytes, LAYER_BYTES);
    g_assert_cmpint(replSourceUnchanged(ends->source, &err), ==, 0);
}

static void
testFacts(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;

    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
    g_assert_cmpstr(facts->pool, ==, "shanghai");
    g_assert_cmpstr(facts->label->name, ==, "cn-north-1");
    g_assert_cmpuint(facts->layerCount, ==, 1);
    g_assert_cmpuint(facts->layers[0].size_bytes, ==, LAYER_BYTES);
    g_assert_cmpint(facts->layers[0].format, ==, REPL_FORMAT_QCOW2);
    endsFree(ends);
}

static void
testWhole(void)
{
    Ends *ends = endsNew(10);
    g_autoptr(ReplTraffic) traffic = replTrafficNew();

    endsConnect(ends);
    replSourceWatch(ends->source, traffic);
    fetchAll(ends, NULL);
    /* Compressed only where the network is slower; never more than there is. */
    g_assert_cmpuint(replTrafficBytes(traffic), >, LAYER_BYTES / 50);
    g_assert_cmpuint(replTrafficBytes(traffic), <, LAYER_BYTES + LAYER_BYTES / 50);
    endsFree(ends);
}

static void
cutOften(Ends *ends)
{
    for (int i = 0; i < 10; i++) {
        g_usleep(3000);
        replSessionEnd(i % 2 ? ends->maker : ends->holder, NULL);
        if (i % 3 == 0)
            g_usleep(20000);
        endsConnect(ends);
    }
}

/* What was asked and is lost is asked again; the source stays held from one session to the next. */
static void
testCuts(void)
{
    Ends *ends = endsNew(10);

    endsConnect(ends);
    fetchAll(ends, cutOften);
    g_assert_cmpint(ends->memory->held, ==, 1);
    g_assert_cmpint(ends->memory->read_bytes, <, (gint)(LAYER_BYTES + 10 * (8u << 20)));
    endsFree(ends);
}

/* A source that is another one after the cut fails the job. */
static void
testChangedWhileAway(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;

    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
    ends->memory->layer.identity.mtime_ns++;
    endsConnect(ends);
    g_assert_cmpint(replSourceHold(ends->source, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    endsFree(ends);
}

static void
testChangedLate(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;

    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
    ends->memory->changed = TRUE;
    g_assert_cmpint(replSourceUnchanged(ends->source, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_cmpstr(err->message, ==, "changed");
    endsFree(ends);
}

static void
testRunsAndHoles(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(ReplReader) reader = NULL;
    guint64 data = 0;
    guint64 at = 0;
    guint64 offset, length;

    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
    g_assert_nonnull(reader = replSourceOpenLayer(ends->source, 0, NULL));
    while (replReaderData(reader, at, &offset, &length, NULL) == 1) {
        g_assert_cmpuint(offset + length, >, at);
        data += offset + length - MAX(offset, at);
        at = offset + length;
    }
    g_assert_cmpuint(data, ==, LAYER_BYTES - (HOLE_TO - HOLE_FROM));
    /* And once more from the middle of the hole. */
    g_assert_cmpint(replReaderData(reader, HOLE_FROM + 5, &offset, &length, NULL), ==, 1);
    g_assert_cmpuint(offset, ==, HOLE_TO);
    g_clear_pointer(&reader, replReaderFree);
    endsFree(ends);
}

static void
testDigests(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;
    guint8 digests[20 * REPL_DIGEST_bytes];

    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
    g_assert_cmpint(replSourceDigests(ends->source, 0, REPL_DIGEST_BLOCKS, 370, 20, digests, NULL), ==, 14);
    g_assert_cmpuint(digests[13 * REPL_DIGEST_bytes], ==, 383 % 251);
    endsFree(ends);
}

/* Nobody comes: the one who asks is told after the time, not before. */
static void
testNobody(void)
{
    Ends *ends = endsNew(1);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;
    gint64 began = g_get_monotonic_time();

    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_CONNECT);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, G_USEC_PER_SEC);
    endsFree(ends);
}

static void *
cancelSoon(void *opaque)
{
    g_usleep(50000);
    replSourceCancel(opaque);
    return NULL;
}

static void
testCancel(void)
{
    Ends *ends = endsNew(1000);
    GThread *thread = g_thread_new("cancel", cancelSoon, ends->source);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    g_thread_join(thread);
    endsFree(ends);
}

/* --- a peer that lies --- */

static int
lieOtherRange(ReplSession *session, ReplWireFrame *frame)
{
    ReplWireRange range;
    g_autoptr(GByteArray) data = NULL;

    if (frame->type != REPL_WIRE_READ)
        return 0;
    g_assert_cmpint(replWireRangeRead(frame->payload, &range, NULL), ==, 0);
    range.offset_bytes += 4096;
    data = replWireDataNew(&range);
    memset(data->data + REPL_WIRE_DATA_HEAD_BYTES, 0, range.length_bytes);
    replWireDataSeal(data);
    replSessionSend(session, REPL_WIRE_DATA, frame->id, data, FALSE);
    return 1;
}

static int
lieWrongSum(ReplSession *session, ReplWireFrame *frame)
{
    ReplWireRange range;
    g_autoptr(GByteArray) data = NULL;

    if (frame->type != REPL_WIRE_READ)
        return 0;
    g_assert_cmpint(replWireRangeRead(frame->payload, &range, NULL), ==, 0);
    data = replWireDataNew(&range);
    memset(data->data + REPL_WIRE_DATA_HEAD_BYTES, 0, range.length_bytes);
    replWireDataSeal(data);
    data->data[REPL_WIRE_DATA_HEAD_BYTES + 77] ^= 1;
    replSessionSend(session, REPL_WIRE_DATA, frame->id, data, FALSE);
    return 1;
}

static int
lieOtherMessage(ReplSession *session, ReplWireFrame *frame)
{
    if (frame->type != REPL_WIRE_READ)
        return 0;
    replSessionSend(session, REPL_WIRE_OK, frame->id, NULL, FALSE);
    return 1;
}

static int
lieGarbage(ReplSession *session, ReplWireFrame *frame)
{
    g_autoptr(GByteArray) garbage = g_byte_array_new();

    if (frame->type != REPL_WIRE_DESCRIBE)
        return 0;
    g_byte_array_append(garbage, (const guint8 *)"garbage", 7);
    replSessionSend(session, REPL_WIRE_CHAIN, frame->id, garbage, FALSE);
    return 1;
}

static void
testLies(void)
{
    static int (*const lies[])(ReplSession *, ReplWireFrame *) = {lieOtherRange, lieWrongSum,
                                                                  lieOtherMessage};

    for (guint i = 0; i < G_N_ELEMENTS(lies); i++) {
        Ends *ends = endsNew(10);
        g_autofree guint8 *buffer = g_malloc((1u << 20) + REPL_READER_SLACK_BYTES);
        const ReplSourceFacts *facts = NULL;
        g_autoptr(ReplReader) reader = NULL;
        g_autoptr(GError) err = NULL;

        ends->meddle = lies[i];
        endsConnect(ends);
        g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, NULL), ==, 0);
        g_assert_nonnull(reader = replSourceOpenLayer(ends->source, 0, NULL));
        g_assert_cmpint(replReaderRead(reader, buffer, 1u << 20, 0, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
        g_clear_pointer(&reader, replReaderFree);
        endsFree(ends);
    }
}

static void
testGarbageChain(void)
{
    Ends *ends = endsNew(10);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;

    ends->meddle = lieGarbage;
    endsConnect(ends);
    g_assert_cmpint(replSourceDescribe(ends->source, NULL, &facts, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
    endsFree(ends);
}

/* Answers that were not asked for, without an end: the session is ended, and nothing piles up. */
static void
testUnasked(void)
{
    Ends *ends = endsNew(10);
    g_autoptr(GByteArray) data = sampleData(1000);

    endsConnect(ends);
    for (int i = 0; i < 1000 && !replSessionIsOver(ends->maker); i++) {
        replSessionSend(ends->holder, REPL_WIRE_DATA, 99, data, TRUE);
        g_usleep(1000);
    }
    g_assert_true(replSessionIsOver(ends->maker));
    endsFree(ends);
}

/* A maker that asks for more than there is room for, or for what lies outside, is refused. */
static void
testAskTooMuch(void)
{
    Ends *ends = endsNew(10);
    ReplWireRange range = {0, LAYER_BYTES - 100, 65536};
    g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
    g_auto(ReplWireFrame) answer = {0};
    g_autoptr(GError) err = NULL;
    ReplAsked asked;

    endsConnect(ends);
    g_assert_cmpint(replTalkAsk(ends->talk, 1, REPL_WIRE_READ, payload, 0, &asked, NULL), ==, 1);
    g_assert_cmpint(replTalkHear(ends->talk, &asked, REPL_WIRE_DATA, &answer, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
    endsFree(ends);
}

/* A side that stalls without closing is seen: nothing comes, not even a PING. */
static void
testSilence(void)
{
    Ends *ends = endsNew(10);

    endsConnect(ends);
    g_usleep(1500000);
    g_assert_cmpint(replSessionSilent_us(ends->maker), <, 1400000);
    endsFree(ends);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer-source/facts", testFacts);
    g_test_add_func("/peer-source/whole", testWhole);
    g_test_add_func("/peer-source/cuts", testCuts);
    g_test_add_func("/peer-source/changed-away", testChangedWhileAway);
    g_test_add_func("/peer-source/changed-late", testChangedLate);
    g_test_add_func("/peer-source/runs", testRunsAndHoles);
    g_test_add_func("/peer-source/digests", testDigests);
    g_test_add_func("/peer-source/nobody", testNobody);
    g_test_add_func("/peer-source/cancel", testCancel);
    g_test_add_func("/peer-source/lies", testLies);
    g_test_add_func("/peer-source/lies/chain", testGarbageChain);
    g_test_add_func("/peer-source/lies/unasked", testUnasked);
    g_test_add_func("/peer-source/lies/too-much", testAskTooMuch);
    g_test_add_func("/peer-source/silence", testSilence);
    return g_test_run();
}
