/*
 * view.h: what is shown of region pools and their images
 *
 * The room image/ in five lines:
 * In:    a region pool and a volume's name; records in staging, headers in the cache, and what service/ knows of jobs.
 * Out:   the image as it is shown (here), refusals to change what something else needs (guard.h), shares (share.h).
 * Owner: everything returned is the caller's copy.
 * Lock:  replGuardDeleting() is held over a look at what needs a volume and the deed that follows from it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "image/standing.h"
#include "region/region.h"

/* The image behind a volume: its record, or what can be derived where there is none yet; with the
 * state of the job that makes it, if there is one. NULL with @err set when there is no such volume.
 */
ReplImage *
replViewImage(const ReplRegion *region, const char *volume, GError **err);

/* The same without a look into the guest's data: the type of an image stays REPL_IMAGE_TYPE_UNKNOWN unless it is
 * known already. */
ReplImage *
replViewImageQuick(const ReplRegion *region, const char *volume, GError **err);

/* The same of a volume whose file was looked at just before. */
ReplImage *
replViewImageLooked(const ReplRegion *region, const ReplStandingRecords *records, const char *volume,
                    const ReplFileLook *look);

/* The id that @volume has as long as it has no record; NULL: there is no such volume. */
char *
replViewDerivedId(const ReplRegion *region, const char *volume);

/* Whether @volume has no record. */
gboolean
replViewIsDerived(const ReplRegion *region, const char *volume);

/* The <metadata> of a volume; NULL when there is nothing to show (logged). *secret gets the UUID of
 * the secret that opens it, or NULL. */
char *
replViewImageXml(const ReplRegion *region, const char *volume, char **secret);

/* Images, snapshots and bytes of the pool, counted now. Returns 0, or -1 (logged). */
int
replViewUsage(const ReplRegion *region, ReplAmounts *usage);

/* Drops the records of volumes that are no more. */
void
replViewSweep(const ReplRegion *region);
