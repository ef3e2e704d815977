/*
 * printable.c: text from untrusted sources, fit for messages
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/printable.h"

#include <string.h>

#define REPL_PRINTABLE_MAX_BYTES 300

char *
replPrintable(const char *text)
{
    gsize len = strlen(text);
    g_autofree char *valid = g_utf8_make_valid(text, MIN(len, REPL_PRINTABLE_MAX_BYTES));
    char *p;

    for (p = valid; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return len > REPL_PRINTABLE_MAX_BYTES ? g_strconcat(valid, "...", NULL) : g_steal_pointer(&valid);
}
