/*
 * overview.h: what a pool shows of itself in one call
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/overview.h"
#include "region/region.h"

/* A flag of virStoragePoolGetXMLDesc, and what stands above it: the number of a part. */
#define REPL_OVERVIEW_IMAGES (1u << 20)
#define REPL_OVERVIEW_PART_SHIFT 21

/* The XML elements of an active region pool: its jobs, what is shared with its project and, with the flag
 * REPL_OVERVIEW_IMAGES in @flags, those of its volumes that the caller may see, without a look into any of them.
 * NULL with the error reported. */
char *
replOverviewXml(virStoragePoolPtr pool, const ReplRegion *region, unsigned int flags);
