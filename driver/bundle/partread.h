/*
 * partread.h: the map of a part, without the rest of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/file.h"
#include "bundle/map.h"

/* Larger windows than the writer's own are refused: they are memory. */
#define REPL_PART_WINDOW_LOG_MAX 23

/* Whether the bytes of the part in the bundle @file begin as those of zstd do. */
gboolean
replPartIsZstd(const ReplBundleFile *file, const ReplBundlePart *part);

/* The map in front of the part, not yet proved by its digest. NULL with @err set: VIR_ERR_OPERATION_INVALID when there is none,
 * else that of the file. */
ReplMap *
replPartMap(const ReplBundleFile *file, const ReplBundlePart *part, GError **err);
