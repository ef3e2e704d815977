/*
 * packpriv.h: the pieces of writing a bundle
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/map.h"
#include "bundle/pack.h"

#define REPL_PACK_LAYOUT "oci-layout"
#define REPL_PACK_INDEX "index.json"
#define REPL_PACK_BLOBS "blobs/sha256/"

/* Data of one part: more where all layers together would have too many of them. */
guint64
replPackPartBytes(const ReplBundlePack *pack);

/* Where the part of @map begins and ends, and how much data it has. */
void
replPackBounds(const ReplMap *map, ReplBundlePart *part);

/* Finds the parts that an earlier attempt has finished, and where to go on: 0 when there is nothing to go on from. Returns 0,
 * or -1 with @err set. */
int
replPackResume(const ReplBundlePack *pack, guint64 *next_bytes, GError **err);
