/*
 * words.c: enumerations and their words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/words.h"

const char *
replWord(const char *const *words, gsize count, int value)
{
    return value >= 0 && (gsize)value < count ? words[value] : NULL;
}

int
replWordValue(const char *const *words, gsize count, const char *word)
{
    gsize i;

    for (i = 0; word && i < count; i++) {
        if (words[i] && g_str_equal(words[i], word))
            return i;
    }
    return -1;
}
