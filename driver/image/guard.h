/*
 * guard.h: refusing what would take the ground from under an overlay or a job
 *
 * The checks of one volume return 0, or -1 with VIR_ERR_OPERATION_INVALID that names who needs it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "job/job.h"
#include "region/region.h"

/* Refuse to hand out a volume that is not known to be whole (state.h). */
int
replGuardSource(const ReplRegion *region, const char *volume, GError **err);

/* Refuses to write to the volume if its state forbids that. Other writers do not count here: the stock driver
 * looks after them. */
int
replGuardChange(const ReplRegion *region, const char *volume, GError **err);

/* How the volume may be deleted: by cancelling the job that makes it as its replica (*job gets a reference),
 * or as any other volume (*job is NULL); -1: it must not be deleted. */
int
replGuardMayGo(const ReplRegion *region, const char *volume, ReplJob **job, GError **err);

/* Refuse if a running job reads or makes the volume. */
int
replGuardPins(const ReplRegion *region, const char *volume, GError **err);

/* Refuse if other volumes have it as their backing file. */
int
replGuardDependents(const ReplRegion *region, const char *volume, GError **err);

/* Held while a volume is checked and deleted, and while a job takes a name or puts a replica in place: so
 * neither of the two comes between the other one's check and what follows from it. */
ReplLock *
replGuardDeleting(void);

/* vol-delete of a volume that is not pending, access checked: with
 * VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS also those of its layers that nothing else needs. Drops the
 * records. Returns 0, or -1 with the error reported. */
int
replGuardDelete(virStorageVolPtr vol, const ReplRegion *region, unsigned int flags);
