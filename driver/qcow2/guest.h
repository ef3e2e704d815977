/*
 * guest.h: guest content of one qcow2 layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "qcow2/header.h"

typedef enum {
    REPL_GUEST_DATA,        /* the buffer holds it */
    REPL_GUEST_ZERO,        /* zeros; the buffer holds them */
    REPL_GUEST_UNALLOCATED, /* the backing file's (zeros without one, or behind its end); buffer untouched */
    REPL_GUEST_ENCRYPTED,   /* data, but the layer is encrypted; buffer untouched */
} ReplGuestKind;

/* Reads at most @len guest bytes at @offset of the active state into @buf. *got: how many bytes the
 * answer *kind is about, at least 1, at most to the end of a cluster; 0 at the end of the disk. Meant for
 * a look at a few sectors, not for copying: it reads the L1 and L2 entry each time. Files with an external data
 * file are refused. Returns 0, or -1 with @err set. */
int
replQcow2ReadGuest(int fd, const ReplQcow2Header *header, guint64 offset, guint8 *buf, gsize len, gsize *got,
                   ReplGuestKind *kind, const char *what, GError **err);
