/*
 * blobwriter.h: a blob on its way into a bundle: digested, and packed where that pays
 *
 * A writer for the copy engine, whose threads bring pieces in about the right order; a digest and a compressor want them in
 * exactly that order. So pieces take turns: the thread whose piece is next digests it, or hands it to the compressor, while
 * others read, or write what was digested. What comes out of the compressor (whose threads are libzstd's own) is digested
 * and written by one thread more.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "copy/writer.h"

typedef struct {
    int fd;             /* of the bundle, open read-write */
    guint64 at_bytes;   /* where the blob begins in it */
    guint64 size_bytes; /* of the blob unpacked */
    guint level;        /* of zstd, 0: not packed */
} ReplBlobPlace;

/* Offsets of its pwrite are @place->at_bytes and the offset in the unpacked blob; @head, the blob's first bytes, is written
 * by it. The caller runs one copy to it, then replBlobWriterEnd(). NULL with @err set. */
ReplWriter *
replBlobWriterNew(const ReplBlobPlace *place, const GByteArray *head, GError **err);

/* All bytes are written: sets digest and size of @part, synced or not. Returns 0, or -1 with @err set. */
int
replBlobWriterEnd(ReplWriter *writer, ReplBundlePart *part, GError **err);
