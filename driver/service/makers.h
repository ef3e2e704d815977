/*
 * makers.h: the jobs of this daemon by the volume that they make
 *
 * A job is here from its acceptance until it has completed or was cancelled; a failed one stays, to
 * be retried or deleted. Every function may be called by any thread; the last reference to a job
 * never goes under the lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "service/holding.h"

/* Notes that @job makes @volume, the replica. Returns a reference to the job that was entered for this name
 * before and is now taken out (its file is gone, or @job could not have got the name), or NULL. */
ReplJob *
replMakersAdd(const char *poolUuid, const char *volume, ReplJob *job, ReplHolding *holding);

/* No effect when a later job has taken the name. */
void
replMakersRemove(const char *poolUuid, const char *volume, const ReplJob *job);

gboolean
replMakersHas(const ReplJob *job);

/* The job whose replica @volume is: a reference, or NULL. *holding (may be NULL) gets a reference,
 * too. */
ReplJob *
replMakersFind(const char *poolUuid, const char *volume, ReplHolding **holding);

/* The job that makes @volume, as its replica or as one of its layers: a reference, or NULL. */
ReplJob *
replMakersFindAny(const char *poolUuid, const char *volume);

typedef struct {
    char *poolUuid;    /* of the target */
    char *volume;      /* the replica */
    ReplJob *job;      /* a reference */
    gboolean isMember; /* a data disk of a full machine, whose system disk stands for the job */
} ReplMade;

/* The jobs that make volumes of the pool @poolUuid (NULL: of any) from the image @sourceId (NULL: from any): of
 * ReplMade, by volume. */
GPtrArray *
replMakersList(const char *poolUuid, const char *sourceId);

/* replHoldingCorrectUsage() of all jobs that make volumes of the pool; @except (may be NULL)
 * reserves nothing. */
void
replMakersCorrectUsage(const char *poolUuid, const ReplHolding *except, gboolean reserve, ReplAmounts *usage);
