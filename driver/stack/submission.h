/*
 * submission.h: vol-create-from with <replication:replicate>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"
#include "xml/xml.h"

/* Makes a replica of @source in @pool as @xml asks. @region and @sourceRegion are those of the two
 * pools, NULL where a pool has no label. Returns the replica's volume when it is available (or,
 * with async='yes', pending), NULL with the error reported. */
virStorageVolPtr
replSubmit(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml, virStorageVolPtr source,
           const ReplRegion *sourceRegion, unsigned int flags);
