/*
 * holding.h: what a job makes, as everybody else may see it
 *
 * The job (replicate/) fills the holding in. The code that shows a pool and guards its volumes (image/) reads
 * it, and so need not look into the job's own state, which belongs to the thread that works on the job. Every
 * function may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/image.h"

typedef struct _ReplHolding ReplHolding;

/* @replica: the volume that the job makes; @image: its record as it will be, taken over. */
ReplHolding *
replHoldingNew(const char *replica, ReplImage *image);

/* The same for a data disk of the full machine that a job makes: what the job adds to the pool, and its names, stand in the holding of
 * the system disk. */
ReplHolding *
replHoldingNewMember(const char *replica, ReplImage *image);

gboolean
replHoldingIsMember(const ReplHolding *holding);

ReplHolding *
replHoldingRef(ReplHolding *holding);

void
replHoldingUnref(ReplHolding *holding);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplHolding, replHoldingUnref)

/* --- filled in by the job --- */

/* What the plan promises: the replica's virtual size, and by how much the usage of the target
 * grows, the images whose names are held already left out. */
void
replHoldingSetPlan(ReplHolding *holding, guint64 capacity_bytes, const ReplAmounts *adds);

/* What the replica will be: its virtual size (0: not known), and its format as libvirt calls it (NULL: not known). */
void
replHoldingSetForm(ReplHolding *holding, guint64 capacity_bytes, const char *format);

/* Which names in the pool are empty files of the job now: the replica's own if @listed, and those
 * of @layers (of char *, taken over). */
void
replHoldingSetNames(ReplHolding *holding, gboolean listed, GPtrArray *layers);

/* --- read by everybody --- */

/* Whether the job makes @volume: the replica, or a layer that is not in place yet. */
gboolean
replHoldingMakes(ReplHolding *holding, const char *volume);

/* Corrects @usage, as counted from the directory: placeholders of layers are no images. With
 * @reserve also what the job is still going to add. */
void
replHoldingCorrectUsage(ReplHolding *holding, gboolean reserve, ReplAmounts *usage);

ReplAmounts
replHoldingAdds(ReplHolding *holding);

guint64
replHoldingCapacity(ReplHolding *holding);

/* The format that the replica will have, as libvirt calls it: the caller's; NULL: not known. */
char *
replHoldingFormat(ReplHolding *holding);

/* A copy of the record that the replica will have. */
ReplImage *
replHoldingImage(ReplHolding *holding);

/* Changes that record; @change must not call functions of this header. */
void
replHoldingChangeImage(ReplHolding *holding, void (*change)(ReplImage *image, const void *opaque),
                       const void *opaque);
