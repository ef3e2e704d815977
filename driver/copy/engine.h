/*
 * engine.h: what only the copy engine's own files and its tests know
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"

/* How a copy is driven. Tests turn fast paths off to reach the slow ones. */
typedef struct {
    guint workers;          /* threads, the caller's among them; 1..REPL_COPY_WORKERS_MAX */
    guint64 block_bytes;    /* a multiple of 64 KiB; every worker has a buffer of this size */
    gboolean noSeek;        /* as if the source's file system knew no SEEK_DATA */
    gboolean noDirect;      /* never O_DIRECT */
    gboolean noPreallocate; /* never fallocate the target */
} ReplCopyTune;

#define REPL_COPY_WORKERS_MAX 16

/* What replCopyRun uses. */
ReplCopyTune
replCopyTuneDefault(void);

int
replCopyRunTuned(int src, int dst, const ReplCopyJob *job, const ReplCopyTune *tune, GError **err);
