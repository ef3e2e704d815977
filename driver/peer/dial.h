/*
 * dial.h: whether anything answers at a port, asked with a time-out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* libvirt connects without a time-out, and a thread that waits for a host behind a firewall waits for minutes: so a peer
 * that was away is dialled first. Blocks for at most @wait_s seconds for each address, and for as long as names take to be
 * found. Returns 0, or -1 with @err (VIR_ERR_NO_CONNECT) naming @uri. */
int
replDial(const char *host, guint port, guint wait_s, const char *uri, GError **err);
