/*
 * snapshots.h: the table of internal snapshots of a qcow2 file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "qcow2/header.h"

/* As much as QEMU accepts: 65536 entries of 1 KiB. */
#define REPL_QCOW2_MAX_SNAPSHOT_TABLE_BYTES (64U << 20)

typedef struct {
    guint64 l1Offset;
    guint32 l1Entries;
    guint64 diskSize_bytes;    /* virtual size then; today's when the file does not say */
    guint64 vmStateSize_bytes; /* 0: a snapshot of the disk alone */
} ReplQcow2Snapshot;

/* Reads the table; *tableBytes (may be NULL) gets its size. Returns an array of ReplQcow2Snapshot, empty
 * when there is none, or NULL with @err set. */
GArray *
replQcow2SnapshotsRead(int fd, const ReplQcow2Header *header, const char *what, guint64 *tableBytes,
                       GError **err);
