/*
 * copy.h: the copy engine: extents are read, perhaps transformed, and written, all at once
 *
 * In:    a reader and a writer of any kind, and what to carry from where to where.
 * Out:   the target's bytes, checkpoints, and progress.
 * Owner: readers, writers and everything in the job are the caller's.
 * Lock:  the engine has two of its own (engine.h). The caller must not hold a lock that the watch's functions
 *        take.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "copy/reader.h"
#include "copy/writer.h"

/* A run of bytes to move. @kind belongs to whoever makes and transforms extents, but for the two
 * values below. Offsets and length need no alignment; multiples of 4 KiB in both files are fastest.
 * Extents that follow each other in the target are written together, wherever they come from. */
#define REPL_EXTENT_PLAIN 0 /* as it is: the transform does not see it */
#define REPL_EXTENT_FOUND 1 /* of an extent that the engine found itself by asking the reader */

typedef struct {
    guint64 srcOffset_bytes;
    guint64 dstOffset_bytes;
    guint64 length_bytes;
    guint32 kind;
} ReplExtent;

/* Where extents come from instead of from the reader, ascending by dstOffset_bytes and without overlap, within the target's
 * size. next: 1 and *extent set, 0 at the end, -1 with @err set. Called by one thread at a time,
 * not always the same one. */
typedef struct {
    int (*next)(void *opaque, ReplExtent *extent, GError **err);
    void *opaque;
} ReplExtentSource;

/* Changes @buf, the bytes of @part (a piece of an extent, its offsets and length adjusted), in
 * place. Called once for each byte of every extent whose kind is not REPL_EXTENT_PLAIN, in any
 * order and by several threads at once. Returns 0, or -1 with @err set. */
typedef struct {
    int (*apply)(void *opaque, const ReplExtent *part, guint8 *buf, GError **err);
    void *opaque;
    /* Extents are cut only at multiples of this of dstOffset_bytes, at most 1 MiB; 0: no matter. The owner of
     * the extents sees to where extents begin and end, and where a resumed copy starts. */
    guint align_bytes;
} ReplTransform;

/* How the owner of a copy follows and steers it; every member but opaque may be NULL. Each function
 * is called by one thread at a time, but from changing threads, and two different ones may run at
 * once. */
typedef struct {
    /* Asked before each block of @bytes (at most 2 MiB) is read; may wait (pause, bandwidth limit):
     * what is on its way is written meanwhile. Returns 0 to go on, or -1 with @err set, which ends
     * the copy within one block. An error elsewhere is told only when this returns. */
    int (*admit)(void *opaque, guint64 bytes, GError **err);
    /* @bytes more are written (not yet synced). May not wait. */
    void (*advance)(void *opaque, guint64 bytes);
    /* Everything below @dstOffset_bytes is written and synced to stable storage: a later copy may
     * start there. The copy goes on meanwhile. None is made at the end, when replCopyRun itself has
     * synced. */
    int (*checkpoint)(void *opaque, guint64 dstOffset_bytes, GError **err);
    /* @bytes of the data were neither read nor written, since the target has them. May not wait. */
    void (*spared)(void *opaque, guint64 bytes);
    void *opaque;
} ReplCopyWatch;

typedef struct {
    const ReplExtentSource *extents; /* NULL: the data of the source, as the reader tells */
    const ReplTransform *transform;  /* NULL: none */
    const ReplCopyWatch *watch;      /* may be NULL */
    guint64 size_bytes;              /* size the target gets */
    /* Resume: everything below is there already, zeros between the extents included. The target is the one of the interrupted copy,
     * with the same extents; what it holds outside of them stays. */
    guint64 start_bytes;
    /* At least this much data between two checkpoints; 0: none. An interruption loses at most twice
     * this, or this and 16 MiB, whichever is more. */
    guint64 checkpoint_bytes;
    /* The target holds something else already (an older version of the source, say): whatever lies between the extents
     * is made to read as zeros. */
    gboolean overwrite;
} ReplCopyJob;

/* Copies what @reader reads to @writer as @job says: holes stay holes, reading and writing overlap. Uses 10
 * MiB of memory (18 where a transform is of whole 1 MiB, or for a writer->inTurn) and seven extra threads (15), released on
 * return. Ends with a flush of @writer. Where holes cannot be found (reader->holeBlind) blocks of zeros are not written
 * (but with a transform all is).
 *
 * When one of the threads fails, @reader and @writer are cancelled, so that the others do not wait for a peer: after an
 * error both are good for nothing but to be freed. Another thread may cancel them to end the copy.
 *
 * Returns 0, or -1 with @err set: the first error, which is the watch's, the extents', the transform's, the
 * reader's or the writer's own, handed up untouched; VIR_ERR_INVALID_ARG when both are the same file. Whatever was written
 * stays. */
int
replCopyRun(ReplReader *reader, ReplWriter *writer, const ReplCopyJob *job, GError **err);
