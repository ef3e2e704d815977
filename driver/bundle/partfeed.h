/*
 * partfeed.h: the bytes of a layer's parts, one after the other, each held against its digest
 *
 * A thread reads and digests ahead, so that this happens beside the unpacking. The last bytes of a part are handed out only
 * when its digest was right: who has them all knows that they are what they should be.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "bundle/file.h"

typedef struct _ReplPartFeed ReplPartFeed;

typedef struct {
    guint8 *bytes;
    gsize length;
    guint part;    /* of the layer */
    gboolean last; /* of its part */
} ReplPartChunk;

void
replPartChunkFree(ReplPartChunk *chunk);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPartChunk, replPartChunkFree)

/* From part @first of @layer on; @file is the bundle. NULL with @err set. */
ReplPartFeed *
replPartFeedNew(const ReplBundleLayer *layer, guint first, const ReplBundleFile *file, GError **err);

void
replPartFeedFree(ReplPartFeed *feed);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPartFeed, replPartFeedFree)

/* The next chunk; it waits for it. By one thread at a time. NULL with @err set: the end was reached before, a
 * digest is wrong (VIR_ERR_OPERATION_INVALID), or it was stopped. */
ReplPartChunk *
replPartFeedTake(ReplPartFeed *feed, GError **err);

/* Ends waits, now and for ever. By any thread. */
void
replPartFeedStop(ReplPartFeed *feed);
