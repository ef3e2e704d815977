/*
 * partial.h: layers that are being written, partial/JOB.N in the staging folder
 *
 * Whoever writes one holds an OFD write lock on its byte 0 (qemu's image locks use bytes from 100
 * on). A lock goes with its last descriptor, so after a crash of the daemon an unlocked partial file is
 * left over.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "store/staging.h"

/* Opens, or makes, the partial file of layer @index of job @jobId (a UUID) and locks it. Returns a
 * descriptor open for reading and writing (mode 0600; it holds the lock), *existed (may be NULL)
 * tells whether the file was there before; or -1 with @err set: VIR_ERR_OPERATION_FAILED when
 * another process holds the lock. */
int
replPartialOpen(ReplStaging *staging, const char *jobId, guint index, gboolean *existed, GError **err);

/* What the partial file is now. Returns 0 or -1. */
int
replPartialIdentity(ReplStaging *staging, const char *jobId, guint index, ReplFileIdentity *identity,
                    GError **err);

/* Renames the partial file to @volume in @poolDirFd, over the placeholder of that name, whose
 * owner, group and mode it gets first; file and both directories are synced. Refused, with nothing
 * changed: VIR_ERR_NO_STORAGE_VOL when there is no such partial file (published already?) or no
 * placeholder, VIR_ERR_OPERATION_INVALID when what is there is not an empty regular file. The
 * descriptor of replPartialOpen stays good. Returns 0 or -1. */
int
replPartialPublish(ReplStaging *staging, const char *jobId, guint index, int poolDirFd, const char *volume,
                   GError **err);

/* Renames the partial file of @index to that of @to, durably; descriptors stay good. Returns 0, or -1 with @err set. */
int
replPartialRename(ReplStaging *staging, const char *jobId, guint index, guint to, GError **err);

/* Removes all partial files of @jobId, locked or not: its owner calls this. Returns 0 or -1. */
int
replPartialsDrop(ReplStaging *staging, const char *jobId, GError **err);

/* Removes the one of layer @index; 0 also when there is none. */
int
replPartialDrop(ReplStaging *staging, const char *jobId, guint index, GError **err);

/* What the partial files of @jobId take on the disk, and how much of that is data (what was only reserved reads as a
 * hole). Either may be NULL; 0 where it cannot be told. */
void
replPartialsMeasure(ReplStaging *staging, const char *jobId, guint64 *allocated_bytes, guint64 *data_bytes);

/* The ids of the jobs that partial files are of, of char *; none also where that cannot be told. */
GPtrArray *
replPartialsJobs(ReplStaging *staging);

/* Removes the partial files of @jobId that no process has locked: nobody owns them any more. Returns how many, or -1. */
int
replPartialsSweep(ReplStaging *staging, const char *jobId, GError **err);
