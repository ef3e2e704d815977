/*
 * listing.h: the images of a pool, for its overview
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/overview.h"
#include "region/region.h"

/* Adds the volumes of an active region pool that the caller may see to the images of @overview, by name, without a look
 * into any of them. Returns 0, or -1 with the error reported. */
int
replListingAdd(virStoragePoolPtr pool, const ReplRegion *region, ReplOverview *overview);
