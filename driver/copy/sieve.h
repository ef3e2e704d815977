/*
 * sieve.h: which extents a copy has to carry
 *
 * In:    the caller's extents, or the runs of data that the reader finds itself.
 * Out:   extents clipped to what the copy is for, without what the target has already (writer's have); what lies between
 *        extents is made to read as zeros where the target held something before (job->overwrite).
 * Owner: the engine, on its stack. Lock: the engine's cutLock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"

typedef struct {
    /* fixed */
    const ReplCopyJob *job;
    ReplReader *reader;
    ReplWriter *writer;

    guint64 walked_bytes; /* where the reader's next run is looked for */
    guint64 zeroed_bytes; /* up to here extents and zeros are settled */
    ReplExtent rest;      /* what is left of the last extent; length 0: nothing */
} ReplSieve;

void
replSieveInit(ReplSieve *sieve, const ReplCopyJob *job, ReplReader *reader, ReplWriter *writer);

/* A ReplExtentSource's next; @opaque is the sieve. */
int
replSieveNext(void *opaque, ReplExtent *extent, GError **err);
