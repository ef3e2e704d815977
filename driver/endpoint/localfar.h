/*
 * localfar.h: which layers of a source on another host this pool has already
 *
 * In:    the source's facts, and the pool.
 * Out:   volumes of the pool that stand for layers, from the base up, as probe/present.h finds them for layers that are files
 *        of this host.
 * Owner: everything given stays the caller's.
 * Lock:  none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/target.h"
#include "probe/present.h"

typedef struct {
    ReplSource *source;
    const ReplSourceFacts *facts;
    const ReplPoolDir *dir;

    const ReplPresentAsk *ask; /* how sizes are known, and what may be used and told about */
    /* Whether to end. */
    gboolean (*stop)(void *opaque);
    void *opaque;
} ReplLocalFar;

/* Fills @present, an element for each layer. Without @contents no layer is found, and *closely says whether one could be. Returns 0,
 * or -1 with @err set. */
int
replLocalFarPresent(const ReplLocalFar *far, gboolean contents, gboolean *closely, ReplPresent *present,
                    GError **err);
