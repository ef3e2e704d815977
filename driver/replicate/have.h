/*
 * have.h: what the destination of a bundle has already, as an inventory or another bundle tells
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "bundle/file.h"
#include "model/request.h"

typedef struct {
    char *volume;
    int fd;              /* -1: it is an inventory on another host, and all of it was read */
    ReplBundleFile file; /* borrows from the two */
    ReplBundle *bundle;
} ReplHaveFile;

/* Opens all that @request names (of ReplHaveFile, the caller's), by their pools' names: of this host, with a
 * label or none, or of type region. NULL with @err set: a pool or volume is not there, may not be read by the current identity
 * (VIR_ERR_ACCESS_DENIED), or is no bundle; on another host it has to be an inventory (VIR_ERR_NO_SUPPORT). */
GPtrArray *
replHavesOpen(const ReplRequest *request, GError **err);

/* Whether @have tells of a layer that could be @layer, as far as formats and sizes go. */
gboolean
replHaveMayHold(const ReplHaveFile *have, const ReplBundleLayer *layer);

/* Whether it tells of one with the content of @layer. 1, 0, or -1 with @err set. @proceed as in bundle/content.h. */
int
replHaveHolds(ReplHaveFile *have, const ReplBundleLayer *layer,
              int (*proceed)(void *opaque, guint64 bytes, GError **err), void *opaque, GError **err);
