/*
 * error.c: errors of everything below stack/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"

#include <string.h>

GQuark
replErrorQuark(void)
{
    return g_quark_from_static_string("repl-error");
}

void
replErrorSet(GError **err, virErrorNumber code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    g_propagate_error(err, g_error_new_valist(REPL_ERROR, code, fmt, ap));
    va_end(ap);
}

void
replErrorSetSystem(GError **err, int errnum, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR, "%s: %s", text, g_strerror(errnum));
}
