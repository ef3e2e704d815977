/*
 * placeholder.h: empty volumes that hold names in a pool, made and removed through the stock driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <sys/stat.h>

#include "region/region.h"

/* Makes the empty volume @volume with the owner and mode of @like. Returns 0, or -1 with @err set.
 */
int
replPlaceholderMake(const ReplRegion *target, const char *volume, const struct stat *like, GError **err);

/* Takes @volume off stock's list if it has no file. Stock leaves such an entry when it fails to make a
 * volume, and nobody can use the name then. Returns whether @volume was such an entry and is gone. */
gboolean
replPlaceholderDropGhost(const ReplRegion *target, const char *volume);

/* Removes the volume @name if it is an empty placeholder or, with @whatever, in any case. A file that is not
 * the placeholder any more stays (logged): it belongs to another client. Returns 0, or -1 with @err set: it
 * could not be removed. */
int
replPlaceholderRemove(const ReplRegion *target, const char *name, gboolean whatever, GError **err);
