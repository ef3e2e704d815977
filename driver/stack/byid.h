/*
 * byid.h: images by their id: the source of a request, and a volume to look up
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"
#include "xml/xml.h"

/* The beginning of a key that names an image by its id. */
#define REPL_IMAGE_KEY "replication:image/"

/* The same of an image of this very host: how hosts ask each other. */
#define REPL_IMAGE_KEY_HERE "replication:image-here/"

/* vol-create with <replication:replicate image=>. Returns the volume, or NULL with the error reported. */
virStorageVolPtr
replSubmitById(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml, unsigned int flags);

/* The volume of the image @id, if the caller may see it. NULL with the error reported. */
virStorageVolPtr
replLookupById(virConnectPtr conn, const char *key);

/* The volumes of pools of type region that are the image @id on hosts with the module, as far as the caller may look them up; handles. */
GPtrArray *
replByIdFar(virConnectPtr conn, const char *id);
