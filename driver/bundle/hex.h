/*
 * hex.h: digests as text
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* The @length bytes as lower-case hexadecimal digits, and a NUL, into @text. */
static inline void
replHex(const guint8 *bytes, gsize length, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (gsize i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * length] = '\0';
}
