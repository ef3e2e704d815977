/*
 * find.h: images by their id, over the active region pools of this host
 *
 * In: an id. Out: where it is, without a check of rights: the caller checks them before it answers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

typedef struct {
    ReplRegion *region;
    char *volume;
} ReplFoundImage;

/* The images with the id @id, in pools of the region @regionName (NULL: of any): of ReplFoundImage, empty when
 * there is none. There are several where a pool's folder was copied. */
GPtrArray *
replFindImages(const char *id, const char *regionName);

/* "beijing/web.qcow2, shanghai/web.qcow2" */
char *
replFoundNames(const GPtrArray *found);
