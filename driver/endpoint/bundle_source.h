/*
 * bundle_source.h: an image in a bundle, as a source
 *
 * The bundle is a volume of any pool of files of this host, with a label or without one. Its layers have names in it and are no
 * volumes; what they are is told by their digests: equal identities mean equal content, wherever it came from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* The source, or NULL when the volume is not there or does not begin as a bundle does. */
ReplSource *
replBundleSourceNew(const char *poolUuid, const char *volume);
