/*
 * test_peer_lies.c: a source on another host that lies, and a maker that asks for what it may not have
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer_ends.h"

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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer-source/lies", testLies);
    g_test_add_func("/peer-source/lies/chain", testGarbageChain);
    g_test_add_func("/peer-source/lies/unasked", testUnasked);
    g_test_add_func("/peer-source/lies/too-much", testAskTooMuch);
    return g_test_run();
}
