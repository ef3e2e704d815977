/*
 * tar.h: the tar around a bundle
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/file.h"

#define REPL_TAR_BLOCK_BYTES 512u
/* What a blob's bytes are aligned to in the file: that of direct writes. */
#define REPL_TAR_ALIGN_BYTES 4096u
#define REPL_TAR_ENTRIES_MAX 16384u

typedef struct {
    char name[101];
    guint64 at_bytes; /* of its bytes */
    guint64 size_bytes;
} ReplTarEntry;

/* The header of a regular file @name (at most 99 characters) of @size_bytes into @block, REPL_TAR_BLOCK_BYTES. */
void
replTarHeader(guint8 *block, const char *name, guint64 size_bytes);

/* Where the bytes of the entry begin that comes next at @at_bytes, a multiple of the block, if they are to be aligned. */
guint64
replTarAligned(guint64 at_bytes);

/* Everything from @at_bytes up to the bytes of that entry: a comment that fills the gap, and its header. */
GByteArray *
replTarAlignedHeader(guint64 at_bytes, const char *name, guint64 size_bytes);

static inline guint64
replTarPadded(guint64 size_bytes)
{
    return (size_bytes + REPL_TAR_BLOCK_BYTES - 1) / REPL_TAR_BLOCK_BYTES * REPL_TAR_BLOCK_BYTES;
}

/* Whether @block begins a tar, as far as one header tells. */
gboolean
replTarIs(const guint8 *block);

/* Finds the files of the tar @file: *next_bytes (0 at first) is moved behind the next one. Returns 1 with
 * @entry set, 0 at the end, or -1 with @err set: VIR_ERR_OPERATION_INVALID when the tar ends early, is damaged, or holds
 * anything but files and folders. */
int
replTarNext(const ReplBundleFile *file, guint64 *next_bytes, ReplTarEntry *entry, GError **err);
