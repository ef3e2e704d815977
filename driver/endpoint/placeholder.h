/*
 * placeholder.h: empty volumes that hold names in a pool, made and removed through the stock driver
 *
 * A volume is in two places: its file, and stock's list of volumes. A call that fails may have changed one of them
 * only, so each is looked at by itself, and a name is given back only when it is in neither.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <sys/stat.h>

#include "region/region.h"

/* Makes the empty volume @volume with the owner and mode of @like. The same lock as for replPlaceholderUnlist.
 * Returns 0, or -1 with @err set. */
int
replPlaceholderMake(const ReplRegion *target, const char *volume, const struct stat *like, GError **err);

/* Takes @volume off stock's list if it has no file and no call is making it. Stock leaves such an entry when a
 * call of it fails half-way, and the name cannot be used then. Call it with the lock of deletions held
 * (image/guard.h). Returns 1 when @volume was such an entry and is off the list, 0 when it was none, or -1 with
 * @err set: it is still listed. */
int
replPlaceholderUnlist(const ReplRegion *target, const char *volume, GError **err);

/* Removes the volume @name, its file and stock's entry of it, if it is an empty placeholder or, with @whatever,
 * in any case. A file that is not the placeholder any more stays (logged): it belongs to another client. The
 * same lock. Returns 0, or -1 with @err set: something of it is left. */
int
replPlaceholderRemove(const ReplRegion *target, const char *name, gboolean whatever, GError **err);
