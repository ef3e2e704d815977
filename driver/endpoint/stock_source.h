/*
 * stock_source.h: an image on a host without the module, as a source
 *
 * Its layers are read by the storage calls that every libvirt has. No lock holds them there, and whether a guest writes to
 * them is not known: what has changed while it was read is found by size and times, and fails the attempt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* Volume @volume of the pool of type region with this UUID. Opens nothing yet. */
ReplSource *
replStockSourceNew(const char *poolUuid, const char *volume);
