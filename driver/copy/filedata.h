/*
 * filedata.h: the data of a file, found with SEEK_DATA and SEEK_HOLE
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    int fd;             /* its file offset is moved */
    guint64 size_bytes; /* of the file, when it was looked at first */
    gboolean holeBlind; /* the file has holes, but they cannot be found: all of it is one run */
} ReplFileData;

/* Prepares to look for the data of @fd. With @noSeek holes are not looked for, as if the file system could not tell
 * them. Returns 0, or -1 with @err set. */
int
replFileDataInit(ReplFileData *data, int fd, gboolean noSeek, GError **err);

/* As a reader's data (copy/reader.h). */
int
replFileDataNext(const ReplFileData *data, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
                 GError **err);
