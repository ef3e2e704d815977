/*
 * reader.h: where the bytes of a copy come from
 *
 * In:    a table of operations (ReplReaderOps) for one source of bytes: a regular file (copy/files.h), a layer on
 *        another host, a blob in a bundle, memory in a test.
 * Out:   runs of data and their bytes, to the copy engine (copy/copy.h), which knows nothing else of the source.
 * Owner: the one who made the reader frees it, after the copy has returned. The engine borrows it.
 * Lock:  none here. An implementation locks what its operations share.
 *
 * An implementation embeds ReplReader as its first member and sets ops; the two facts below are set before the
 * reader is handed out and never change.
 *
 * Threads. pread is called by up to 16 threads at once, for different ranges. data and pass are called by one thread
 * at a time (not always the same one), while preads are under way. cancel is called by any thread at any time.
 * free comes last, when no other call is under way.
 *
 * Order. The engine asks for the runs of data in ascending order and reads what it was given in about that order: by
 * ascending offset, each byte once, with at most REPL_COPY_AHEAD_BYTES between the lowest and the highest byte that
 * threads are reading at the same time. A reader that fetches ahead follows its own runs and never has to guess. (With extents
 * of the caller's own, job->extents, the order is that of the target and may jump in the source.)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* How far apart in the data (holes not counted) the pieces are that a copy carries at once. */
#define REPL_COPY_AHEAD_BYTES (32u << 20)

/* A pread may also write over whatever follows in the buffer up to the next address that is a multiple of this: the rest of
 * the last block of a file that is read directly. */
#define REPL_READER_SLACK_BYTES 4096u

typedef struct _ReplReader ReplReader;

typedef struct {
    /* Finds the first run of data at or behind @from_bytes: sets *offset_bytes and *length_bytes (> 0, and
     * *offset_bytes + *length_bytes > @from_bytes) and returns 1; 0 when nothing but a hole follows; -1 with @err set.
     * Bytes outside of all runs read as zeros. A run may be longer than what follows without a hole; it
     * may also end before the data does. May wait (for a peer). NULL: everything is one run of data. */
    int (*data)(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
                GError **err);

    /* Reads exactly @len bytes (at most 4 MiB) at @offset into @buf (and see REPL_READER_SLACK_BYTES).
     * Returns 0, or -1 with @err set. There are no short reads: a source that ends before is an error (it was
     * changed). May wait, as long as the implementation believes that its source comes back; when it loses
     * data on the way and fetches it again, it does not tell the engine. */
    int (*pread)(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err);

    /* Tells that @length_bytes at @offset_bytes, part of a run, are not going to be read: the target has them.
     * Data fetched ahead of them may be dropped. Optional. */
    void (*pass)(ReplReader *reader, guint64 offset_bytes, guint64 length_bytes);

    /* Makes calls that wait return soon with an error (VIR_ERR_OPERATION_ABORTED), and later ones fail as well. Called
     * by the engine when the copy has failed elsewhere, and by the job's owner when it is cancelled; perhaps
     * several times, perhaps when nothing waits. Must not wait itself. Optional: without it nothing may
     * wait for longer than a disk does. */
    void (*cancel)(ReplReader *reader);

    /* The regular file behind the reader, whose bytes at every offset are the reader's, or -1. Stays the reader's. For
     * clones, and for programs that need a file. Optional. */
    int (*fd)(ReplReader *reader);

    void (*free)(ReplReader *reader);
} ReplReaderOps;

struct _ReplReader {
    const ReplReaderOps *ops;
    gboolean
        inMemory; /* reading waits for nothing: more threads than processors only get in each other's way */
    gboolean
        holeBlind; /* runs of data may be holes that cannot be found: zeros are left out when they were read */
};

int
replReaderData(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
               GError **err);

int
replReaderRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err);

void
replReaderPass(ReplReader *reader, guint64 offset_bytes, guint64 length_bytes);

void
replReaderCancel(ReplReader *reader);

int
replReaderFd(ReplReader *reader);

void
replReaderFree(ReplReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplReader, replReaderFree)
