/*
 * set_source.h: all disks of a full machine, as one source
 *
 * Consistent: all of them are held before anything of one is read, and none has changed when all are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* @disks: of ReplSource, the system disk first, taken over with its free function. The facts are the system disk's; the
 * layers are those of all disks in this order. */
ReplSource *
replSetSourceNew(GPtrArray *disks);
