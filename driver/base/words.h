/*
 * words.h: enumerations and their words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* The word of @value, or NULL where @words has none. */
const char *
replWord(const char *const *words, gsize count, int value);

/* The value of @word, or -1. */
int
replWordValue(const char *const *words, gsize count, const char *word);

/* Defines PREFIXToString and PREFIXFromString over the words that follow, in order of the values. */
#define REPL_WORDS(prefix, type, ...)                                                                        \
    static const char *const prefix##Words[] = {__VA_ARGS__};                                                \
    const char *prefix##ToString(type value)                                                                 \
    {                                                                                                        \
        return replWord(prefix##Words, G_N_ELEMENTS(prefix##Words), value);                                  \
    }                                                                                                        \
    int prefix##FromString(const char *str)                                                                  \
    {                                                                                                        \
        return replWordValue(prefix##Words, G_N_ELEMENTS(prefix##Words), str);                               \
    }
