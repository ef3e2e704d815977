/*
 * readlist.h: the list of images in a pool's XML
 *
 * A list may have 10,000 entries: they are taken as the parser meets them, and no tree of them is built.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "readimage.h"

/* Parses a <pool>, for replReadRegion(). The entries of its list of images are not in the document: they are appended
 * to @images (virtReplicationImage), complete but for their place, which replListPlace() adds. *next gets the number
 * of the next part, 0 after the last, -1 if there is no list. NULL with the error set; @images is then of no use. */
xmlDocPtr
replListParse(const char *xml, GPtrArray *images, int *next);

/* Tells @images, of replListParse(), where they are. */
void
replListPlace(GPtrArray *images, const ReplImagePlace *place);
