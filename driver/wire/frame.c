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
#include <xxhash.h>
#include <zstd.h>

#include "base/error.h"
#include "wire/bytes.h"

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

/* Appends @payload packed to @frame; FALSE with @frame as it was when that saves too little. */
static gboolean
replWirePack(GByteArray *frame, const GByteArray *payload, int level)
{
    gsize room = payload->len - payload->len / 8;
    guint before = frame->len;
    gsize packed;

    if (level == 0 || payload->len < 64)
        return FALSE;
    g_byte_array_set_size(frame, before + room);
    packed = ZSTD_compress(frame->data + before, room, payload->data, payload->len, level);
    g_byte_array_set_size(frame, ZSTD_isError(packed) ? before : before + packed);
    return !ZSTD_isError(packed);
}

GByteArray *
replWireFrameMake(ReplWireType type, guint32 id, const GByteArray *payload, int level)
{
    gsize length = payload ? payload->len : 0;
    GByteArray *frame = g_byte_array_sized_new(REPL_WIRE_HEADER_BYTES + length);
    g_autoptr(GByteArray) header = g_byte_array_sized_new(REPL_WIRE_HEADER_BYTES);
    gboolean packed;

    g_byte_array_set_size(frame, REPL_WIRE_HEADER_BYTES);
    packed = payload && replWirePack(frame, payload, level);
    if (payload && !packed)
        g_byte_array_append(frame, payload->data, payload->len);
    length = frame->len - REPL_WIRE_HEADER_BYTES;
    replWirePutU32(header, REPL_WIRE_MAGIC);
    replWirePutU8(header, type);
    replWirePutU8(header, packed ? REPL_WIRE_PACKED : 0);
    replWirePutU16(header, 0);
    replWirePutU32(header, id);
    replWirePutU32(header, length);
    replWirePutU64(header, replWireSum(header->data, frame->data + REPL_WIRE_HEADER_BYTES, length));
    memcpy(frame->data, header->data, REPL_WIRE_HEADER_BYTES);
    return frame;
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
    if (ZSTD_decompress(plain->data, size, packed->data, packed->len) != size) {
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
