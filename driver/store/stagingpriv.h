/*
 * stagingpriv.h: the inside of ReplStaging, for store/ alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/fd.h"
#include "base/lock.h"
#include "store/catalog.h"
#include "store/lease.h"
#include "store/recordstore.h"
#include "store/staging.h"

struct _ReplStaging {
    gatomicrefcount refs;

    /* fixed after creation */
    ReplFd fds[REPL_STAGING_FOLDERS];
    ReplRecordStore *images;
    ReplRecordStore *jobs;
    ReplCatalog *catalog; /* of the images, with a lock of its own */

    ReplLock
        updateLock; /* held over each write of an image record, and over read-change-write, disk I/O included */

    ReplLock leaseLock; /* guards the fields below: what a foreign lease looked like, and since when */
    char *leaseSeen;
    gint64 leaseSince_us; /* of the monotonic clock */
};

/* Of store/record.c and store/jobrecord.c. */
extern const ReplRecordKind replImageRecordKind;
extern const ReplRecordKind replJobRecordKind;

/* replLeaseTake on a file system that no other host reaches, or on one that others may. */
ReplLease *
replLeaseTakeOn(ReplStaging *staging, gboolean local, const char *hostId, GError **err);
