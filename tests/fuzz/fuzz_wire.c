/*
 * fuzz_wire.c: whatever another host may send: frames, and the payload of each message
 *
 * Built with clang's libFuzzer it is guided by coverage; without, fuzz_main.c feeds it mutated good input. The first byte
 * chooses: 0 a stream of frames, else one message's payload.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/messages.h"

static void
fuzzMessage(ReplWireType type, const GByteArray *payload)
{
    g_autoptr(GError) err = NULL;
    g_auto(ReplWireHello) hello = {0};
    g_auto(ReplWireWelcome) welcome = {0};
    g_auto(ReplWireStatus) status = {0};
    g_autoptr(ReplWireChain) chain = NULL;
    g_autoptr(GArray) runs = NULL;
    g_autoptr(GByteArray) header = NULL;
    ReplWireMade made;
    ReplWireRange range;
    ReplWireVerb verb;
    const guint8 *bytes;
    guint64 value;
    guint count;

    switch ((guint)type) {
    case REPL_WIRE_HELLO:
        replWireHelloRead(payload, &hello, &err);
        break;
    case REPL_WIRE_WELCOME:
        replWireWelcomeRead(payload, &welcome, &err);
        break;
    case REPL_WIRE_ERROR:
        replWireErrorRead(payload, &err);
        break;
    case REPL_WIRE_CHAIN:
        chain = replWireChainRead(payload, &err);
        break;
    case REPL_WIRE_READ:
        replWireRangeRead(payload, &range, &err);
        break;
    case REPL_WIRE_RUN_LIST:
        runs = replWireRunsRead(payload, &value, &err);
        break;
    case REPL_WIRE_DATA:
        replWireDataRead(payload, &range, &bytes, &err);
        break;
    case REPL_WIRE_DIGEST_LIST:
        replWireDigestsRead(payload, &count, &err);
        break;
    case REPL_WIRE_KEY_HEADER:
        header = replWireKeyRead(payload, &value, &err);
        break;
    case REPL_WIRE_MADE:
        replWireMadeRead(payload, &made, &err);
        break;
    case REPL_WIRE_STATUS:
        replWireStatusRead(payload, &status, &err);
        break;
    case REPL_WIRE_CONTROL:
        replWireControlRead(payload, &verb, &value, &err);
        break;
    default:
        break;
    }
}

static void
fuzzFrames(const guint8 *data, size_t size)
{
    g_auto(ReplWireInput) input = {0};

    while (size > 0) {
        g_auto(ReplWireFrame) frame = {0};
        gsize room;
        guint8 *to = replWireInputRoom(&input, &room);
        gsize length = MIN(room, size);
        int rc;

        if (length == 0)
            abort();
        memcpy(to, data, length);
        data += length;
        size -= length;
        if ((rc = replWireInputTake(&input, length, &frame, NULL)) < 0)
            return;
        if (rc > 0)
            fuzzMessage(frame.type, frame.payload);
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    if (size < 1)
        return 0;
    if (data[0] == 0) {
        fuzzFrames(data + 1, size - 1);
        return 0;
    }
    /* A copy of its own, so that a read past its end is one past the end of the memory. */
    g_byte_array_append(payload, data + 1, size - 1);
    fuzzMessage(data[0], payload);
    return 0;
}
