/*
 * made.c: KEY_HEADER and MADE: layers that the holder makes when the maker asks for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/messagepriv.h"
#include "wire/messages.h"

GByteArray *
replWireKeyBytes(const GByteArray *header, guint64 header_bytes)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU64(out, header_bytes);
    replWirePutU32(out, header->len);
    g_byte_array_append(out, header->data, header->len);
    return out;
}

GByteArray *
replWireKeyRead(const GByteArray *payload, guint64 *header_bytes, GError **err)
{
    const guint8 *bytes;
    guint32 length;
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    *header_bytes = replWireGetU64Max(&in, REPL_WIRE_KEY_HEADER_MAX);
    length = replWireGetU32(&in);
    if (length == 0 || length > REPL_WIRE_KEY_BYTES_MAX || length > *header_bytes)
        in.bad = TRUE;
    bytes = replWireGetBytes(&in, in.bad ? 0 : length);
    if (replWireInDone(&in))
        return g_byte_array_append(g_byte_array_new(), bytes, length);
    replWireBad("KEY_HEADER", err);
    return NULL;
}

GByteArray *
replWireMadeBytes(const ReplWireMade *made)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU64(out, made->making);
    replWirePutU64(out, made->size_bytes);
    return out;
}

int
replWireMadeRead(const GByteArray *payload, ReplWireMade *made, GError **err)
{
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    made->making = replWireGetU64(&in);
    made->size_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    return replWireInDone(&in) ? 0 : replWireBad("MADE", err);
}
