/*
 * digests.h: SHA-256 of the blocks of a volume's file, kept in staging
 *
 * In:    the digests of a file's blocks, made by the code that reads the file; the file's identity at that
 *        time.
 * Out:   whether a file is still what it was, and which of its blocks are not.
 * Owner: files below .replication/digests/, one for each volume, named by its SHA-256; only the functions of
 *        this header touch them.
 * Lock:  none: a file of digests is made aside and put in place whole. A ReplDigests may be read by several
 *        threads; a maker's Put may be called by several threads for different groups.
 *
 * Two levels: 256 blocks of 64 KiB make a group, whose own digest is of the digests of its blocks. A block that reads as zeros
 * has the digest of 32 zero bytes, whether it is a hole or not; so has a group of nothing else, whose blocks take no space.
 * Everything is checked by digests again when it is loaded: damage to the digests is never taken for damage to the image.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/fd.h"
#include "model/image.h"
#include "store/staging.h"

#define REPL_SUM_BYTES 32u
#define REPL_SUM_BLOCK_BYTES 65536u
#define REPL_SUM_GROUP_BLOCKS 256u
#define REPL_SUM_GROUP_BYTES ((guint64)REPL_SUM_GROUP_BLOCKS * REPL_SUM_BLOCK_BYTES)

/* Larger files get no digests: those of 2 TiB of data take 1 GiB. */
#define REPL_SUM_FILE_MAX_BYTES (G_GUINT64_CONSTANT(2) << 40)

/* The digests of the blocks of one group. */
typedef guint8 ReplGroupSums[REPL_SUM_GROUP_BLOCKS][REPL_SUM_BYTES];

/* SHA-256 of @buf; zeros when it is all zeros. */
void
replSumBlock(const guint8 *buf, gsize len, guint8 *sum);

static inline guint64
replSumBlocks(guint64 size_bytes)
{
    return size_bytes / REPL_SUM_BLOCK_BYTES + (size_bytes % REPL_SUM_BLOCK_BYTES != 0);
}

typedef struct _ReplDigests ReplDigests;

/* The digests of @volume. NULL without @err when there are none, or damaged ones, which are removed with a log line;
 * NULL with @err set when they cannot be read now. */
ReplDigests *
replDigestsLoad(ReplStaging *staging, const char *volume, GError **err);

void
replDigestsFree(ReplDigests *digests);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplDigests, replDigestsFree)

/* The identity of the file when its digests were made (its ctime and dev mean nothing). */
const ReplFileIdentity *
replDigestsOf(const ReplDigests *digests);

/* Whether the file has not been written since, as far as its inode tells. */
gboolean
replDigestsFit(const ReplDigests *digests, const ReplFileIdentity *now);

/* The digest of group @group. */
const guint8 *
replDigestsGroup(const ReplDigests *digests, guint64 group);

/* The digests of its blocks; those behind the end of the file are zeros. Returns 0, or -1 with @err set:
 * VIR_ERR_INTERNAL_ERROR when they are damaged themselves. */
int
replDigestsBlocks(const ReplDigests *digests, guint64 group, ReplGroupSums sums, GError **err);

/* Removes the digests of @volume. */
void
replDigestsForget(ReplStaging *staging, const char *volume);

typedef struct _ReplDigestsMaker ReplDigestsMaker;

/* Begins the digests of @volume, whose file is @identity. NULL with @err set: VIR_ERR_NO_SUPPORT when it is too large. */
ReplDigestsMaker *
replDigestsMake(ReplStaging *staging, const char *volume, const ReplFileIdentity *identity, GError **err);

/* Without replDigestsFinish nothing is left of it. */
void
replDigestsMakerFree(ReplDigestsMaker *maker);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplDigestsMaker, replDigestsMakerFree)

int
replDigestsPut(ReplDigestsMaker *maker, guint64 group, const ReplGroupSums sums, GError **err);

/* Puts them in place, durably, instead of older ones. Returns 0, or -1 with @err set. */
int
replDigestsFinish(ReplDigestsMaker *maker, GError **err);

/* Says that the file is @identity now with the same content. Returns 0, or -1 with @err set. */
int
replDigestsAssume(ReplStaging *staging, const char *volume, const ReplFileIdentity *identity, GError **err);

/* Removes the digests of volumes that are not in the pool directory @poolDirFd any more, and what was left half-made more
 * than an hour ago. */
void
replDigestsSweep(ReplStaging *staging, int poolDirFd);
