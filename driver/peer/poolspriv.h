/*
 * poolspriv.h: what loading the pools of type region shares with keeping them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/defs.h"
#include "peer/pools.h"

typedef struct {
    ReplPeerPool *now;
    ReplPeerPool *next; /* defined while it ran; NULL: as now */
    gboolean active;
    gboolean persistent;
    gboolean autostart;
} ReplPeerKnown;

/* Held over a change, disk I/O included, but not while the stock driver is asked; guards the definitions on disk. Taken
 * before the lock of the table, which is never held over disk I/O: who holds this one may read the table without it. */
extern ReplLock replPoolsChange;
extern ReplDefs *replPoolsDefs;
extern ReplPeerStock replPoolsStock; /* constant after the start */

/* Once, at start: an empty table. */
void
replPoolsOpen(ReplDefs *defs, const ReplPeerStock *stock, const char *allowed);
gboolean
replPoolsIsOpen(void);

/* All with replPoolsChange held. */
ReplPeerKnown *
replPoolsKnown(const unsigned char *uuid);
ReplPeerKnown *
replPoolsAdd(ReplPeerPool *pool, gboolean persistent, gboolean autostart);
void
replPoolsSetActive(ReplPeerKnown *known, gboolean active);

/* 0, or -1 with @err set when another pool of type region has the name or the UUID (NULL: none yet); @ours: it may be the one
 * that has both. */
int
replPoolsDuplicate(const char *name, const char *uuid, gboolean ours, GError **err);
