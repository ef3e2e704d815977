/*
 * rate.h: how fast links to other hosts were seen to carry bytes
 *
 * One number for each URI, as long as the daemon lives: what it carried lately, of all jobs together. Any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* So many bytes went, in either direction, over a connection to @uri. */
void
replRateCarried(const char *uri, guint64 bytes);

/* Bytes a second; 0: not seen yet. */
guint64
replRateSeen(const char *uri);
