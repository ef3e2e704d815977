/*
 * version.h: which libvirt is believed to be what virt.h says
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Versions are as libvirt counts: major * 1,000,000 + minor * 1,000 + release. */

typedef enum {
    REPL_VERSION_CHECKED, /* its sources were read */
    REPL_VERSION_TRUSTED, /* newer, but the administrator lets it in: its shape is to be checked */
    REPL_VERSION_OLDER,
    REPL_VERSION_NEWER,
} ReplVersionVerdict;

/* @trusted: the newest version that the administrator lets in, 0: none beyond those checked. */
ReplVersionVerdict
replVersionJudge(unsigned long version, unsigned long trusted);

/* "12.8.0", or "12.8" for all releases of 12.8. Returns 0 for what is no version. */
unsigned long
replVersionParse(const char *text);

/* Judges the libvirt that is loaded. Returns 0 and whether it is one that is only trusted, or -1 and @why.
 * @trusted: the configuration's trusted_libvirt, @path: where that is written. */
int
replVersionCheck(const char *trusted, const char *path, gboolean *unchecked, char **why);
