/*
 * staging.h: the staging folder of a region pool, <pool target>/.replication
 *
 *   .replication/            0700, ours
 *     images/HASH            records of images by volume (store/record.h)
 *     jobs/UUID              records of jobs (store/jobrecord.h)
 *     partial/UUID.N         layers that are being written (store/partial.h)
 *     uploads/HASH.…         uploads that have not ended well (store/uploads.h)
 *     lease, lease.lock      which host works here (store/lease.h)
 *
 * Everything in it is reached through descriptors held open from one opening on, so that nothing is
 * ever written below a mount point that is gone. A folder that another user could have filled is
 * refused; what is in it is checked again when read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Reference counted and thread-safe. One for a pool is enough: the records that were read are kept
 * in it. */
typedef struct _ReplStaging ReplStaging;

typedef enum {
    REPL_STAGING_TOP,
    REPL_STAGING_IMAGES,
    REPL_STAGING_JOBS,
    REPL_STAGING_PARTIAL,
    REPL_STAGING_FOLDERS,
} ReplStagingFolder;

/* Opens the staging folder of the pool directory @poolDirFd (opened O_RDONLY, not O_PATH; borrowed
 * for the call), with @create makes what is missing. NULL without @err when it is not there and not
 * to be made; NULL with @err set when it is a symbolic link, no directory, belongs to another user
 * or can be written by other users (VIR_ERR_OPERATION_DENIED), or on system errors. A file system
 * that gives our files another owner (root squashed, fixed uid=) is fine: new files have the same
 * owner then. */
ReplStaging *
replStagingOpen(int poolDirFd, gboolean create, GError **err);

ReplStaging *
replStagingRef(ReplStaging *staging);

void
replStagingUnref(ReplStaging *staging);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplStaging, replStagingUnref)

/* The directory descriptor of @folder; borrowed. */
int
replStagingFd(const ReplStaging *staging, ReplStagingFolder folder);

/* Whether @staging is still what @poolDirFd holds, not one that was removed or covered by a mount.
 */
gboolean
replStagingIsCurrent(const ReplStaging *staging, int poolDirFd);

/* Removes what writers left behind when they were killed: ".new" files from before this process began, or, where other
 * hosts may be writing, those over a minute old. */
void
replStagingSweep(ReplStaging *staging);

/* Removes the staging folder with all records; 0 also when there is none. Refused with
 * VIR_ERR_OPERATION_INVALID while it has records of jobs that have not ended or that cannot be
 * read. */
int
replStagingRemove(int poolDirFd, GError **err);

/* 1 when the pool directory holds nothing but perhaps the staging folder, 0 when it holds more, -1
 * with @err set when it cannot be read. */
int
replStagingIsEmptyPool(int poolDirFd, GError **err);
