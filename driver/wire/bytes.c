/*
 * bytes.c: integers and texts into bytes and back, never past an end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/bytes.h"

#include <string.h>

/* The length that stands for NULL. */
#define REPL_WIRE_NO_TEXT G_MAXUINT32

void
replWirePutU8(GByteArray *out, guint8 value)
{
    g_byte_array_append(out, &value, 1);
}

void
replWirePutU16(GByteArray *out, guint16 value)
{
    value = GUINT16_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof(value));
}

void
replWirePutU32(GByteArray *out, guint32 value)
{
    value = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof(value));
}

void
replWirePutU64(GByteArray *out, guint64 value)
{
    value = GUINT64_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof(value));
}

void
replWirePutText(GByteArray *out, const char *text)
{
    if (!text) {
        replWirePutU32(out, REPL_WIRE_NO_TEXT);
        return;
    }
    replWirePutU32(out, strlen(text));
    g_byte_array_append(out, (const guint8 *)text, strlen(text));
}

void
replWireInInit(ReplWireIn *in, const guint8 *bytes, gsize length)
{
    *in = (ReplWireIn){bytes, length, FALSE};
}

const guint8 *
replWireGetBytes(ReplWireIn *in, gsize length)
{
    const guint8 *here = in->pos;

    if (in->bad || length > in->left) {
        in->bad = TRUE;
        return NULL;
    }
    in->pos += length;
    in->left -= length;
    return here;
}

guint8
replWireGetU8(ReplWireIn *in)
{
    const guint8 *bytes = replWireGetBytes(in, 1);

    return bytes ? *bytes : 0;
}

guint16
replWireGetU16(ReplWireIn *in)
{
    const guint8 *bytes = replWireGetBytes(in, sizeof(guint16));
    guint16 value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return GUINT16_FROM_BE(value);
}

guint32
replWireGetU32(ReplWireIn *in)
{
    const guint8 *bytes = replWireGetBytes(in, sizeof(guint32));
    guint32 value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return GUINT32_FROM_BE(value);
}

guint64
replWireGetU64(ReplWireIn *in)
{
    const guint8 *bytes = replWireGetBytes(in, sizeof(guint64));
    guint64 value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return GUINT64_FROM_BE(value);
}

guint64
replWireGetU64Max(ReplWireIn *in, guint64 max)
{
    guint64 value = replWireGetU64(in);

    if (value <= max)
        return value;
    in->bad = TRUE;
    return 0;
}

char *
replWireGetText(ReplWireIn *in, gsize max)
{
    guint32 length = replWireGetU32(in);
    const guint8 *bytes;

    if (in->bad || length == REPL_WIRE_NO_TEXT)
        return NULL;
    if (length > max || !(bytes = replWireGetBytes(in, length)) ||
        !g_utf8_validate_len((const char *)bytes, length, NULL)) {
        in->bad = TRUE;
        return NULL;
    }
    return g_strndup((const char *)bytes, length);
}

char *
replWireNeedText(ReplWireIn *in, gsize max)
{
    char *text = replWireGetText(in, max);

    if (!text)
        in->bad = TRUE;
    return text;
}

gboolean
replWireInDone(const ReplWireIn *in)
{
    return !in->bad && in->left == 0;
}
