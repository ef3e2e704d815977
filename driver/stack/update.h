/*
 * update.h: vol-create with <replication:update>: a change to an image that is there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"
#include "job/job.h"
#include "xml/xml.h"

/* Returns the volume, or NULL with the error reported. */
virStorageVolPtr
replUpdateRun(virStoragePoolPtr pool, const ReplVolXml *xml, unsigned int flags);

/* The verb and the limit of @update, at once or none, for @job (NULL: nothing to do). Returns 0, or -1 with @err set. */
int
replUpdateJob(ReplJob *job, const ReplUpdate *update, GError **err);
