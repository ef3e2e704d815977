/*
 * cache.h: what the headers of volumes say, kept for as long as the files stay unchanged
 *
 * Asking which volume needs which means looking at every header of a pool. A header is read once and
 * then believed while device, inode, size, mtime and ctime of its file are the same, so that 1000
 * unchanged volumes cost 1000 stat calls and not one open. A header read from a file that changed only
 * just now is not kept: the clock of the file system is too coarse to show a second change.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <sys/stat.h>

#include "probe/pools.h"
#include "qcow2/format.h"

/* What we need of a header. Immutable; shared by counted references. */
typedef struct {
    ReplFormat format;
    gboolean malformed; /* a header that cannot be used; all below is empty */
    gboolean encrypted;
    guint32 snapshotCount;     /* internal ones */
    guint64 virtualSize_bytes; /* 0: not known */
    char *backing;             /* as written, NULL: none */
    char *backingFormat;       /* NULL: not stated */
} ReplHead;

/* Reads the head of the open regular file @fd, @what names it in messages. A malformed qcow2 header is
 * not an error here. NULL with @err set when it cannot be read. */
ReplHead *
replHeadRead(int fd, const char *what, GError **err);

ReplHead *
replHeadRef(ReplHead *head);

void
replHeadUnref(ReplHead *head);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplHead, replHeadUnref)

/* Used from any thread; at most @maxEntries files are remembered, the least recently used go first. */
typedef struct ReplGraphCache ReplGraphCache;

/* Good for every pool a host will have, at about 200 bytes each. */
#define REPL_GRAPH_CACHE_ENTRIES 32768

ReplGraphCache *
replGraphCacheNew(guint maxEntries);

void
replGraphCacheFree(ReplGraphCache *cache);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplGraphCache, replGraphCacheFree)

/* The head of volume @name in @pool, of which @st was just found (by fstatat without following links; a
 * regular file). NULL with @err set when it cannot be opened or read. */
ReplHead *
replGraphCacheHead(ReplGraphCache *cache, const ReplPoolDir *pool, const char *name, const struct stat *st,
                   GError **err);

/* What graph.c keeps with the cache: made by @make when it is first asked for, freed with the cache. */
void *
replGraphCacheKept(ReplGraphCache *cache, void *(*make)(void), GDestroyNotify free);
