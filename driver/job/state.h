/*
 * state.h: the two tables of a job's life: which moves are legal, and what a verb does in a state
 *
 * Moves (x: legal). "queued" from running, verifying or publishing is the daemon's shutdown before
 * the commit point; the next start goes on from there.
 *
 *   from \ to    queued  running  verifying  publishing  paused  completed  failed  cancelled
 *   planned        x        .         .          .         .         .        x        x
 *   queued         .        x         .          .         x         .        x        x
 *   running        x        .         x          .         x         .        x        x
 *   verifying      x        .         .          x         .         .        x        x
 *   publishing     x        .         .          .         .         x        x        .
 *   paused         x        .         .          .         .         .        x        x
 *   completed      .        .         .          .         .         .        .        .
 *   failed         x        .         .          .         .         .        .        x
 *   cancelled      .        .         .          .         .         .        .        .
 *
 * Verbs (the state that the verb leads to; -: refused with VIR_ERR_OPERATION_INVALID). Deleting the
 * replica of a job that has not completed is the verb cancel.
 *
 *   state \ verb   start    cancel      retry    pause    resume
 *   planned        queued   cancelled   -        -        -
 *   queued         -        cancelled   -        paused   -
 *   running        -        cancelled   -        paused   -
 *   verifying      -        cancelled   -        -        -
 *   publishing     -        -           -        -        -
 *   paused         -        cancelled   -        -        queued
 *   completed      -        -           -        -        -
 *   failed         -        cancelled   queued   -        -
 *   cancelled      -        -           -        -        -
 *
 * Why so: all bytes are written when a job verifies, so there is little left to pause; publishing
 * holds the commit point, is short, and either completes or fails; a cancelled job has left nothing
 * that a retry could go on from, so the image is simply requested again. A planned job that is
 * cancelled and cannot be removed has failed: cancelling can be tried again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/jobinfo.h"
#include "model/request.h"

/* FALSE also for values that are no state. */
gboolean
replJobMayMove(ReplJobState from, ReplJobState to);

/* The state that @verb leads to, or -1 when it is refused in @state; -1 also for REPL_VERB_NONE. */
int
replJobVerbTarget(ReplJobState state, ReplVerb verb);

gboolean
replJobVerbAllowed(ReplJobState state, ReplVerb verb);

/* running, verifying, publishing: the job works. */
gboolean
replJobStateIsActive(ReplJobState state);
