/*
 * local_source.h: an image in a region pool of this host, as a source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* Nothing is opened yet. */
ReplSource *
replLocalSourceNew(const char *poolUuid, const char *volume);
