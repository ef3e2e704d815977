/*
 * wire_samples.h: one good message of each kind, for tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <string.h>

#include "base/error.h"
#include "wire/messages.h"

#define SAMPLE_UUID "0f0e0d0c-0b0a-4908-8706-050403020100"

/* All bytes of a frame around a copy of @payload. */
static inline GByteArray *
sampleFrame(ReplWireType type, guint32 id, const GByteArray *payload, int level)
{
    g_autoptr(GByteArray) copy = NULL;
    g_autoptr(ReplWirePacket) packet = NULL;
    GByteArray *frame = g_byte_array_new();

    if (payload)
        copy = g_byte_array_append(g_byte_array_new(), payload->data, payload->len);
    packet = replWirePacketNew(type, id, copy, level);
    g_byte_array_append(frame, packet->header, sizeof(packet->header));
    if (packet->body)
        g_byte_array_append(frame, packet->body->data, packet->body->len);
    return frame;
}

static inline ReplWireHello
sampleHello(void)
{
    return (ReplWireHello){1,
                           1,
                           REPL_WIRE_PUSH,
                           g_strdup(SAMPLE_UUID),
                           7,
                           g_strdup(SAMPLE_UUID),
                           g_strdup("host a"),
                           g_strdup("<volume/>")};
}

static inline ReplWireChain *
sampleChain(guint layers)
{
    ReplWireChain *chain = replWireChainNew();

    chain->pool = g_strdup("beijing");
    chain->poolUuid = g_strdup(SAMPLE_UUID);
    chain->region = g_strdup("cn-north-1");
    chain->image = replImageNew(SAMPLE_UUID);
    chain->image->type = REPL_IMAGE_TYPE_DATA_DISK;
    chain->image->name = g_strdup("web");
    for (guint i = 0; i < layers; i++) {
        ReplWireLayer *layer = g_new0(ReplWireLayer, 1);

        layer->volume = g_strdup_printf("layer%u.qcow2", i);
        layer->pool = g_strdup("beijing");
        layer->poolUuid = g_strdup(SAMPLE_UUID);
        layer->identity = (ReplFileIdentity){1, 2 + i, 1 << 20, 4, 5};
        layer->format = REPL_FORMAT_QCOW2;
        layer->backingFormat = REPL_FORMAT_QCOW2;
        layer->encrypted = TRUE;
        layer->exact = i > 0;
        if (i > 0) {
            layer->onDemand = g_strdup("rekey");
            layer->lostSnapshots = 2;
            layer->lostBitmaps = 1;
        }
        layer->snapshotCount = 3;
        layer->allocated_bytes = 65536;
        layer->virtualSize_bytes = 1 << 30;
        layer->luksOffset = 4096;
        layer->luksLength = 8192;
        layer->secretUsage = g_strdup("ims/web");
        g_ptr_array_add(chain->layers, layer);
    }
    return chain;
}

static inline ReplWireStatus
sampleStatus(void)
{
    ReplWireStatus status = {.volume = g_strdup("web.qcow2"), .info = replJobInfoNew(SAMPLE_UUID)};

    status.info->state = REPL_JOB_RUNNING;
    status.info->processed_bytes = 10;
    status.info->total_bytes = 20;
    status.stable_bytes = 5;
    if (!status.info->steps)
        status.info->steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    g_ptr_array_add(status.info->steps, replStepNew("a", "b", REPL_STEP_COPY, 20));
    return status;
}

static inline GByteArray *
sampleData(gsize length)
{
    ReplWireRange range = {1, 65536, length};
    GByteArray *data = replWireDataNew(&range);

    for (gsize i = 0; i < length; i++)
        data->data[REPL_WIRE_DATA_HEAD_BYTES + i] = i * 7;
    replWireDataSeal(data);
    return data;
}

static inline GByteArray *
sampleKey(void)
{
    g_autoptr(GByteArray) header = g_byte_array_append(g_byte_array_new(), (const guint8 *)"LUKS", 4);

    return replWireKeyBytes(header, 1 << 20);
}

/* The payload of a good message, NULL where @type has none of its own. */
static inline GByteArray *
samplePayload(guint type)
{
    static const ReplWireWelcome welcome = {1, (char *)SAMPLE_UUID, (char *)"host b"};
    static const ReplWireRange range = {3, 1 << 20, 65536};
    static const ReplWireRun run[] = {{0, 65536}, {131072, 65536}};
    static const ReplWireMade made = {77, 1 << 21};
    static const guint8 digests[2 * REPL_WIRE_DIGEST_BYTES] = {1, 2, 3};
    g_auto(ReplWireHello) hello = sampleHello();
    g_auto(ReplWireStatus) status = sampleStatus();
    g_autoptr(ReplWireChain) chain = sampleChain(2);
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(ReplWireRun));
    g_autoptr(GError) error = g_error_new(REPL_ERROR, VIR_ERR_NO_STORAGE_VOL, "no such volume");

    g_array_append_vals(runs, run, G_N_ELEMENTS(run));
    switch (type) {
    case REPL_WIRE_HELLO:
        return replWireHelloBytes(&hello);
    case REPL_WIRE_WELCOME:
        return replWireWelcomeBytes(&welcome);
    case REPL_WIRE_ERROR:
        return replWireErrorBytes(error);
    case REPL_WIRE_CHAIN:
        return replWireChainBytes(chain);
    case REPL_WIRE_READ:
        return replWireRangeBytes(&range);
    case REPL_WIRE_RUN_LIST:
        return replWireRunsBytes(runs, 1 << 20);
    case REPL_WIRE_DATA:
        return sampleData(300);
    case REPL_WIRE_DIGEST_LIST:
        return replWireDigestsBytes(digests, 2);
    case REPL_WIRE_KEY_HEADER:
        return sampleKey();
    case REPL_WIRE_MADE:
        return replWireMadeBytes(&made);
    case REPL_WIRE_STATUS:
        return replWireStatusBytes(&status);
    case REPL_WIRE_CONTROL:
        return replWireControlBytes(REPL_WIRE_BANDWIDTH, 1000);
    default:
        return NULL;
    }
}
