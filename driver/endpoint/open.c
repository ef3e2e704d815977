/*
 * open.c: the source and the target of a replication, of every kind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/open.h"

#include "endpoint/local_source.h"
#include "endpoint/local_target.h"
#include "endpoint/set_source.h"
#include "image/view.h"

/* Filled at start, before any job; constant afterwards. The last registered first. */
static GSList *replEndpointKinds;

void
replEndpointRegister(const ReplEndpointKind *kind)
{
    replEndpointKinds = g_slist_prepend(replEndpointKinds, (gpointer)kind);
}

/* NULL: the volume is one of a region pool of this host. */
static ReplSource *
replEndpointOfKind(const char *poolUuid, const char *volume, ReplSourceIs is)
{
    ReplSource *source = NULL;
    GSList *at;

    for (at = replEndpointKinds; at && !source; at = at->next)
        source = ((const ReplEndpointKind *)at->data)->source(poolUuid, volume, is);
    return source;
}

/* @members: of char *. */
static ReplSource *
replEndpointLocalSet(const char *poolUuid, const char *volume, const GPtrArray *members)
{
    GPtrArray *disks = g_ptr_array_new_with_free_func((GDestroyNotify)replSourceFree);
    guint i;

    g_ptr_array_add(disks, replLocalSourceNew(poolUuid, volume));
    for (i = 0; i < members->len; i++)
        g_ptr_array_add(disks, replLocalSourceNew(poolUuid, g_ptr_array_index(members, i)));
    return replSetSourceNew(disks);
}

ReplSource *
replEndpointSource(const char *poolUuid, const char *volume, ReplSourceIs is)
{
    ReplSource *source = replEndpointOfKind(poolUuid, volume, is);
    g_autoptr(ReplRegion) region = source ? NULL : replRegionOfUuidString(poolUuid);
    g_autoptr(ReplImage) image = region && region->dir ? replViewImageQuick(region, volume, NULL) : NULL;

    if (source)
        return source;
    if (!image || image->members->len == 0)
        return replLocalSourceNew(poolUuid, volume);
    return replEndpointLocalSet(poolUuid, volume, image->members);
}

ReplSource *
replEndpointSourceOf(const ReplJobRecord *record)
{
    ReplSource *source =
        record->sourceIsHere
            ? NULL
            : replEndpointOfKind(record->sourcePoolUuid, record->sourceVolume, record->request->sourceIs);
    g_autoptr(GPtrArray) members = g_ptr_array_new();
    guint i;

    if (source)
        return source;
    if (record->members->len == 0)
        return replLocalSourceNew(record->sourcePoolUuid, record->sourceVolume);
    for (i = 0; i < record->members->len; i++)
        g_ptr_array_add(members, ((const ReplJobMember *)record->members->pdata[i])->sourceVolume);
    return replEndpointLocalSet(record->sourcePoolUuid, record->sourceVolume, members);
}

ReplTarget *
replEndpointTarget(ReplJournal *journal, ReplHolding *holding)
{
    ReplTarget *target = NULL;
    GSList *at;

    for (at = journal->record->targetPool ? replEndpointKinds : NULL; at && !target; at = at->next)
        target = ((const ReplEndpointKind *)at->data)->target
                     ? ((const ReplEndpointKind *)at->data)->target(journal, holding)
                     : NULL;
    return target ? target : replLocalTargetNew(journal, holding);
}
