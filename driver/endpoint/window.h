/*
 * window.h: what several jobs read of one image is read and summed once
 *
 * In:    the facts of a source, and a function that makes the payload of a DATA message for a range of one of its layers.
 * Out:   payloads. Jobs that read the same image at the same time get the same ones.
 * Owner: a job that joins a window has to leave it; payloads are shared, counted, and never written to.
 * Lock:  one for all windows, held for no longer than a look; waiting for a block that another job makes is waiting for
 *        a disk.
 *
 * A window holds the last REPL_WINDOW_BYTES that its jobs have read, and only while there are two or more. A block
 * goes when all others have had it. A job that is further behind than a window is long reads for itself and leaves
 * nothing there, so that the ones ahead keep what they share; one that is cancelled just leaves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "wire/messages.h"

#define REPL_WINDOW_BYTES (64u << 20)

/* A job's seat at a window. */
typedef struct _ReplWindowSeat ReplWindowSeat;

/* At the window of all that read the same image: same volume, same files, unchanged. Never NULL. */
ReplWindowSeat *
replWindowJoin(const ReplSourceFacts *facts);

void
replWindowLeave(ReplWindowSeat *seat);

/* Reads @range and makes the payload of its DATA message; NULL with @err set. Called without any lock. */
typedef GByteArray *(*ReplWindowMake)(void *opaque, const ReplWireRange *range, GError **err);

/* The payload of @range: one that another job made, or what @make returns. NULL with @err set by @make: an error is its own
 * job's, the others make the block themselves. May be called by several threads for one seat. */
GByteArray *
replWindowRead(ReplWindowSeat *seat, const ReplWireRange *range, ReplWindowMake make, void *opaque,
               GError **err);
