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

#define REPL_ERROR (replErrorQuark())

GQuark
replErrorQuark(void);

/* Sets *err (which may be NULL) to @code, a virErrorNumber, and the formatted message. */
void
replErrorSet(GError **err, virErrorNumber code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* The same with code VIR_ERR_SYSTEM_ERROR and ": " strerror(@errnum) behind the message. */
void
replErrorSetSystem(GError **err, int errnum, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
