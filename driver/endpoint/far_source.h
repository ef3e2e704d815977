/*
 * far_source.h: an image of a pool of type region as a source, whatever its host is
 *
 * Whether the peer has the module is asked when the source is first used: until then, and after a start of the daemon, it is not
 * known.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* Volume @volume of the pool of type region with this UUID, or NULL: there is no such pool of that type. Opens nothing yet. */
ReplSource *
replFarSource(const char *poolUuid, const char *volume);
