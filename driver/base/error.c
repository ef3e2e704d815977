/*
 * error.c: errors of everything below stack/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"

#include <string.h>

/* These three, and the names that the macro makes, are as GLib wants them. */
static void
repl_error_private_init(ReplErrorOrigin *origin)
{
    *origin = (ReplErrorOrigin){0};
}

static void
repl_error_private_copy(const ReplErrorOrigin *from, ReplErrorOrigin *to)
{
    *to = *from;
}

static void
repl_error_private_clear(ReplErrorOrigin *origin)
{
    *origin = (ReplErrorOrigin){0};
}

typedef ReplErrorOrigin ReplErrorPrivate;

G_DEFINE_EXTENDED_ERROR(ReplError, repl_error)

static void
errorSet(GError **err, const ReplErrorOrigin *origin, int code, const char *message)
{
    GError *error = g_error_new_literal(REPL_ERROR, code, message);

    *repl_error_get_private(error) = *origin;
    g_propagate_error(err, error);
}

void
replErrorSetAt(GError **err, const ReplErrorOrigin *origin, virErrorNumber code, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    errorSet(err, origin, code, text);
}

void
replErrorSetSystemAt(GError **err, const ReplErrorOrigin *origin, int errnum, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *whole = NULL;
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    whole = g_strdup_printf("%s: %s", text, g_strerror(errnum));
    errorSet(err, origin, VIR_ERR_SYSTEM_ERROR, whole);
}

const char *
replErrorDetail(const virError *error)
{
    const char *detail = error->str2; /* where libvirt's own reporting leaves it */

    if (!detail || !*detail || !error->message)
        return error->message ? error->message : "";
    if (g_str_has_suffix(error->message, detail) ||
        (error->code == VIR_ERR_STORAGE_VOL_EXIST && strstr(error->message, detail)))
        return detail;
    return error->message;
}

ReplErrorOrigin
replErrorOrigin(const GError *err)
{
    return err && err->domain == REPL_ERROR ? *repl_error_get_private(err) : (ReplErrorOrigin){0};
}
