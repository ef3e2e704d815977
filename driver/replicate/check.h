/*
 * check.h: an image and its layers are held against their digests, and mended
 *
 * In:    a volume of a region pool, and whether damage is to be mended (heal) or only told (verify).
 * Out:   a job like others (progress, pause, cancel, limit); what it found, in the image's record.
 * Owner: the job owns its ReplCheck; service/checks.h knows the job until it has ended.
 * Lock:  one, for what others end of an attempt; else a check is its job's thread's alone. Images are held with QEMU's locks.
 *
 * Digests are kept with the inode, size and mtime that the file had when they were made. Where these differ
 * now, an image that no other volume needs was written to by a guest: it counts as changed, not as damaged,
 * and gets new digests. A layer that other volumes need must never change: other content is damage there,
 * whatever its times say. The job has a record in the pool's staging folder until it has ended: after a
 * restart it begins anew, with the daemon's rights.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "region/region.h"
#include "store/jobrecord.h"

/* Starts the job. Access was checked by the caller. @heal: NULL to verify, else volumes on other hosts that may be asked for
 * blocks which no volume here has (of ReplJobLayer; borrowed). Returns 0, or -1 with @err set: VIR_ERR_OPERATION_INVALID when
 * the image is not available or has such a job already. @bandwidth_bytesPerSec: 0 is no limit. */
int
replCheckStart(const ReplRegion *region, const char *volume, GPtrArray *heal, guint64 bandwidth_bytesPerSec,
               GError **err);

/* Takes up the job of @record, whose check is verify or heal, after a restart. */
void
replCheckResume(const ReplRegion *region, const ReplJobRecord *record);
