/*
 * pushed_source.h: images that other hosts push to this one, as sources
 *
 * In:    a job's id, and the sessions that its host opens.
 * Out:   a source for the job, whichever session there is.
 * Owner: one talk for each pushed job, from its first session, or from the daemon's start, to replPushedForget.
 * Lock:  one, inside.
 *
 * The record of a pushed job has the job's own id in place of the source pool's UUID: the source is in no
 * pool of this host, and is found again by the job's id.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "peer/talk.h"
#include "store/jobrecord.h"

gboolean
replPushedIs(const ReplJobRecord *record);

/* Notes a job that was on record when the daemon started: its source waits for a session of the job's host,
 * which @host names. */
void
replPushedExpect(const char *jobId, const char *host);

/* A new session of the job's host has come. Its @epoch must be larger than those of all sessions before, and
 * its @hostId the same. Returns the job's talk, a reference, or NULL with @err set. */
ReplTalk *
replPushedEnter(const char *jobId, guint64 epoch, const char *hostId, const char *host, GError **err);

/* The name of the job's host, as far as it is known in this life of the daemon; else NULL. */
char *
replPushedHost(const char *jobId);

/* Around making the job. When two sessions both find that there is no job yet, one makes it, and the other
 * waits in BeginSubmit until that has worked or failed. */
void
replPushedBeginSubmit(const char *jobId);
void
replPushedEndSubmit(const char *jobId);

/* The job is over: forgets it, unless a session newer than @epoch has come and goes on with it. */
void
replPushedForget(const char *jobId, guint64 epoch);

/* The source of the job with this id, or NULL: there is no pushed job of that id. */
ReplSource *
replPushedSource(const char *jobId, const char *volume);
