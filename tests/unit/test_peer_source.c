/*
 * test_peer_source.c: a source on another host, over a socketpair that breaks and stalls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer_ends.h"

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
    g_test_add_func("/peer-source/silence", testSilence);
    return g_test_run();
}
