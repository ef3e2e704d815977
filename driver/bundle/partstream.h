/*
 * partstream.h: the data of a layer's parts, unpacked, in their order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/file.h"
#include "bundle/map.h"

typedef struct _ReplPartStream ReplPartStream;

/* As replPartFeedNew(), for layer @number of @bundle. */
ReplPartStream *
replPartStreamNew(const ReplBundle *bundle, guint number, guint first, const ReplBundleFile *file,
                  GError **err);

void
replPartStreamFree(ReplPartStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPartStream, replPartStreamFree)

/* Where in the layer's file the next byte belongs: *length_bytes of them follow each other. With the last byte of a part its
 * digest was right. Returns 1, 0 at the end of the layer, -1 with @err set. By one thread at a time, as Read. */
int
replPartStreamNext(ReplPartStream *stream, guint64 *offset_bytes, guint64 *length_bytes, GError **err);

/* Reads exactly @len bytes, no more than Next has said there are, into @buf; NULL: passes over them. Returns 0, or -1 with @err
 * set. */
int
replPartStreamRead(ReplPartStream *stream, guint8 *buf, gsize len, GError **err);

/* The sum of the map (map.h) of the part that is read, and which one it is; 0: none. */
guint64
replPartStreamMap(const ReplPartStream *stream, guint *part);

/* Ends waits, now and for ever. By any thread. */
void
replPartStreamStop(ReplPartStream *stream);
