/*
 * target.h: regions and pools that a person names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* Frees an array of virtReplicationRegion that ends with NULL. */
void
replTargetFreeRegions(virtReplicationRegion **regions);

/* All regions, by virtReplicationListRegions(). Reports; NULL on error. */
virtReplicationRegion **
replTargetRegions(ReplClient *client, unsigned int flags);

/* The region pool that @word means: a region of one pool, or of one pool of @project (may be NULL);
 * or a pool's name. Borrowed from @regions. Reports; NULL when there is none, or several. */
const virtReplicationRegion *
replTargetFind(virtReplicationRegion *const *regions, const char *word, const char *project);

/* Several of them: words may hold several ones with commas between. Appends to @found, each pool
 * once. Reports; false on error. */
bool
replTargetFindAll(virtReplicationRegion *const *regions, char **words, const char *project, GPtrArray *found);

/* A pool by name, with the nearest name when there is none. Reports; NULL on error. */
virStoragePoolPtr
replTargetPool(ReplClient *client, const char *name);

/* Says that volume @name was not found in @pool, by libvirt's last error, with the nearest name there. */
void
replTargetNoVolume(virStoragePoolPtr pool, const char *name);
