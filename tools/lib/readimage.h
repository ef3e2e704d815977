/*
 * readimage.h: images and jobs from XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "libpriv.h"
#include "node.h"

/* What every image of a pool has in common; borrowed. */
typedef struct {
    const char *pool;
    const char *poolUUID;
    const char *region;
    const char *project;
} ReplImagePlace;

/* Tells @image where it is. One that names no project is of the pool's. */
void
replImagePlace(virtReplicationImage *image, const ReplImagePlace *place);

/* A <volume> with an <image> of ours; NULL, with no error, when it has none. */
virtReplicationImage *
replReadVolume(xmlNodePtr volume, const ReplImagePlace *place);

/* A <job>, of a pool's list or of an image whose volume is @volume. */
virtReplicationJob *
replReadJob(xmlNodePtr node, const char *volume, const ReplImagePlace *place);

/* A copy without the steps. */
virtReplicationJob *
replJobCopy(const virtReplicationJob *job);

/* A <quota> or <usage>; all -1 for NULL. */
virtReplicationAmount
replReadAmount(xmlNodePtr node);
