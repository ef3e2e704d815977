/*
 * formed.h: a source whose layers get the form that a request asks for on this host, before they leave it
 *
 * In:    a source, wherever it is, and a request.
 * Out:   a source (endpoint/source.h) of the image as it will be: its chain is planned when it is described, and a layer is
 *        converted when the host that makes the replica asks for it. What the request leaves as it is passes through.
 * Owner: as of every source; the source within is taken over. Converted layers are partial files of the job in this host's
 *        own home, with the number of the plan's step once they are whole: they outlive the source, so that a transfer goes on inside a layer
 *        after a restart. Whoever has the job drops them at its end.
 * Lock:  none but what a source has: one thread at a time, but for cancel.
 *
 * An image is encrypted before it leaves, and no passphrase leaves at all: the other host has a key of the same usage and
 * value, and tries it on a header that newKey() gives, before anything is converted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

typedef struct {
    const ReplRequest *request; /* copied */
    const char *jobId;          /* copied, as the following two */
    const char *targetPoolUuid; /* of the pool of type region here */
    const char *targetRegion;
    /* Asked while a layer is converted, by any thread: 0 to go on, or -1 with @err set. */
    int (*proceed)(void *opaque, GError **err);
    void *opaque;
} ReplFormedParams;

/* Keys are loaded when it is described, with the rights of the thread that does that. */
ReplSource *
replFormedNew(ReplSource *source, const ReplFormedParams *params);

/* Facts of the image as it is; NULL before it is described. */
const ReplSourceFacts *
replFormedFrom(ReplSource *formed);
