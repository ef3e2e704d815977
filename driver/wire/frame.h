/*
 * frame.h: frames: a header of 24 bytes and a payload, perhaps packed
 *
 * In:    payloads; out: the bytes of frames, and the other way round.
 * Owner: who makes or takes a frame owns its bytes. A payload that goes as it is is shared, not copied: nobody writes to it
 *        any more.
 * Lock:  none; an input belongs to the one thread that receives.
 *
 *     0  u32  magic "RPLW"
 *     4  u8   type
 *     5  u8   flags: 1 = the payload is one zstd frame
 *     6  u16  0
 *     8  u32  id: of a request, and of the answer to it; 0: the session's own
 *    12  u32  length of what follows, at most REPL_WIRE_PAYLOAD_MAX_BYTES
 *    16  u64  XXH3-64 of what follows, with the XXH3-64 of the 16 bytes above as seed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "wire/wire.h"

#define REPL_WIRE_HEADER_BYTES 24u
#define REPL_WIRE_MAGIC 0x52504c57u
#define REPL_WIRE_PACKED 1u

typedef struct {
    ReplWireType type; /* perhaps one that this version does not know */
    guint32 id;
    GByteArray *payload; /* unpacked */
    gsize wire_bytes;    /* what it took on the wire, header included */
} ReplWireFrame;

void
replWireFrameClear(ReplWireFrame *frame);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplWireFrame, replWireFrameClear)

/* A frame on its way: its header, and what follows that. */
typedef struct {
    guint8 header[REPL_WIRE_HEADER_BYTES];
    GByteArray *body; /* a reference; NULL: nothing follows */
} ReplWirePacket;

/* A new frame of @payload (NULL: none; at most REPL_WIRE_PAYLOAD_MAX_BYTES). @level: of zstd, packed only if that saves an eighth; 0: as
 * it is. */
ReplWirePacket *
replWirePacketNew(ReplWireType type, guint32 id, GByteArray *payload, int level);

void
replWirePacketFree(ReplWirePacket *packet);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplWirePacket, replWirePacketFree)

static inline gsize
replWirePacketBytes(const ReplWirePacket *packet)
{
    return REPL_WIRE_HEADER_BYTES + (packet->body ? packet->body->len : 0);
}

typedef struct {
    guint8 header[REPL_WIRE_HEADER_BYTES];
    GByteArray *payload; /* NULL: the header is not whole */
    gsize have_bytes;    /* of the part that is being received */
} ReplWireInput;

void
replWireInputClear(ReplWireInput *input);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplWireInput, replWireInputClear)

/* Where to put the bytes that come next, and at most how many (> 0). */
guint8 *
replWireInputRoom(ReplWireInput *input, gsize *room_bytes);

/* @length bytes were put there. 1: that made *frame whole; 0: more are needed; -1 with @err set
 * (VIR_ERR_RPC): these are no frames, or damaged ones, and nothing behind them can be believed. */
int
replWireInputTake(ReplWireInput *input, gsize length, ReplWireFrame *frame, GError **err);
