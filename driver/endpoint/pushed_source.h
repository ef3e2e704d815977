/*
 * pushed_source.h: images that other hosts push to this one, as sources
 *
 * In:    a job's id, and the sessions that its host opens.
 * Out:   a source for the job, whichever session there is.
 * Owner: one talk for each pushed job, from its first session, or from the daemon's start, to replPushedForget.
 * Lock:  one, inside.
 *
 * The record of a pushed job has its own id in place of the source pool's UUID: no pool of this host is behind it, and that is how
 * its source is found again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "peer/talk.h"
#include "store/jobrecord.h"

gboolean
replPushedIs(const ReplJobRecord *record);

/* The job is there, and waits for its host. @host names it. */
void
replPushedExpect(const char *jobId, const char *host);

/* The newest session of the job's host: @epoch must be larger than that of all before. The job's talk, a reference, or NULL with
 * @err set. @hostId may not change. */
ReplTalk *
replPushedEnter(const char *jobId, guint64 epoch, const char *hostId, const char *host, GError **err);

/* Of two sessions of a job that both find no job, one makes it: the other waits until it has been made, or not. */
void
replPushedBeginSubmit(const char *jobId);
void
replPushedEndSubmit(const char *jobId);

/* The job is over, unless a session newer than @epoch thinks otherwise. */
void
replPushedForget(const char *jobId, guint64 epoch);

/* The source of the job with this id, or NULL: there is no pushed job of that id. */
ReplSource *
replPushedSource(const char *jobId, const char *volume);
