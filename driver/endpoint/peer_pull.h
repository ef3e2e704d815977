/*
 * peer_pull.h: images of region pools whose host has the module, as sources
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* Volume @volume of the pool of type region with this UUID, or NULL: there is no such pool of that type. Nothing is connected
 * before the first operation. */
ReplSource *
replPeerPullSource(const char *poolUuid, const char *volume);
