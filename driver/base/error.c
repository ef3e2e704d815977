/*
 * error.c: errors of everything below stack/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"

#include <string.h>

typedef struct {
    ReplErrorOrigin origin;
    int errnum; /* of an error of the system, else 0 */
} ReplErrorPrivate;

/* These three, and the names that the macro makes, are as GLib wants them. */
static void
repl_error_private_init(ReplErrorPrivate *more)
{
    *more = (ReplErrorPrivate){0};
}

static void
repl_error_private_copy(const ReplErrorPrivate *from, ReplErrorPrivate *to)
{
    *to = *from;
}

static void
repl_error_private_clear(ReplErrorPrivate *more)
{
    *more = (ReplErrorPrivate){0};
}

G_DEFINE_EXTENDED_ERROR(ReplError, repl_error)

static void
errorSet(GError **err, const ReplErrorOrigin *origin, int errnum, int code, const char *message)
{
    GError *error = g_error_new_literal(REPL_ERROR, code, message);

    *repl_error_get_private(error) = (ReplErrorPrivate){*origin, errnum};
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
    errorSet(err, origin, 0, code, text);
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
    errorSet(err, origin, errnum, VIR_ERR_SYSTEM_ERROR, whole);
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
    return err && err->domain == REPL_ERROR ? repl_error_get_private(err)->origin : (ReplErrorOrigin){0};
}

int
replErrorErrno(const GError *err)
{
    return err && err->domain == REPL_ERROR ? repl_error_get_private(err)->errnum : 0;
}
