/*
 * frame.c: frames: a header of 24 bytes and a payload, perhaps packed
 *
 * The memory that a header can make us allocate is bounded by REPL_WIRE_PAYLOAD_MAX_BYTES, packed or not, and nothing is
 * unpacked before its sum was right.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/frame.h"

#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "wire/bytes.h"
#include "wire/fastsum.h"

#define REPL_WIRE_SUMMED_BYTES 16u

void
replWireFrameClear(ReplWireFrame *frame)
{
    g_clear_pointer(&frame->payload, g_byte_array_unref);
}

static guint64
replWireSum(const guint8 *header, const guint8 *payload, gsize length)
{
    return XXH3_64bits_withSeed(length > 0 ? payload : header, length,
                                XXH3_64bits(header, REPL_WIRE_SUMMED_BYTES));
}

/* zstd's memory, which costs more to get than a small frame to pack: each thread keeps its own. */
static void
replWireFreePacker(gpointer opaque)
{
    ZSTD_freeCCtx(opaque);
}

static void
replWireFreeUnpacker(gpointer opaque)
{
    ZSTD_freeDCtx(opaque);
}

static GPrivate replWirePacker = G_PRIVATE_INIT(replWireFreePacker);
static GPrivate replWireUnpacker = G_PRIVATE_INIT(replWireFreeUnpacker);

/* Returns @payload packed; NULL when that saves too little. */
static GByteArray *
replWirePack(const GByteArray *payload, int level)
{
    gsize room = payload->len - payload->len / 8;
    g_autoptr(GByteArray) body = NULL;
    gsize packed;

    if (level == 0 || payload->len < 64)
        return NULL;
    if (!g_private_get(&replWirePacker))
        g_private_set(&replWirePacker, ZSTD_createCCtx());
    body = g_byte_array_sized_new(room);
    packed = ZSTD_compressCCtx(g_private_get(&replWirePacker), body->data, room, payload->data, payload->len,
                               level);
    if (ZSTD_isError(packed))
        return NULL;
    g_byte_array_set_size(body, packed);
    return g_steal_pointer(&body);
}

ReplWirePacket *
replWirePacketNew(ReplWireType type, guint32 id, GByteArray *payload, int level)
{
    ReplWirePacket *packet = g_new0(ReplWirePacket, 1);
    g_autoptr(GByteArray) header = g_byte_array_sized_new(REPL_WIRE_HEADER_BYTES);
    GByteArray *packed = payload ? replWirePack(payload, level) : NULL;
    gsize length;

    packet->body = packed ? packed : payload ? g_byte_array_ref(payload) : NULL;
    length = packet->body ? packet->body->len : 0;
    replWirePutU32(header, REPL_WIRE_MAGIC);
    replWirePutU8(header, type);
    replWirePutU8(header, packed ? REPL_WIRE_PACKED : 0);
    replWirePutU16(header, 0);
    replWirePutU32(header, id);
    replWirePutU32(header, length);
    replWirePutU64(header, replWireSum(header->data, length > 0 ? packet->body->data : NULL, length));
    memcpy(packet->header, header->data, REPL_WIRE_HEADER_BYTES);
    return packet;
}

void
replWirePacketFree(ReplWirePacket *packet)
{
    if (!packet)
        return;
    g_clear_pointer(&packet->body, g_byte_array_unref);
    g_free(packet);
}

void
replWireInputClear(ReplWireInput *input)
{
    g_clear_pointer(&input->payload, g_byte_array_unref);
    input->have_bytes = 0;
}

guint8 *
replWireInputRoom(ReplWireInput *input, gsize *room_bytes)
{
    if (!input->payload) {
        *room_bytes = REPL_WIRE_HEADER_BYTES - input->have_bytes;
        return input->header + input->have_bytes;
    }
    *room_bytes = input->payload->len - input->have_bytes;
    return input->payload->data + input->have_bytes;
}

typedef struct {
    guint8 type;
    guint8 flags;
    guint32 id;
    guint32 length;
    guint64 sum;
} ReplWireHead;

static int
replWireReadHead(const guint8 *bytes, ReplWireHead *head, GError **err)
{
    ReplWireIn in;
    guint32 magic;
    guint16 zero;

    replWireInInit(&in, bytes, REPL_WIRE_HEADER_BYTES);
    magic = replWireGetU32(&in);
    head->type = replWireGetU8(&in);
    head->flags = replWireGetU8(&in);
    zero = replWireGetU16(&in);
    head->id = replWireGetU32(&in);
    head->length = replWireGetU32(&in);
    head->sum = replWireGetU64(&in);
    if (magic == REPL_WIRE_MAGIC && zero == 0 && (head->flags & ~REPL_WIRE_PACKED) == 0 &&
        head->length <= REPL_WIRE_PAYLOAD_MAX_BYTES)
        return 0;
    replErrorSet(err, VIR_ERR_RPC, _("The other host sent something that is no frame of a replication"));
    return -1;
}

/* Replaces the packed *payload. */
static int
replWireUnpack(GByteArray **payload, GError **err)
{
    const GByteArray *packed = *payload;
    unsigned long long size = ZSTD_getFrameContentSize(packed->data, packed->len);
    g_autoptr(GByteArray) plain = NULL;

    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
        size > REPL_WIRE_PAYLOAD_MAX_BYTES) {
        replErrorSet(err, VIR_ERR_RPC, _("The other host sent a frame that cannot be unpacked"));
        return -1;
    }
    plain = g_byte_array_sized_new(size);
    g_byte_array_set_size(plain, size);
    if (!g_private_get(&replWireUnpacker))
        g_private_set(&replWireUnpacker, ZSTD_createDCtx());
    if (ZSTD_decompressDCtx(g_private_get(&replWireUnpacker), plain->data, size, packed->data, packed->len) !=
        size) {
        replErrorSet(err, VIR_ERR_RPC, _("The other host sent a frame that cannot be unpacked"));
        return -1;
    }
    g_byte_array_unref(*payload);
    *payload = g_steal_pointer(&plain);
    return 0;
}

static int
replWireInputWhole(ReplWireInput *input, const ReplWireHead *head, ReplWireFrame *frame, GError **err)
{
    GByteArray *payload = g_steal_pointer(&input->payload);

    input->have_bytes = 0;
    *frame = (ReplWireFrame){head->type, head->id, payload, REPL_WIRE_HEADER_BYTES + payload->len};
    if (replWireSum(input->header, payload->data, payload->len) != head->sum) {
        replErrorSet(err, VIR_ERR_RPC, _("A frame of %u bytes from the other host was damaged on its way"),
                     payload->len);
        replWireFrameClear(frame);
        return -1;
    }
    if ((head->flags & REPL_WIRE_PACKED) && replWireUnpack(&frame->payload, err) < 0) {
        replWireFrameClear(frame);
        return -1;
    }
    return 1;
}

int
replWireInputTake(ReplWireInput *input, gsize length, ReplWireFrame *frame, GError **err)
{
    ReplWireHead head;

    input->have_bytes += length;
    if (input->have_bytes < (input->payload ? input->payload->len : REPL_WIRE_HEADER_BYTES))
        return 0;
    if (replWireReadHead(input->header, &head, err) < 0)
        return -1;
    if (!input->payload) {
        input->payload = g_byte_array_sized_new(head.length);
        g_byte_array_set_size(input->payload, head.length);
        input->have_bytes = 0;
        if (head.length > 0)
            return 0;
    }
    return replWireInputWhole(input, &head, frame, err);
}
