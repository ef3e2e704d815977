/*
 * counts.h: how often each host cluster of a qcow2 file is referred to, in pages that exist where it is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct ReplCounts ReplCounts;

ReplCounts *
replCountsNew(void);

void
replCountsFree(ReplCounts *counts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCounts, replCountsFree)

/* Adds @n. FALSE when the count or the memory it takes (64 MiB, for 1 TiB of 64 KiB clusters) gets too
 * large. */
gboolean
replCountsAdd(ReplCounts *counts, guint64 cluster, guint32 n);

guint32
replCountsGet(const ReplCounts *counts, guint64 cluster);

/* A mark of the caller's choice beside the count. */
gboolean
replCountsMark(ReplCounts *counts, guint64 cluster);

gboolean
replCountsIsMarked(const ReplCounts *counts, guint64 cluster);

/* The first cluster at or behind @from with a count, or G_MAXUINT64. Sorts what was added. */
guint64
replCountsNext(ReplCounts *counts, guint64 from);
