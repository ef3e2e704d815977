/*
 * overview.h: regions with their images, for the rest of the library
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region.h"

/* Appends the regions of a connection to @regions (virtReplicationRegion), sorted. Sets the error.
 */
int
replOverviewList(virConnectPtr conn, GPtrArray *regions, unsigned int flags);

/* Reads one volume; NULL without an error when it is no image. */
virtReplicationImage *
replOverviewVolume(virStorageVolPtr vol, const ReplImagePlace *place);
