/*
 * stockmake.h: stock calls that make or grow volumes, in region pools
 *
 * What the stock driver makes there is an image like others: it is held to the quota, is no source while it is written, has
 * no record of an earlier volume of its name, and keeps its key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"
#include "xml/xml.h"

/* vol-create or, with @source, vol-create-from of @xml->stock. @region: of the pool, NULL: none. */
virStorageVolPtr
replStockMake(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
              virStorageVolPtr source, const ReplRegion *sourceRegion, unsigned int flags);

/* vol-resize, allowed already. */
int
replStockResize(virStorageVolPtr vol, const ReplRegion *region, unsigned long long capacity,
                unsigned int flags);
