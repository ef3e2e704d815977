/*
 * file.h: the file that a bundle is
 *
 * In:    a descriptor, or for a bundle on another host a reader (copy/reader.h) that reads at any place.
 * Out:   bytes at any place.
 * Owner: all that it names is borrowed, and outlives it. It is passed on by value.
 * Lock:  none; any thread may read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/reader.h"

typedef struct {
    int fd;             /* -1: the reader's */
    ReplReader *reader; /* only where there is no descriptor */
    guint64 size_bytes; /* the same */
    const char *what;   /* names the file in messages */
} ReplBundleFile;

static inline ReplBundleFile
replBundleFileOf(int fd, const char *what)
{
    return (ReplBundleFile){.fd = fd, .what = what};
}

/* Returns 0 with *size_bytes set, or -1 with @err set. */
int
replBundleFileSize(const ReplBundleFile *file, guint64 *size_bytes, GError **err);

/* Reads @len bytes (from a reader at most 4 MiB) at @offset into @buf. Returns how many there are, fewer than @len only at the
 * end of the file, or -1 with @err set. May wait for another host. */
gssize
replBundleFileRead(const ReplBundleFile *file, void *buf, gsize len, guint64 offset, GError **err);

/* Makes reads that wait for another host fail soon, now and for ever. By any thread. */
void
replBundleFileCancel(const ReplBundleFile *file);
