/*
 * twins.h: two region pools must not be one directory
 *
 * Pins, jobs, leases and quotas go by pool, so a second region pool on the same directory (by a symbolic link or a
 * bind mount) would get round all of them. Of several, the one that was seen first has the directory, as long as it
 * is active; to us the others are not active, whatever libvirt says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/pools.h"

/* Whether the pool of @dir has its directory. @isThere tells whether another pool, that had it before, is still active
 * there; it is called without a lock. FALSE with *other set to the UUID of the one that has it. */
gboolean
replTwinsTakeDir(const ReplPoolDir *dir, gboolean (*isThere)(const char *poolUuid, const ReplPoolDir *dir),
                 char **other);
