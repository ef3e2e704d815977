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

/* Whether the request makes an image of a bundle, the volume @vol of any pool of files of this host. Returns 1; 0: its source
 * is an image, or may not be read by the caller; or -1 with the error reported: the request says that the source is a
 * bundle, and it is none. */
int
replBundledAsked(const ReplRequest *request, virStorageVolPtr vol);

/* As replSubmit(), for the image in the bundle @vol. */
virStorageVolPtr
replBundledSubmit(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags);
