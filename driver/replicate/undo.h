/*
 * undo.h: what a job has in its target is given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* However far the last attempt came; none is under way any more. Returns 0, or -1 with @err set when something
 * is left: call it again. */
int
replUndo(ReplReplication *replication, ReplUndo what, GError **err);

/* The same of a request that was refused, and is known from its record only. Of the replica's name it goes by the file that is
 * noted: without that another client may hold the name. */
int
replUndoRefused(ReplReplication *replication, GError **err);
