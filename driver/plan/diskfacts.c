/*
 * diskfacts.c: the facts of one disk of a full machine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plan/planpriv.h"

gboolean
replPlanIsSameFile(const ReplPlanLayer *a, const ReplPlanLayer *b)
{
    /* Layers on another host may lie in several pools there, all of which this host knows as one: their inodes tell files of
     * one name apart. */
    return g_strcmp0(a->poolUuid, b->poolUuid) == 0 && g_str_equal(a->volume, b->volume) &&
           a->identity.dev == b->identity.dev && a->identity.ino == b->identity.ino;
}

guint
replPlanDiskFirst(const ReplPlanFacts *facts, guint disk)
{
    guint first = 0;

    while (first < facts->layerCount && facts->layers[first].disk != disk)
        first++;
    return first;
}

void
replPlanDiskFacts(const ReplPlanFacts *facts, guint disk, ReplPlanFacts *one)
{
    guint first, end;

    *one = *facts;
    /* A check of the quota alone has no layers. */
    if (facts->memberCount == 0 || !facts->layers)
        return;
    end = first = replPlanDiskFirst(facts, disk);
    if (first == facts->layerCount)
        return;
    while (end < facts->layerCount && facts->layers[end].disk == disk)
        end++;
    one->layers = &facts->layers[first];
    one->layerCount = end - first;
    if (disk == 0)
        return;
    one->volume = one->layers[0].volume;
    one->image = facts->members[disk - 1];
    one->placeholder = NULL;
}
