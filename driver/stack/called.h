/*
 * called.h: sessions that other hosts open on this one
 *
 * In:    a virStorageVolDownload with REPL_WIRE_STREAM_FLAG, in a worker of the daemon: the volume to be read or made.
 * Out:   a session with a thread of its own, which answers HELLO and then does what the session is for: it
 *        lends an image to a job there (lend.h) or has this daemon make a replica (pushed.c).
 * Owner: the session holds its own state; the daemon's stop ends all of them.
 * Lock:  each has a lock of its own for the greeting; one guards the count of all.
 *
 * A session acts with its caller's identity, and access control is asked about that: for a pull, data_read of
 * each layer; for a push, the rights that the same request made on this host would need.
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
