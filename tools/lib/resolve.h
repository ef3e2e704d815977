/*
 * resolve.h: which image a person means; pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "libpriv.h"

/* The image of @regions (virtReplicationRegion, with images) that @name means: its id or the
 * beginning of it, [region:]name, [region:]volume or pool/volume. Borrowed from @regions. Sets the
 * error. */
const virtReplicationImage *
replResolve(const GPtrArray *regions, const char *name);
