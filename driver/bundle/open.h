/*
 * open.h: a file of unknown content, as a bundle
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "bundle/file.h"

/* Whether @file begins as a bundle does: a tar whose first entry is one of a layout. A look at its first
 * bytes. */
gboolean
replBundleIs(const ReplBundleFile *file);

/* What is in the bundle @file: index, manifest and config are read and held against their digests,
 * and all parts are there, in the size that they should have. Their bytes are proved as they are read (unpack.h). NULL with
 * @err set: VIR_ERR_OPERATION_INVALID for a file that is not whole, or lies; VIR_ERR_NO_SUPPORT for the image of another
 * program or a newer version; VIR_ERR_SYSTEM_ERROR. */
ReplBundle *
replBundleOpen(const ReplBundleFile *file, GError **err);
