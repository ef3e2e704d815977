/*
 * fake_virt.h: a libvirt for the rooms above virt/: pools are directories, volumes are files
 *
 * Fills replVirt and replNext with functions that are enough for region pools, placeholders and jobs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Starts the regions and the service with all they keep below @dir. Once in a program. */
void
fakeVirtStart(const char *dir);

/* A region pool @name of region @region, a directory of that name below the one of fakeVirtStart(). Returns its UUID. */
const char *
fakeVirtPool(const char *name, const char *region, const char *project);
