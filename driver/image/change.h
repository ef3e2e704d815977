/*
 * change.h: a change to the record of an image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/image.h"
#include "region/region.h"

/* Changes the record of @volume while no other thread does; the first change to an image makes its record. @change
 * returns FALSE with @err set to leave it as it is; it must not change records itself. Returns 0, or -1 with @err
 * set. */
int
replImageChange(const ReplRegion *region, const char *volume,
                gboolean (*change)(ReplImage *image, void *opaque, GError **err), void *opaque, GError **err);
