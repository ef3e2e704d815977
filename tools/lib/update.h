/*
 * update.h: a change to an image or to its job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "write.h"

/* Sends an update with the children @inner for @vol. Sets the error. */
int
replUpdateVolume(virStorageVolPtr vol, const char *inner);

/* The same to a pool, without a volume. */
int
replUpdatePool(virStoragePoolPtr pool, const char *volume, const char *inner);
