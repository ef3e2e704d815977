/*
 * bundled.h: vol-create-from of a bundle: an image is made of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libvirt/libvirt.h>

#include "xml/xml.h"

/* Makes sources of volumes that are bundles; once, at start. */
void
replBundledStart(void);

/* Whether the volume, of any pool of files of this host, begins as a bundle does and may be read by the caller. */
gboolean
replBundledIs(virStorageVolPtr vol);

/* As replSubmit(), for the image in the bundle @vol. */
virStorageVolPtr
replBundledSubmit(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags);
