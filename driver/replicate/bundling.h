/*
 * bundling.h: the whole chain of an image is packed into one file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

typedef struct {
    const ReplReplication *replication;
    const ReplPrepared *prepared;
    int fd;              /* the partial file, open read-write */
    guint64 start_bytes; /* of it an earlier attempt has finished so much */
    /* admit and advance are told of the layers' data, checkpoint of the file. */
    const ReplCopyWatch *watch;
} ReplBundling;

/* Writes the bundle, or the inventory, that the request asks for. Returns 0 with the file whole and synced, or -1 with @err
 * set: that of the source, the watch, or the file, and as replBundlingCheckHave(). */
int
replBundlingRun(const ReplBundling *bundling, GError **err);

/* The bundles that the request names as what the destination has: whether they are there, may be read by the current identity,
 * and are bundles. Returns 0, or -1 with @err set. */
int
replBundlingCheckHave(const ReplRequest *request, GError **err);
