/*
 * writer.h: where the bytes of a copy go
 *
 * In:    a table of operations (ReplWriterOps) for one target: a regular file (copy/files.h), a layer that is made on
 *        another host, a bundle, memory in a test.
 * Out:   what was written, on stable storage when flush says so.
 * Owner: the one who made the writer frees it, after the copy has returned. The engine borrows it.
 * Lock:  none here. An implementation locks what its operations share.
 *
 * An implementation embeds ReplWriter as its first member and sets ops; inMemory, inOrder and inTurn are set before the writer is
 * handed out and never change.
 *
 * Life. resize once, first. Then pwrite, zero, reserve, have in any mixture, flush now and then, and flush with
 * last=TRUE when all is written. A user may go on after that (a header that makes the file an image comes last) and
 * flush again. What is not yet written reads as zeros in a fresh target, and as what was there before in one that is
 * resumed or changed.
 *
 * Threads. pwrite is called by up to 16 threads at once, for ranges that do not overlap; flush by one thread at a
 * time, while pwrites are under way; resize, have, zero and reserve by one thread at a time, have, zero and
 * reserve while pwrites of lower offsets are under way. cancel is called by any thread at any time. free comes
 * last, when no other call is under way.
 *
 * Order. Pieces are handed out by ascending offset, so writes come in about that order, each byte once, as reader.h
 * says of reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "copy/reader.h"

typedef struct _ReplWriter ReplWriter;

typedef struct {
    /* Gives the target its size. Returns 0, or -1 with @err set. */
    int (*resize)(ReplWriter *writer, guint64 size_bytes, GError **err);

    /* Writes all of @len bytes (at most 4 MiB) at @offset; @buf is the caller's again when this returns.
     * Returns 0, or -1 with @err set; there are no short writes. Not yet on stable storage. May wait (for
     * credit of a peer, or for a link that is expected back): a writer keeps a bounded amount, and makes
     * callers wait beyond that. */
    int (*pwrite)(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err);

    /* Returns 0 when everything that pwrite and zero took before this call began is on stable storage, the size
     * included (a peer has acknowledged that it is), or -1 with @err set. @last: nothing more comes for
     * now: caches filled by the copy may be emptied, times are to be stable, too. */
    int (*flush)(ReplWriter *writer, gboolean last, GError **err);

    /* Asks, before anything of it is read, whether the target has the data that belongs at @offset_bytes already (its
     * peer found it by digest, say). Sets *run_bytes to 1..@length_bytes and returns 1 when the first *run_bytes bytes
     * are there and need neither be read nor written, 0 when all of them are needed, or -1 with @err set. Asked by
     * ascending offset, each byte once. May wait, but holds up all threads: answer from what was looked up ahead.
     * Not asked where a transform changes the bytes. Optional. */
    int (*have)(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, guint64 *run_bytes,
                GError **err);

    /* Makes @length_bytes at @offset_bytes read as zeros, as a hole where that can be. Only called for a copy over a
     * target that holds something (job->overwrite), which needs it. Returns 0, or -1 with @err set. Optional. */
    int (*zero)(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err);

    /* Tells that so much is going to be written, so that the target can lay it out in one run. Returns 0, also when it
     * cannot, or -1 with @err set when there is no space. Optional. */
    int (*reserve)(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err);

    /* Makes the empty target share all blocks with @reader, and syncs it. Returns 1 when done, 0 when it cannot (the
     * caller copies), -1 with @err set. Optional. */
    int (*clone)(ReplWriter *writer, ReplReader *reader, GError **err);

    /* As of a reader: makes calls that wait return soon with an error, and later ones fail. */
    void (*cancel)(ReplWriter *writer);

    /* The regular file behind the writer, open read-write, or -1. Stays the writer's. qemu-img, key slots and
     * the look at a finished layer need one. Optional. */
    int (*fd)(ReplWriter *writer);

    void (*free)(ReplWriter *writer);
} ReplWriterOps;

struct _ReplWriter {
    const ReplWriterOps *ops;
    gboolean inMemory; /* writing waits for nothing, as reader->inMemory */
    gboolean inOrder;  /* writes must come by ascending offset, one at a time: one thread carries the copy */
    gboolean inTurn;   /* a write waits for other threads' of lower offsets: more of them carry the copy */
};

int
replWriterResize(ReplWriter *writer, guint64 size_bytes, GError **err);

/* Any length: in parts where it has to be. */
int
replWriterWrite(ReplWriter *writer, const void *buf, gsize len, guint64 offset, GError **err);

int
replWriterFlush(ReplWriter *writer, gboolean last, GError **err);

int
replWriterHave(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, guint64 *run_bytes,
               GError **err);

int
replWriterZero(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err);

int
replWriterReserve(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err);

int
replWriterClone(ReplWriter *writer, ReplReader *reader, GError **err);

void
replWriterCancel(ReplWriter *writer);

int
replWriterFd(ReplWriter *writer);

void
replWriterFree(ReplWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplWriter, replWriterFree)
