/*
 * state.c: the two tables of a job's life
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/state.h"

#define TO(state) (1u << REPL_JOB_##state)

static const guint replJobMoves[REPL_JOB_STATE_LAST] = {
    [REPL_JOB_PLANNED] = TO(QUEUED) | TO(FAILED) | TO(CANCELLED),
    [REPL_JOB_QUEUED] = TO(RUNNING) | TO(PAUSED) | TO(FAILED) | TO(CANCELLED),
    [REPL_JOB_RUNNING] = TO(QUEUED) | TO(VERIFYING) | TO(PAUSED) | TO(FAILED) | TO(CANCELLED),
    [REPL_JOB_VERIFYING] = TO(QUEUED) | TO(PUBLISHING) | TO(FAILED) | TO(CANCELLED),
    [REPL_JOB_PUBLISHING] = TO(QUEUED) | TO(COMPLETED) | TO(FAILED),
    [REPL_JOB_PAUSED] = TO(QUEUED) | TO(FAILED) | TO(CANCELLED),
    [REPL_JOB_COMPLETED] = 0,
    [REPL_JOB_FAILED] = TO(QUEUED) | TO(CANCELLED),
    [REPL_JOB_CANCELLED] = 0,
};

typedef struct {
    guint from; /* the states in which the verb is legal */
    ReplJobState to;
} ReplVerbRule;

static const ReplVerbRule replJobVerbs[] = {
    [REPL_VERB_NONE] = {0, REPL_JOB_PLANNED},
    [REPL_VERB_START] = {TO(PLANNED), REPL_JOB_QUEUED},
    [REPL_VERB_CANCEL] = {TO(PLANNED) | TO(QUEUED) | TO(RUNNING) | TO(VERIFYING) | TO(PAUSED) | TO(FAILED),
                          REPL_JOB_CANCELLED},
    [REPL_VERB_RETRY] = {TO(FAILED), REPL_JOB_QUEUED},
    [REPL_VERB_PAUSE] = {TO(QUEUED) | TO(RUNNING), REPL_JOB_PAUSED},
    [REPL_VERB_RESUME] = {TO(PAUSED), REPL_JOB_QUEUED},
};

static gboolean
replJobIsState(ReplJobState state)
{
    return (guint)state < REPL_JOB_STATE_LAST;
}

gboolean
replJobMayMove(ReplJobState from, ReplJobState to)
{
    return replJobIsState(from) && replJobIsState(to) && (replJobMoves[from] & (1u << to));
}

int
replJobVerbTarget(ReplJobState state, ReplVerb verb)
{
    if (!replJobIsState(state) || (guint)verb >= G_N_ELEMENTS(replJobVerbs) ||
        !(replJobVerbs[verb].from & (1u << state)))
        return -1;
    return replJobVerbs[verb].to;
}

gboolean
replJobVerbAllowed(ReplJobState state, ReplVerb verb)
{
    return replJobVerbTarget(state, verb) >= 0;
}

gboolean
replJobStateIsActive(ReplJobState state)
{
    return state == REPL_JOB_RUNNING || state == REPL_JOB_VERIFYING || state == REPL_JOB_PUBLISHING;
}
