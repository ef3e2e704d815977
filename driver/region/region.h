/*
 * region.h: which pools are region pools, and where their volumes are
 *
 * The registry holds the labels of all pools and, for those that are in use, the open staging
 * folder. A ReplRegion is one pool as it was when it was looked up; it lives for one call or one job.
 *
 * The room region/ in five lines:
 * In:    labels on disk (store/labels.h), and where libvirt says that a pool is.
 * Out:   region pools as of now (ReplRegion, a copy), their open directories and staging folders, the lease on a folder
 *        (lease.h), and where a job's record lives (home.h).
 * Owner: the caller owns each ReplRegion, set and reference that it gets; the registry keeps what is open until the pool stops.
 * Lock:  one inside, never held while libvirt is asked; lease.h has one of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/pools.h"
#include "store/labels.h"
#include "store/staging.h"
#include "virt/virt.h"

typedef struct {
    unsigned char uuid[VIR_UUID_BUFLEN];
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    char *name;
    ReplLabel *label;
    ReplPoolDir *dir; /* NULL: the pool is not active, or another region pool has its directory (twins.h) */
    gboolean unread;  /* it is active, but its directory could not be opened just now */
} ReplRegion;

void
replRegionFree(ReplRegion *region);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplRegion, replRegionFree)

/* Loads all labels. @configDir keeps those of persistent pools, @runDir those of transient ones.
 * Returns 0, or -1 with @err set: there are no region pools then. */
int
replRegionsStart(const char *configDir, const char *runDir, GError **err);

/* Closes everything that is held open. */
void
replRegionsStop(void);

ReplLabels *
replRegionsLabels(void);

/* The pool, if it has a label; NULL without an error when it has none or is gone. */
ReplRegion *
replRegionOfPool(virStoragePoolPtr pool);
ReplRegion *
replRegionOfVol(virStorageVolPtr vol);
ReplRegion *
replRegionOfUuid(const unsigned char *uuid);
ReplRegion *
replRegionOfUuidString(const char *uuidstr);

/* Whether people call the pool a region: NULL and pools that bundles were written into are none. */
gboolean
replRegionIsRegion(const ReplRegion *region);

/* Makes bundles at home in a pool of files (dir, fs, netfs) that has no label: it gets one that is not shown. Returns 0, also when
 * there is a label already, or -1 with @err set: VIR_ERR_NO_SUPPORT for pools of other types. */
int
replRegionTransit(virStoragePoolPtr pool, GError **err);

/* The volume's pool under the identity of the daemon; never fails because of access control.
 * NULL without an error when there is none. */
virStoragePoolPtr
replPoolOfVol(virStorageVolPtr vol);

/* The active pools of the region @name: where a chain may lead to. NULL: of all regions of this host, which is what guards
 * have to look at. */
ReplPoolSet *
replRegionsSet(const char *name);

/* The directory of any active pool of files of this host, whether it has a label or not; the caller's reference. NULL with @err
 * set: VIR_ERR_NO_STORAGE_POOL, VIR_ERR_OPERATION_INVALID when it is not active or has no directory. */
ReplPoolDir *
replRegionAnyDir(const char *uuidstr, GError **err);

/* The target path as the pool's definition has it, active or not; NULL: none. */
char *
replRegionPath(const ReplRegion *region);

/* The name of another active region pool whose directory @path leads to, or NULL. If there is none, the directory
 * belongs to the pool @uuidstr from now on. */
char *
replRegionTwin(const char *uuidstr, const char *path);

/* Something was done to a pool that may have changed where it is, or whether it is active. */
void
replRegionChanged(const unsigned char *uuid);

/* The staging folder of an active region pool, opened once and kept while the pool is active. NULL
 * without @err when there is none and @create is FALSE. The caller owns a reference. */
ReplStaging *
replRegionStaging(const ReplRegion *region, gboolean create, GError **err);

/* Forgets what is held open of a pool: before it is stopped, its file system must become idle. */
void
replRegionForget(const unsigned char *uuid);

/* Removes the staging folder of a stopped pool that holds nothing else, so that the pool can be
 * deleted. Returns 0, also when there is nothing to remove or more than that in the pool; or -1
 * with @err set. */
int
replRegionRemoveEmptyStaging(const ReplRegion *region, GError **err);
