/*
 * sums.h: digests of a file of a region pool, kept in its staging folder or made now
 *
 * In:    an open file of a pool, and its volume's name.
 * Out:   its digests (store/digests.h), which fit the file as it is.
 * Owner: the caller.
 * Lock:  none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"
#include "probe/pools.h"
#include "store/digests.h"

typedef struct {
    const ReplPoolDir *pool;
    const char *volume;
    int fd;
    gboolean needed; /* others stand on it: digests that do not fit tell of damage, and stay */
} ReplSummed;

/* Kept digests that fit. With @make they are made where there are none, which reads the file as a whole, and kept. @stop: asked
 * now and then meanwhile, not 0: end. NULL: there are none, for whatever reason. */
ReplDigests *
replSums(const ReplSummed *file, gboolean make, gboolean (*stop)(void *opaque), void *opaque);
