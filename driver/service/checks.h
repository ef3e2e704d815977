/*
 * checks.h: the jobs of this daemon that verify or heal an image, by the volume
 *
 * Such a job makes nothing: the image stays available. The job is forgotten when it has completed or was cancelled; a
 * failed one stays until it is retried, cancelled, or followed by another. Every function may be called by
 * any thread; the last reference to a job never goes under the lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"

/* FALSE when the volume has such a job already. */
gboolean
replChecksAdd(const char *poolUuid, const char *volume, ReplJob *job);

/* No effect when a later job has taken the volume. */
void
replChecksRemove(const char *poolUuid, const char *volume, const ReplJob *job);

/* A reference, or NULL. */
ReplJob *
replChecksFind(const char *poolUuid, const char *volume);
