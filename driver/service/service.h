/*
 * service.h: what lives as long as the daemon: configuration, queue, pins and cached headers
 *
 * The room service/ in five lines:
 * In:    jobs from submissions and resumes; the configuration file.
 * Out:   the queue, pins, cached headers and configuration of this daemon (here), the jobs by what they make (makers.h), what
 *        each holds (holding.h), which layers they claim (claims.h), what jobs of other hosts read here (loans.h), cancelling one (pending.h), how their ends get on record
 *        (ended.h), what is still to be done of jobs that are over (overdue.h).
 * Owner: the queue and makers.h keep a reference to each job that has not ended; callers get references of their own.
 * Lock:  each part has one inside, never held over a job's operation; a holding's may be taken under that of makers.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "convert/convert.h"
#include "job/hook.h"
#include "job/pins.h"
#include "job/queue.h"
#include "probe/graph.h"
#include "store/config.h"
#include "virt/virt.h"

/* @configDir: /etc/libvirt or the user's. @inhibit, with @opaque, keeps the daemon from ending
 * while jobs are under way; NULL: nothing to keep. */
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

/* The administrator's program at the end of jobs. */
ReplHook *
replServiceHook(void);

/* Headers of volumes that did not change since they were read. */
ReplGraphCache *
replServiceCache(void);

/* A reference to the configuration of the moment. */
ReplConfig *
replServiceConfig(void);

/* What qemu-img may take to look at an image, as configured. */
ReplConvertLimits
replServiceConvertLimits(void);

/* The id of a job that works in the pool now, or NULL. */
char *
replServicePoolJob(const char *poolUuid);

/* Remembers the rate that a job reached, to estimate the time of the next ones. */
void
replServiceLearnRate(const ReplJobInfo *info);

/* Seconds that a job with so much to do may take, within its limit; 0 for less than one. */
gint64
replServiceEstimate(const ReplJobInfo *info);
