/*
 * basis.h: blocks that a target has already, found by their digests, wherever they lie
 *
 * In:    volumes of the target's pool that are likely to share blocks with what is on its way.
 * Out:   a writer that takes such blocks from those volumes (shared where the file system can) and has only
 *        the other blocks read from the source.
 * Owner: the target; it frees the basis after the writers.
 * Lock:  none: the index is filled before the first writer is made, and a writer's have is called by one
 *        thread at a time.
 *
 * The index has the first 8 bytes of each digest and 4 Mi blocks at most (64 MiB): what is found is held against the whole digest,
 * and what is read is digested again before it is written, so that neither an accident nor damage is carried on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/writer.h"
#include "endpoint/source.h"
#include "endpoint/sums.h"

typedef struct _ReplBasis ReplBasis;

ReplBasis *
replBasisNew(void);

void
replBasisFree(ReplBasis *basis);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplBasis, replBasisFree)

/* Adds the blocks of a volume, by the digests that are kept of it; with @make they are made where there are none. Volumes that a
 * guest writes to are left out. */
void
replBasisAdd(ReplBasis *basis, const ReplSummed *file, gboolean make, gboolean (*stop)(void *opaque),
             void *opaque);

/* Makes it ready to be asked. Returns whether there is anything in it. */
gboolean
replBasisSeal(ReplBasis *basis);

/* A writer to @inner, taken over, of a file of @size_bytes, for layer @layer of @source, which has digests. @dirty: the file is
 * not empty. What is here is copied by threads of its own, and is there when flush has returned. */
ReplWriter *
replBasisWriter(ReplBasis *basis, ReplWriter *inner, ReplSource *source, guint layer, guint64 size_bytes,
                gboolean dirty);
