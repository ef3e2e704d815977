/*
 * home.h: where the record of a job lives
 *
 * When the target is a pool of this host, the record lives in the pool's staging folder, so that a pool on
 * shared or moved storage describes itself. When the target is elsewhere, it lives in a folder of this host's
 * own, which has the same shape: the other host keeps its side of the job by itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Sets the folder of jobs whose targets are elsewhere; it is made when the first one needs it. Once, at start. */
void
replHomeStart(const char *path);

/* The home of jobs whose target is @region: an open staging folder, the caller's reference. NULL without @err when
 * there is none and @create is FALSE; NULL with @err set. */
ReplStaging *
replHomeOf(const ReplRegion *region, gboolean create, GError **err);

/* The same by the target's UUID: VIR_ERR_NO_STORAGE_POOL when no region pool of this host and no pool of type region has it. */
ReplStaging *
replHomeOfUuid(const unsigned char *uuid, gboolean create, GError **err);

/* That of the jobs whose targets are elsewhere, as above. */
ReplStaging *
replHomeOwn(gboolean create, GError **err);
