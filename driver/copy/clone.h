/*
 * clone.h: files that share their blocks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Shares all blocks of @src with @dst, an empty file opened for writing (FICLONE), and syncs it.
 * Returns 1 when done, 0 when the file systems cannot (the caller copies), -1 with @err set. */
int
replCopyClone(int src, int dst, GError **err);

/* Whether files of directories @srcdir and @dstdir could share blocks, found by trying once with
 * unlinked temporary files (O_TMPFILE, so nothing is ever visible or left behind); never an error.
 */
gboolean
replCopyCanClone(int srcdir, int dstdir);
