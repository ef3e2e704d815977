/*
 * reserve.h: names and UUIDs that are being given to pools
 *
 * In:    a call that defines a pool reserves its name and UUID before it looks whether they are free, and
 *        gives the reservation back when the pool is there.
 * Lock:  one of its own, held for a moment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* @uuid NULL: none yet. @ours: for a pool of type region, which shares them with nobody; the stock driver looks after its
 * own, any number of which may be defined at a time. FALSE: the other kind has one of them just now. */
gboolean
replReserveTake(const char *name, const char *uuid, gboolean ours);

void
replReserveGive(const char *name, const char *uuid, gboolean ours);
