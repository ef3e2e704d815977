/*
 * share.h: images shared between projects
 *
 * The owner offers an image to a project and may take that back; the project accepts or rejects. All of it stands in
 * the image's record:
 *
 *              owner: offered            project: accepted      project: rejected    owner: revoked
 *   nothing    offered                   no such offer          no such offer        not shared
 *   offered    stays                     accepted               rejected             revoked
 *   accepted   stays                     stays                  rejected             revoked
 *   rejected   offered                   no such offer          stays                revoked
 *   revoked    offered                   no such offer          no such offer        stays
 *
 * An accepted share stands for the right to read the image and its layers; see replShareStands(). A share that ends
 * takes with it the jobs that have not copied their first byte, and no copy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/chain.h"
#include "region/region.h"

/* The move of the table: changes @shares (of ReplShare). Pure. Returns 0, or -1 with VIR_ERR_NO_STORAGE_VOL (no
 * such offer) or VIR_ERR_OPERATION_INVALID (not shared); @what names the image. */
int
replShareMove(GPtrArray *shares, const char *project, ReplShareState state, const char *what, GError **err);

/* The owner's word on @volume: offered or revoked, in three steps, so that it can be one change with others of the
 * same image. Check: only whole, plain images whose layers are all their project's own may be offered. Apply: the move, in
 * a change of the record (change.h). Settle: behind a change that was written; ends jobs. The first two return 0, or -1 with
 * @err set. */
int
replShareCheck(const ReplRegion *region, const char *volume, const ReplShare *share, GError **err);
int
replShareApply(ReplImage *image, const char *volume, const ReplShare *share, GError **err);
void
replShareSettle(const char *imageId, const ReplShare *share);

/* The answer of a project, given in its pool @region, or in the owner's with the project's name in @share: accepted
 * or rejected. Returns the pool's UUID and volume of the image, or -1 with @err set; images that are not offered
 * and images that are not there are refused in the same words. */
int
replShareByProject(const ReplRegion *region, const char *imageId, const ReplShare *share, char **poolUuid,
                   char **volume, GError **err);

/* Whether @image is shared with @project, and the project has accepted. */
gboolean
replShareStands(const ReplImage *image, const char *project);

/* The same of what is in a pool: the image lies in another project's pool, and its owner shares it with @project. */
gboolean
replShareCovers(const ReplRegion *region, const char *volume, const char *project);

/* Whether a share of the image in @chain may stand: it is plain, and all its layers lie in pools of @project.
 * Returns 0, or -1 with VIR_ERR_OPERATION_DENIED. */
int
replShareCheckChain(const ReplChain *chain, const char *project, GError **err);
