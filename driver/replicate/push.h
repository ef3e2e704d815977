/*
 * push.h: a replica that another host makes of an image that this one reads
 *
 * In:    a record of what is asked for, with the request's XML as it came.
 * Out:   a job for the queue. Its attempt holds and serves the source, and follows the job of the same id that the other host
 *        makes of the request: plan, rules, names, quota, partial files, publishing and undoing are that one's.
 * Owner: the job owns the push, the push its record.
 * Lock:  lock guards the record's info, and link.
 *
 * A push that is interrupted, here or there, goes on with the same id: the other host knows how far it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "store/jobrecord.h"

/* A job that makes what @record (taken over) says: it has targetPoolUuid, of a pool of type region, and requestXml.
 * @resumed: from an earlier life of the daemon, when no client waits. Not yet queued. */
ReplJob *
replPushJobNew(ReplJobRecord *record, gboolean resumed);

/* Writes its record to this host's own home. Returns 0, or -1 with @err set. */
int
replPushSave(ReplJob *job, GError **err);

/* Before the job is queued: has the other host make a plan, which becomes the job's, and keeps nothing open. Returns 0, or -1 with @err set: there is no
 * such job there any more, as far as that host could be told. */
int
replPushPlan(ReplJob *job, GError **err);

/* The push that makes volume @volume of this pool of type region and has not ended, a reference; NULL: there is none. */
ReplJob *
replPushFind(const char *targetPoolUuid, const char *volume);

/* All of them, of that pool: of ReplJob, references. */
GPtrArray *
replPushList(const char *targetPoolUuid);

/* Whether the other host has taken up the job: its pool lists the replica. */
gboolean
replPushIsListed(ReplJob *job);

/* Takes a push that is not going to be tried again out of the table of pushes. */
void
replPushForget(ReplJob *job);

/* The replica's name, as the other host has settled it; else as it was asked for. */
char *
replPushVolume(ReplJob *job);
