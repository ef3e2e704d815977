/*
 * undo.h: what a job has in its target is given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Gives back what the job has in its target, all of it or partial files only, as @what says, however far the
 * last attempt came. No attempt may be under way. Returns 0, or -1 with @err set when something is left: call
 * it again. */
int
replUndo(ReplReplication *replication, ReplUndo what, GError **err);

/* The same for a refused request that is known from its record only. It gives back the replica's name only if
 * the record notes the file that holds it: without that note another client may hold the name. */
int
replUndoRefused(ReplReplication *replication, GError **err);
