/*
 * called.h: sessions that other hosts open on this one
 *
 * In:    a virStorageVolDownload with REPL_WIRE_STREAM_FLAG, in a worker of the daemon: the volume to be read or made.
 * Out:   a session with a thread of its own, which says HELLO's answer, and does what it is for: lends an image
 *        (lend.h) or has the daemon make one (pushed.h).
 * Owner: the session holds its own state; the daemon's stop ends all of them.
 * Lock:  each has a lock of its own for the greeting; one guards the count of all.
 *
 * The caller's identity is kept: in its name access is asked, for a pull data_read of each layer, for a push what a request on this
 * host would need.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* The entry's work. Returns 0, or -1 with the error reported. */
int
replCalledOpen(virStorageVolPtr vol, virStreamPtr stream);

/* The daemon stops: ends all sessions, and takes no new ones. Does not wait. */
void
replCalledStop(void);

/* Waits, for a few seconds at most, until no thread of a session is left. Returns whether none is. */
gboolean
replCalledStopped(void);
