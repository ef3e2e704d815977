/*
 * copy.h: the copy engine: extents are read, perhaps transformed, and written, all at once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* A run of bytes to move. @kind belongs to whoever makes and transforms extents; 0: as it is. */
typedef struct {
    guint64 srcOffset_bytes;
    guint64 dstOffset_bytes;
    guint64 length_bytes;
    guint32 kind;
} ReplExtent;

/* Where extents come from, ascending by dstOffset_bytes and without overlap.
 * next: 1 and *extent set, 0 at the end, -1 with @err set. Called by one thread. */
typedef struct {
    int (*next)(void *opaque, ReplExtent *extent, GError **err);
    void *opaque;
} ReplExtentSource;

/* Changes @buf, the bytes of @part (a piece of an extent, its offsets and length adjusted), in place.
 * May run in several threads at once. Returns 0, or -1 with @err set. */
typedef struct {
    int (*apply)(void *opaque, const ReplExtent *part, guint8 *buf, GError **err);
    void *opaque;
    guint align_bytes; /* pieces begin and end at multiples of this of dstOffset, 0: no matter */
} ReplTransform;

/* How the owner of a copy follows and steers it; every member but opaque may be NULL. */
typedef struct {
    /* Asked before each block of @bytes is read; may wait (pause, bandwidth limit). Returns 0 to go
     * on, or -1 with @err set, which ends the copy within one block. */
    int (*admit)(void *opaque, guint64 bytes, GError **err);
    /* @bytes more are written (not yet synced). */
    void (*advance)(void *opaque, guint64 bytes);
    /* Everything below @dstOffset_bytes is written and synced to stable storage: a later copy may start there. */
    int (*checkpoint)(void *opaque, guint64 dstOffset_bytes, GError **err);
    void *opaque;
} ReplCopyWatch;

typedef struct {
    const ReplExtentSource *extents; /* NULL: the data of the source, found with SEEK_DATA */
    const ReplTransform *transform;  /* NULL: none */
    const ReplCopyWatch *watch;      /* NULL: nobody looks */
    guint64 size_bytes;              /* size the target gets */
    guint64 start_bytes;             /* resume: everything below is there already */
    guint64 checkpoint_bytes;        /* at least this much between two checkpoints; 0: none */
} ReplCopyJob;

/* Shares all blocks of @src with @dst, an empty file (FICLONE). Returns 1 when done, 0 when the file
 * systems cannot (the caller copies), -1 with @err set. */
int
replCopyClone(int src, int dst, GError **err);

/* Whether files of directories @srcdir and @dstdir could share blocks, found by trying once with
 * unlinked temporary files; never an error. */
gboolean
replCopyCanClone(int srcdir, int dstdir);

/* Copies @src to @dst as @job says: holes stay holes, reading and writing overlap, O_DIRECT where it
 * helps and works, at most 64 MiB of memory; ends with fsync of @dst. Both must be regular files opened by
 * the caller, @dst read-write; the caller's descriptors keep their flags. Returns 0, or -1 with @err set;
 * what was written stays. */
int
replCopyRun(int src, int dst, const ReplCopyJob *job, GError **err);
