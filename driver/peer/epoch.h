/*
 * epoch.h: numbers of sessions, which only grow
 *
 * In:    a folder of this host's own.
 * Out:   numbers, each larger than all before it, whatever the clock says: the part above is counted up on stable storage
 *        at each start of the daemon, the part below in memory.
 * Lock:  one, inside.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Takes the number of this life of the daemon from @folder, which exists. Returns 0, or -1 with @err set: no session can be
 * opened. */
int
replEpochStart(const char *folder, GError **err);

/* The id of this daemon, which tells it from other hosts; NULL before replEpochStart. */
const char *
replEpochHostId(void);

/* The next number; 0 where replEpochStart has not worked. */
guint64
replEpochNext(void);
