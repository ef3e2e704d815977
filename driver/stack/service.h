/*
 * service.h: what lives as long as the daemon: configuration, queue, pins, and the jobs by replica
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/pins.h"
#include "job/queue.h"
#include "probe/graph.h"
#include "stack/virt.h"
#include "store/config.h"

/* @configDir: /etc/libvirt or the user's. @inhibit, with @opaque, keeps the daemon from ending while
 * jobs are under way; NULL: nothing to keep. */
void
replServiceStart(const char *configDir, ReplVirtInhibit inhibit, void *opaque);

/* Tells all jobs to stop and wakes those who wait for them, without waiting itself. */
void
replServiceInterrupt(void);

/* Interrupts all jobs; they go on at the next start. Quick, and may be called twice. */
void
replServiceStop(void);

/* Reads the configuration again; what changed works from the next job on, the bandwidth at once. */
void
replServiceReload(void);

ReplQueue *
replServiceQueue(void);

ReplPins *
replServicePins(void);

/* Headers of volumes that did not change since they were read. */
ReplGraphCache *
replServiceCache(void);

/* A reference to the configuration of the moment. */
ReplConfig *
replServiceConfig(void);

/* Jobs by the volume that they make: those that are not completed or cancelled. */
void
replServiceAddJob(const char *poolUuid, const char *volume, ReplJob *job);
void
replServiceRemoveJob(const char *poolUuid, const char *volume, ReplJob *job);

gboolean
replServiceHasJob(const ReplJob *job);

/* A reference, or NULL. */
ReplJob *
replServiceFindJob(const char *poolUuid, const char *volume);

/* The jobs that make volumes of the pool (of ReplJob, referenced). */
GPtrArray *
replServiceJobsOf(const char *poolUuid);

/* The id of a job that works in the pool now, or NULL. */
char *
replServicePoolJob(const char *poolUuid);

/* Remembers the rate that a job reached, to estimate the time of the next ones. */
void
replServiceLearnRate(const ReplJobInfo *info);

/* Seconds that a job with so much to do may take, within its limit; 0 for less than one. */
gint64
replServiceEstimate(const ReplJobInfo *info);
