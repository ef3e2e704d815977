/*
 * bytes.h: integers and texts into bytes and back, never past an end
 *
 * In:    values; out: big-endian bytes, and the other way round.
 * Owner: the caller owns the array that is put into; a ReplWireIn borrows what it reads.
 * Lock:  none; both belong to one thread.
 *
 * A reader remembers that something was wrong and gives zeros from then on: a decoder reads straight on and asks once at
 * its end (replWireInDone).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

void
replWirePutU8(GByteArray *out, guint8 value);
void
replWirePutU16(GByteArray *out, guint16 value);
void
replWirePutU32(GByteArray *out, guint32 value);
void
replWirePutU64(GByteArray *out, guint64 value);

/* As u32 length and bytes. NULL is told from "" (length 0xffffffff). The caller keeps to the bounds. */
void
replWirePutText(GByteArray *out, const char *text);

typedef struct {
    const guint8 *pos;
    gsize left;
    gboolean bad; /* something was too short, too long or no text */
} ReplWireIn;

void
replWireInInit(ReplWireIn *in, const guint8 *bytes, gsize length);

guint8
replWireGetU8(ReplWireIn *in);
guint16
replWireGetU16(ReplWireIn *in);
guint32
replWireGetU32(ReplWireIn *in);
guint64
replWireGetU64(ReplWireIn *in);

/* A number that may not be larger than @max. */
guint64
replWireGetU64Max(ReplWireIn *in, guint64 max);

/* @length bytes where they are, or NULL. */
const guint8 *
replWireGetBytes(ReplWireIn *in, gsize length);

/* A copy: UTF-8 without NUL, at most @max bytes; NULL also where NULL was put. */
char *
replWireGetText(ReplWireIn *in, gsize max);

/* The same, and NULL is wrong. */
char *
replWireNeedText(ReplWireIn *in, gsize max);

/* Whether everything was right and nothing is left over. */
gboolean
replWireInDone(const ReplWireIn *in);
