/*
 * donors.h: which volumes may be asked for the blocks of a damaged image
 *
 * Volumes that the requester may not read are left out: a block that is mended would tell him what they hold.
 * Access control is asked when the request comes, since it may know a client only while the client is
 * connected.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Called by the client's thread: the volumes in region pools of the same project that have a layer of the image in common,
 * by their records or by name, and that the caller may read: a set of texts for replDonorsMay(). NULL with @err set. */
GHashTable *
replDonorsFind(const ReplRegion *region, const char *volume, GError **err);

/* Whether the volume is one of @donors (NULL: any is). */
gboolean
replDonorsMay(GHashTable *donors, const ReplPoolDir *pool, const char *volume);
