/*
 * error.h: errors of everything below stack/
 *
 * The part that fails sets a GError of domain REPL_ERROR whose code is a virErrorNumber and whose
 * message is a whole, translated sentence with names and numbers. Callers hand it up untouched;
 * stack/ turns it into a libvirt error in one place, a job keeps it as its reason.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

#include "base/i18n.h"

#define REPL_ERROR (repl_error_quark())

/* The name is g_error's (G_DEFINE_EXTENDED_ERROR). */
GQuark
repl_error_quark(void);

/* Where an error was set, which libvirt's log shows. */
typedef struct {
    const char *file; /* constant texts; NULL: not known */
    const char *func;
    int line;
} ReplErrorOrigin;

/* Sets *err (which may be NULL) to @code, a virErrorNumber, and the formatted message; @...: format and arguments. */
#define replErrorSet(err, code, ...)                                                                         \
    replErrorSetAt(err, &(const ReplErrorOrigin){__FILE__, __func__, __LINE__}, code, __VA_ARGS__)

/* The same with code VIR_ERR_SYSTEM_ERROR and ": " strerror(@errnum) behind the message. */
#define replErrorSetSystem(err, errnum, ...)                                                                 \
    replErrorSetSystemAt(err, &(const ReplErrorOrigin){__FILE__, __func__, __LINE__}, errnum, __VA_ARGS__)

void
replErrorSetAt(GError **err, const ReplErrorOrigin *origin, virErrorNumber code, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);

void
replErrorSetSystemAt(GError **err, const ReplErrorOrigin *origin, int errnum, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);

/* What a libvirt error says beyond the words that belong to its code ("Storage pool not found: "), which are put in front again
 * when it is reported. */
const char *
replErrorDetail(const virError *error);

/* The errno behind @err, its copies included; 0: it is not one of the system's. */
int
replErrorErrno(const GError *err);

/* Where @err was set, its copies included; of an error of another domain nothing is known. */
ReplErrorOrigin
replErrorOrigin(const GError *err);
