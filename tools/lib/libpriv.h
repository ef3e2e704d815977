/*
 * libpriv.h: what every file of the library needs: its headers, translation, flags
 *
 * The library stands on libvirt's public API and on the XML of virt-replication.h alone; no file
 * below driver/ is included. Functions that are declared in include/ are described there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include <libvirt-replication/libvirt-replication.h>

#include "cleanup.h"
#include "error.h"

/* The library's own messages, in the language of the program's locale. */
const char *
replTranslate(const char *text) G_GNUC_FORMAT(1);

#define _(str) replTranslate(str)
#define N_(str) str

/* Begins a public function: forgets the last error, and refuses flags that it does not know. */
#define REPL_BEGIN(flags, known, fail)                                                                       \
    do {                                                                                                     \
        replErrorReset();                                                                                    \
        if ((flags) & ~(unsigned int)(known)) {                                                              \
            replError(VIR_ERR_INVALID_ARG, _("Unsupported flags (0x%x) in function %s"),                     \
                      (flags) & ~(unsigned int)(known), __func__);                                           \
            return fail;                                                                                     \
        }                                                                                                    \
    } while (0)

/* Refuses NULL where the documentation does not allow it. */
#define REPL_NEED(arg, fail)                                                                                 \
    do {                                                                                                     \
        if (!(arg)) {                                                                                        \
            replError(VIR_ERR_INVALID_ARG, _("Argument '%s' of function %s must not be NULL"), #arg,         \
                      __func__);                                                                             \
            return fail;                                                                                     \
        }                                                                                                    \
    } while (0)
