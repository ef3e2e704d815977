/*
 * bundle_source.h: an image in a bundle, as a source
 *
 * The bundle is a volume of any pool of files of this host, with a label or without one, or of a pool of type region. Its
 * layers have names in it and are no volumes; what they are is told by their digests: equal identities mean equal content,
 * wherever it came from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* The source, or NULL when the volume is not there on this host, is an image (@is), or does not begin as a bundle does. */
ReplSource *
replBundleSourceNew(const char *poolUuid, const char *volume, ReplSourceIs is);

/* The source in the bundle that @far (taken) reads as an image of one raw layer, whose readers read at any place: the volume
 * @volume of the pool @poolUuid. Its hold fails where that is no bundle. */
ReplSource *
replBundleSourceOver(ReplSource *far, const char *poolUuid, const char *volume);

/* Whether @far, described by @facts, begins as a bundle does: 1, 0, or -1 with @err set. */
int
replBundleSourceBegins(ReplSource *far, const ReplSourceFacts *facts, GError **err);
