/*
 * metrics.c: writing Prometheus' text format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "metrics.h"

#include <stdarg.h>
#include <stdbool.h>

void
replMetricBegin(GString *out, const char *name, const char *help)
{
    g_string_append_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* Backslash, quote and newline are all that has to be escaped. */
static void
replMetricLabel(GString *out, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    const char *p;

    for (p = valid; *p; p++) {
        if (*p == '\\' || *p == '"')
            g_string_append_c(out, '\\');
        if (*p == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, *p);
    }
}

void
replMetricAdd(GString *out, const char *name, gint64 value, ...)
{
    const char *label;
    bool first = true;
    va_list args;

    g_string_append(out, name);
    va_start(args, value);
    while ((label = va_arg(args, const char *))) {
        const char *text = va_arg(args, const char *);

        if (!text)
            continue;
        g_string_append_printf(out, "%c%s=\"", first ? '{' : ',', label);
        replMetricLabel(out, text);
        g_string_append_c(out, '"');
        first = false;
    }
    va_end(args);
    g_string_append_printf(out, "%s %" G_GINT64_FORMAT "\n", first ? "" : "}", value);
}
