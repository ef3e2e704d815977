/*
 * donors.h: which volumes may be asked for the blocks of a damaged image
 *
 * What the requester may not read is not looked at: whether a block is mended must not tell what others have. That is asked
 * with the request, since access rules may know a client only as long as it is there.
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
