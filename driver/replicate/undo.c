/*
 * undo.c: what a job has in its target is given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/undo.h"

#include "endpoint/open.h"

int
replUndo(ReplReplication *replication, ReplUndo what, GError **err)
{
    g_autoptr(ReplTarget) target = replEndpointTarget(replication->journal, replication->holding);

    return replTargetUndo(target, what, err);
}
