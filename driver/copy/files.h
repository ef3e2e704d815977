/*
 * files.h: regular files as readers and writers of a copy, with every fast path that the kernel has
 *
 * The descriptors stay the caller's, with their flags, and must live as long as the reader or writer. Closing the second
 * descriptor that is opened for each file drops the process's traditional POSIX locks on it (not OFD or flock
 * ones).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/reader.h"
#include "copy/writer.h"

/* Turns fast paths off, for tests of the slow ones. */
typedef struct {
    gboolean noSeek;    /* as if the file system knew no SEEK_DATA */
    gboolean noDirect;  /* never O_DIRECT */
    gboolean noReserve; /* never fallocate */
} ReplFileTune;

/* Reads the regular file @fd; @tune may be NULL. Blocks that lie in the page cache are read from there, else the cache is left
 * alone. NULL with @err set: VIR_ERR_INVALID_ARG when it is no regular file, VIR_ERR_SYSTEM_ERROR. */
ReplReader *
replFileReaderNew(int fd, const ReplFileTune *tune, GError **err);

/* Writes the regular file @fd, open read-write; the rest as above. */
ReplWriter *
replFileWriterNew(int fd, const ReplFileTune *tune, GError **err);
