/*
 * basiscrew.h: threads that copy blocks from volumes that are here already
 *
 * In:    runs of blocks of such a volume, each block with the digest that it has to have.
 * Out:   the blocks in the target. Each is digested again before it is written; one that is not what it was is read from the
 *        source instead.
 * Owner: the writer that asks (basiswriter.c); the files of the runs outlive the crew.
 * Lock:  one guards the queue. Take is called by one thread at a time, Drain and Cancel by any.
 *
 * What a crew has taken counts as written only when Drain has returned: a flush drains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/basispriv.h"

/* The longest run that is handed over at once. */
#define REPL_BASIS_RUN_BYTES (1u << 20)

typedef struct _ReplBasisCrew ReplBasisCrew;

typedef struct {
    ReplBasisFile *file;
    guint64 from_bytes; /* in the file; as far from the start of a block as to_bytes in the target */
    guint64 to_bytes;
    gsize length_bytes; /* at most REPL_BASIS_RUN_BYTES */
    guint8 sums[REPL_BASIS_RUN_BYTES / REPL_SUM_BLOCK_BYTES + 1]
               [REPL_SUM_BYTES]; /* of the blocks it touches */
} ReplBasisRun;

/* @inner is borrowed, @source (of the bytes of the whole layer) taken over. NULL with @err set. */
ReplBasisCrew *
replBasisCrewNew(ReplWriter *inner, ReplReader *source, GError **err);

/* Ends the threads; runs that have not begun are dropped. */
void
replBasisCrewFree(ReplBasisCrew *crew);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplBasisCrew, replBasisCrewFree)

/* Hands @run over (taken over), waiting while many wait. Returns 0, or -1 with @err set: why an earlier one has failed. */
int
replBasisCrewTake(ReplBasisCrew *crew, ReplBasisRun *run, GError **err);

/* Waits until all runs that were handed over are written. Returns 0, or -1 with @err set. */
int
replBasisCrewDrain(ReplBasisCrew *crew, GError **err);

/* Waits end soon, and fail. */
void
replBasisCrewCancel(ReplBasisCrew *crew);
