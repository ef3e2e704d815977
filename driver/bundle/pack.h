/*
 * pack.h: a bundle is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "copy/copy.h"

/* Data in one part: what an interruption makes go again. */
#define REPL_PACK_PART_BYTES (G_GUINT64_CONSTANT(512) << 20)

typedef struct {
    ReplBundle *bundle; /* its image and layers; gets the parts of those that are not absent */
    /* A reader of layer @layer (from the base up), which is freed before the next one is asked for. NULL with @err set. */
    ReplReader *(*open)(void *opaque, guint layer, GError **err);
    void *opaque;       /* for open */
    int fd;             /* a regular file, open read-write */
    guint level;        /* of zstd; 0: nothing is packed. What cannot be packed is not. */
    guint64 part_bytes; /* REPL_PACK_PART_BYTES, but in tests */
    /* What an earlier attempt at the same layers has noted by a checkpoint; what lies behind is given up. 0: from the start. */
    guint64 start_bytes;
    /* admit and advance are told of the layers' data (advance also of what was finished earlier), checkpoint of the file: what lies
     * before is finished and synced; the parts behind are written meanwhile. Must not be NULL; its members may. */
    const ReplCopyWatch *watch;
} ReplBundlePack;

/* Writes the bundle. Returns 0 with the file whole and synced, or -1 with @err set: that of a reader, the watch, or
 * the file. */
int
replBundlePack(const ReplBundlePack *pack, GError **err);
