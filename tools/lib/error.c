/*
 * error.c: the last error of each thread
 *
 * libvirt's public API has no call that sets an error, so the library keeps its own, as an object
 * of libvirt's type that virFreeError() can free: libvirt allocates such objects with GLib, as we
 * do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libintl.h>

#include "libpriv.h"

const char *
replTranslate(const char *text)
{
    static gsize bound;

    if (g_once_init_enter(&bound)) {
        /* Without a catalogue messages stay English. */
        bindtextdomain(GETTEXT_PACKAGE, REPL_LOCALEDIR);
        g_once_init_leave(&bound, 1);
    }
    return dgettext(GETTEXT_PACKAGE, text);
}

static void
replErrorDestroy(gpointer error)
{
    virFreeError(error);
}

static GPrivate replLastError = G_PRIVATE_INIT(replErrorDestroy);

void
replErrorReset(void)
{
    g_private_replace(&replLastError, NULL);
}

int
replError(int code, const char *format, ...)
{
    virErrorPtr error = g_new0(virError, 1);
    va_list args;

    va_start(args, format);
    error->message = g_strdup_vprintf(format, args);
    va_end(args);
    error->code = code;
    error->domain = VIR_FROM_STORAGE;
    error->level = VIR_ERR_ERROR;
    g_private_replace(&replLastError, error);
    return -1;
}

int
replErrorFromLibvirt(void)
{
    virErrorPtr error = virSaveLastError();

    if (!error || error->code == VIR_ERR_OK) {
        virFreeError(error);
        return replError(VIR_ERR_INTERNAL_ERROR, _("A call to libvirt failed without an error"));
    }
    g_private_replace(&replLastError, error);
    return -1;
}

int
replErrorCode(void)
{
    virErrorPtr error = g_private_get(&replLastError);

    return error ? error->code : VIR_ERR_OK;
}

virErrorPtr
replErrorSteal(void)
{
    virErrorPtr error = g_private_get(&replLastError);

    if (!error) {
        replError(VIR_ERR_INTERNAL_ERROR, _("A call failed without an error"));
        error = g_private_get(&replLastError);
    }
    g_private_set(&replLastError, NULL);
    return error;
}

virErrorPtr
virtReplicationGetLastError(void)
{
    return g_private_get(&replLastError);
}

const char *
virtReplicationGetLastErrorMessage(void)
{
    virErrorPtr error = g_private_get(&replLastError);

    return error && error->message ? error->message : _("no error");
}

unsigned long
virtReplicationGetVersion(void)
{
    return VIRT_REPLICATION_VERSION_NUMBER;
}
