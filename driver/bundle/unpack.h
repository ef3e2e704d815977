/*
 * unpack.h: a layer of a bundle, to be read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"
#include "bundle/file.h"

/* A reader (copy/reader.h) of layer @layer (from the base up) of @bundle, which was opened from @file. The
 * bundle, and what the file names, outlive it. Its bytes are those of the digests: a read that ends a part fails when the part is not what it should be
 * (VIR_ERR_OPERATION_INVALID). Each byte of its runs has to be read or passed once, in about ascending order. NULL with @err
 * set: VIR_ERR_OPERATION_INVALID when the layer is left out. */
ReplReader *
replBundleReaderNew(const ReplBundle *bundle, guint layer, const ReplBundleFile *file, GError **err);
