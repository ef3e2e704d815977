/*
 * packcheck.h: a finished part of a bundle is synced and told of while the next one is written
 *
 * In:    the end of a part that is written.
 * Out:   the watch's checkpoint, once everything below that end is on stable storage; one at a time, in order.
 * Owner: the thread that packs: it alone calls these two, and ends what it began before the bundle's file is closed.
 * Lock:  none. A thread of its own syncs and calls the watch; what it leaves is read after it was joined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/pack.h"

/* Gives the file its size. Returns 0, or -1 with @err set. */
int
replPackCut(const ReplBundlePack *pack, guint64 end_bytes, GError **err);

/* Returns 0 with all that was written on stable storage, or -1 with @err set. */
int
replPackSync(const ReplBundlePack *pack, GError **err);

typedef struct {
    const ReplBundlePack *pack; /* fixed */

    /* Of the checkpoint that is under way. */
    GThread *thread; /* NULL: none is */
    guint64 end_bytes;
    GError *error;
} ReplPackCheck;

/* Cuts the file at @end_bytes, and begins a checkpoint there when the one before has ended. Does nothing where the watch wants
 * none. Returns 0, or -1 with @err set: also what the one before has failed with. */
int
replPackCheckBegin(ReplPackCheck *check, guint64 end_bytes, GError **err);

/* Waits for the checkpoint that is under way, if there is one. Returns 0, or -1 with @err set: what it has failed with. */
int
replPackCheckEnd(ReplPackCheck *check, GError **err);
