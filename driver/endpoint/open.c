/*
 * open.c: the source and the target of a replication, of every kind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/open.h"

#include "endpoint/local_source.h"
#include "endpoint/local_target.h"
#include "endpoint/set_source.h"

/* Filled at start, before any job; constant afterwards. The last registered first. */
static GSList *replEndpointKinds;

void
replEndpointRegister(const ReplEndpointKind *kind)
{
    replEndpointKinds = g_slist_prepend(replEndpointKinds, (gpointer)kind);
}

ReplSource *
replEndpointSource(const char *poolUuid, const char *volume)
{
    ReplSource *source = NULL;
    GSList *at;

    for (at = replEndpointKinds; at && !source; at = at->next)
        source = ((const ReplEndpointKind *)at->data)->source(poolUuid, volume);
    return source ? source : replLocalSourceNew(poolUuid, volume);
}

ReplSource *
replEndpointSourceOf(const ReplJobRecord *record)
{
    ReplSource *source = replEndpointSource(record->sourcePoolUuid, record->sourceVolume);
    GPtrArray *disks;
    guint i;

    if (record->members->len == 0)
        return source;
    disks = g_ptr_array_new_with_free_func((GDestroyNotify)replSourceFree);
    g_ptr_array_add(disks, source);
    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        g_ptr_array_add(disks, replEndpointSource(record->sourcePoolUuid, member->sourceVolume));
    }
    return replSetSourceNew(disks);
}

ReplTarget *
replEndpointTarget(ReplJournal *journal, ReplHolding *holding)
{
    ReplTarget *target = NULL;
    GSList *at;

    for (at = replEndpointKinds; at && !target; at = at->next)
        target = ((const ReplEndpointKind *)at->data)->target(journal, holding);
    return target ? target : replLocalTargetNew(journal, holding);
}
