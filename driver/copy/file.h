/*
 * file.h: one file of a copy, read and written past the page cache where that helps and works
 *
 * Safe to use by several threads at once, for different ranges.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "base/fd.h"

/* What O_DIRECT asks of offsets, lengths and memory; also the page size where we run, so that
 * direct and buffered writes never share a page. Larger needs show as EINVAL. */
#define REPL_DIRECT_ALIGN_BYTES 4096u

typedef struct {
    int fd;         /* the caller's */
    ReplFd direct;  /* an open file description of our own with O_DIRECT, -1: none */
    gint useDirect; /* atomic; goes to 0 for good when the file system refuses */
    gboolean
        inMemory; /* on a file system that has nothing but the page cache: there is no disk to wait for */
} ReplFile;

/* Takes @fd, which stays the caller's with its flags as they are; @writable: opened for writing.
 * Without @tryDirect, or when the file system knows no O_DIRECT, all goes through the page cache.
 */
void
replFileOpen(ReplFile *file, int fd, gboolean writable, gboolean tryDirect);

void
replFileClose(ReplFile *file);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplFile, replFileClose)

/* Reads @len bytes at @offset; what lies in the page cache comes from there. @buf has room for
 * REPL_DIRECT_ALIGN_BYTES more, which may be overwritten. Returns 0, or -1 with @err set, also when
 * the file ends before. */
int
replFileRead(ReplFile *file, guint8 *buf, gsize len, guint64 offset, GError **err);

/* Writes @len bytes at @offset. @buf should be as far from a multiple of REPL_DIRECT_ALIGN_BYTES as
 * @offset is, or direct writing does not come about. Returns 0, or -1 with @err set. */
int
replFileWrite(ReplFile *file, const guint8 *buf, gsize len, guint64 offset, GError **err);

/* Makes @len bytes at @offset read as zeros: a hole where the file system can, zeros elsewhere. Returns 0, or -1 with
 * @err set. */
int
replFileZero(ReplFile *file, guint64 offset, guint64 len, GError **err);
