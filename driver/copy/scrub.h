/*
 * scrub.h: a file is read and held against its digests, or gets some
 *
 * In:    an open file, its digests or a maker of new ones.
 * Out:   which blocks are not what they were.
 * Owner: everything given stays the caller's.
 * Lock:  one of its own between its few threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"
#include "store/digests.h"

/* Damaged ranges that are told one by one; of more damage only the blocks are counted. */
#define REPL_SCRUB_PLACES_MAX 1024

typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
} ReplDamage;

typedef struct {
    guint64 blocks;  /* damaged ones */
    GArray *damages; /* of ReplDamage, ascending, neighbours joined; NULL: none */
} ReplScrub;

void
replScrubClear(ReplScrub *scrub);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplScrub, replScrubClear)

/* Reads @size_bytes of the regular file @fd past the page cache, holes not at all. @expected (may be NULL) is what it is held
 * against, @maker (may be NULL) gets its digests; not finished here. Of @watch admit and advance are
 * called, for the bytes that are read. Returns 0 with @scrub set, damaged or not, or -1 with @err set: the watch's
 * error, VIR_ERR_SYSTEM_ERROR when it cannot be read, or that of the digests. */
int
replScrubRun(int fd, guint64 size_bytes, const ReplDigests *expected, ReplDigestsMaker *maker,
             const ReplCopyWatch *watch, ReplScrub *scrub, GError **err);

/* Reads the block at @offset of @fd, which has @size_bytes, into @buf (REPL_SUM_BLOCK_BYTES and room for
 * REPL_READER_SLACK_BYTES); *len is its length, @sum its digest. Returns 0, or -1 with @err set. */
int
replScrubBlock(ReplReader *reader, guint64 size_bytes, guint64 offset, guint8 *buf, gsize *len, guint8 *sum,
               GError **err);
