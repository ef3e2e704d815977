/*
 * scratch.h: files of this host for conversions whose source or target is elsewhere
 *
 * The one general way of converting across hosts: layers are brought here through their readers, converted as if both
 * ends were here, and carried on through the writer. The files lie in the job's home and have no names, so nothing
 * of them outlives the attempt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"
#include "replicate/prepared.h"

/* A new empty file of job @jobId, whose target pool is @targetUuid, open read-write; the caller's. -1 with @err set. */
int
replScratchFile(const unsigned char *targetUuid, const char *jobId, GError **err);

/* The source's chain as files of this host: its own, or copies, which are made the first time and live as long as
 * @prepared. @watch may stop it, and is not told of progress. NULL with @err set. */
const ReplChain *
replScratchChain(const unsigned char *targetUuid, const char *jobId, ReplPrepared *prepared,
                 const ReplCopyWatch *watch, GError **err);

/* Carries the bytes of @fd to @writer, as above. Returns 0, or -1 with @err set. */
int
replScratchSend(int fd, ReplWriter *writer, const ReplCopyWatch *watch, GError **err);
