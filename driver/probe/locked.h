/*
 * locked.h: files that some process has locked
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* The inode numbers of all files with a lock on this host, as /proc/locks has them: among them every image that a QEMU has
 * open, since it locks them. A set of guint64 *, a reference, not to be changed; empty when they cannot be read. (Which device
 * an inode is of cannot be believed there: btrfs has others.) Reading takes 10 ms and more, since the kernel waits for all of
 * its readers, and no file is locked or unlocked meanwhile on this host: what was read at most @maxAge_us ago is taken for it. */
GHashTable *
replLockedInodes(gint64 maxAge_us);
