/*
 * open.h: the source and the target of a replication, of every kind
 *
 * Each kind of endpoint that is not a pool of this host registers itself at start; what no kind calls its own is a
 * region pool of this host.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/journal.h"
#include "endpoint/target.h"
#include "service/holding.h"

typedef struct {
    /* Makes the source if the volume is of this kind, or returns NULL. Opens nothing yet. */
    ReplSource *(*source)(const char *poolUuid, const char *volume, ReplSourceIs is);
    /* The same for the target of the job of @journal, which is on another host; both arguments are borrowed and outlive it. NULL: no
     * target is of this kind. */
    ReplTarget *(*target)(ReplJournal *journal, ReplHolding *holding);
} ReplEndpointKind;

/* Asks @kind before those that are there. Before any job; @kind lives as long as the module. */
void
replEndpointRegister(const ReplEndpointKind *kind);

/* None of these returns NULL: what is wrong with the pool is found by the source's first operation. */

/* The image, and all disks of a full machine as one: those that it has now. A bundle on another host is one only if @is
 * says so. */
ReplSource *
replEndpointSource(const char *poolUuid, const char *volume, ReplSourceIs is);

/* The source of a job: as replEndpointSource(), with the disks that are on record. (Another host tells itself which disks
 * a full machine has: replPrepareOpen() holds them against the record.) */
ReplSource *
replEndpointSourceOf(const ReplJobRecord *record);
ReplTarget *
replEndpointTarget(ReplJournal *journal, ReplHolding *holding);
