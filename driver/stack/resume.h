/*
 * resume.h: jobs that an earlier life of the daemon did not finish
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* Takes up the unfinished jobs of all active region pools. */
void
replResumeAll(void);

/* A pool has become active: its unfinished jobs go on, and those that waited for it as their
 * source. */
void
replResumePool(virStoragePoolPtr pool);
