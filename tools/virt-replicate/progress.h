/*
 * progress.h: showing jobs while they run
 *
 * On a terminal there is a line for each job and one for the total, redrawn in place; in a pipe a
 * line whenever a job's state changes, and for each 10 %; with --json an event for each change.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

typedef struct {
    virStorageVolPtr vol; /* the replica; borrowed */
    const char *label;    /* "web → cn-east-2"; borrowed */
    bool verifies;        /* what runs reads, and copies nothing */
} ReplProgressJob;

/* Waits until all jobs have ended, or Ctrl-C. @cancel: then cancel them; else they go on, and a
 * line says how to come back. Returns an exit status. */
int
replProgressWait(ReplClient *client, const ReplProgressJob *jobs, size_t njobs, bool cancel);

/* Makes Ctrl-C set a flag. Interrupted is what nobody reads, as well: a standard output whose reader has gone. */
void
replProgressCatchInterrupt(void);
bool
replProgressInterrupted(void);
