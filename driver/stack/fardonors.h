/*
 * fardonors.h: where blocks of a damaged image may be on other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Called by the client's thread, for a heal: volumes of pools of type region whose chains may have the image's layers, likely ones
 * first: its source, what was replicated from it, and volumes of its name. Those that the caller may not read are left out.
 * An array of ReplJobLayer, which name pool and volume as the source; nothing is asked but where the source is. */
GPtrArray *
replFarDonors(const ReplRegion *region, const char *volume);
