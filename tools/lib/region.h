/*
 * region.h: one region pool, as far as its XML tells
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "readimage.h"

/* Reads a <pool>: label, usage, peer, jobs, shares. NULL, with no error, when the pool is no
 * region. */
virtReplicationRegion *
replReadRegion(xmlNodePtr pool);

/* Where the region's images are; borrows from @region. */
ReplImagePlace
replRegionPlace(const virtReplicationRegion *region);

/* Gives away the pointers of @array as one that ends with NULL, and tells how many. */
void *
replArraySteal(GPtrArray *array, size_t *count);
