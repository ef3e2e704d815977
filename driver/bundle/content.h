/*
 * content.h: what a layer holds, as one digest
 *
 * SHA-256 over all blocks of 64 KiB of its file that are not zeros, each behind its number (8 bytes, big-endian), and the
 * size of the file. Holes are zeros. The reference to the layer below is left out of a qcow2 header, since each pool calls that
 * one by another name; all else counts. So copies of a layer have one digest wherever they lie.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "copy/reader.h"

typedef struct {
    const char *volume; /* for messages */
    ReplFormat format;
    guint64 size_bytes; /* of the file */
    /* Asked before each @bytes that are read: 0 to go on, or -1 with @err set. NULL: it is not stopped. */
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
} ReplContent;

/* Reads all of @reader. @digest gets REPL_BUNDLE_DIGEST_CHARS digits and a NUL. Returns 0, or -1 with @err set. */
int
replContentDigest(ReplReader *reader, const ReplContent *content, char *digest, GError **err);
