/*
 * writes.h: volumes that a stock call or an upload is writing to
 *
 * A volume that is half written is no image, and no source. A call is noted for as long as it takes; an upload goes on
 * behind its call, for as long as some descriptor of this daemon is open for writing on the file. Every function may be
 * called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Around a stock call that writes to @volume. @fresh: it makes the volume, and writes to none that is there. */
void
replWritesBegin(const ReplRegion *region, const char *volume, gboolean fresh);

/* @goesOn: the call has begun an upload, which goes on after the call has returned. */
void
replWritesEnd(const ReplRegion *region, const char *volume, gboolean fresh, gboolean goesOn);

/* Whether a call is under way that was allowed to write to a volume of this name: it would also write to a
 * new volume that has got the name since. */
gboolean
replWritesMayHit(const ReplRegion *region, const char *volume);

/* Whether the volume is being written to now. Quick unless it has been lately. */
gboolean
replWritesIs(const ReplRegion *region, const char *volume);
