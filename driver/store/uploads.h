/*
 * uploads.h: marks of uploads that have begun and not ended well, in the staging folder
 *
 * An upload writes to a volume under its name, so half of one has content like a whole one. Each leaves a mark before its first
 * byte: an empty file .replication/uploads/HASH.INODE.OFFSET.LENGTH.ANY, of the volume's name and file, which goes when it has ended
 * well. Whatever else becomes of it (a client or a daemon that is gone), the mark stays, until an upload of the same part or more ends
 * well, or another file has the name. While an upload is under way its mark is locked.
 *
 * A stock call that makes or wipes a volume writes under its name, too, and leaves such a mark of all of it. A file that is being
 * made is not there yet: the INODE is 0, and the mark is of whatever file has the name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/fd.h"
#include "store/staging.h"

typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes; /* 0: up to the end */
} ReplUploadPart;

/* Makes the mark of an upload to @volume, whose file has the inode @ino (0: it is not made yet), durably. *held keeps it locked.
 * Returns its name, or NULL with @err set. */
char *
replUploadMark(ReplStaging *staging, const char *volume, guint64 ino, const ReplUploadPart *part,
               ReplFd *held, GError **err);

/* The upload has ended well: removes its mark, and the marks of other uploads to the same file that wrote
 * nothing outside of @part and are not under way. Quick, and waits for no disk: if a crash brings a mark
 * back, the data of its upload may not be on the disk either. */
void
replUploadDone(ReplStaging *staging, const char *mark, const ReplUploadPart *part);

/* Nothing was written: the mark goes. */
void
replUploadDrop(ReplStaging *staging, const char *mark);

/* The volume is gone, or its name goes to a new one (which may have its inode): its marks go. */
void
replUploadForget(ReplStaging *staging, const char *volume);

/* All marks (of char *); NULL without @err: there are none. */
GPtrArray *
replUploadMarks(ReplStaging *staging, GError **err);

/* Whether one of @marks (may be NULL) is of @volume with the inode @ino. */
gboolean
replUploadIsMarked(const GPtrArray *marks, const char *volume, guint64 ino);

/* Removes the marks of files that are not in the pool's folder any more, and not being made. */
void
replUploadSweep(ReplStaging *staging, int poolDirFd);
