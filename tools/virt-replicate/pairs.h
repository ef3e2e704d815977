/*
 * pairs.h: images and the regions that they are copied to, from the command line to jobs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* An image and one of its targets. */
typedef struct {
    char *label;              /* "web → cn-east-2" */
    char *name;               /* of the image, for messages */
    char *region;             /* target region */
    char *pool;               /* target pool */
    virStorageVolPtr replica; /* NULL: refused */
    virErrorPtr error;        /* why */
    virtReplicationJob *job;  /* the plan, or the job as it was last seen; may be NULL */
    virtReplicationAmount quota;
    virtReplicationAmount usage;
} ReplPair;

typedef struct {
    ReplPair *list;
    size_t count;
} ReplPairs;

void
replPairsClear(ReplPairs *pairs);

/* Plans a job for each pair of @images (words of the user) and the targets of the options
 * (copyopts.h). Refused pairs are in the list with their error. Reports; false when nothing was
 * planned. */
bool
replPairsPlan(ReplClient *client, char **images, size_t nimages, ReplPairs *pairs);

/* Ends planned jobs, as if they had not been asked for. */
void
replPairsForget(const ReplPairs *pairs);

/* Starts planned jobs; those that cannot be started get their error and lose their replica. Returns
 * how many of all pairs are refused. */
size_t
replPairsStart(ReplPairs *pairs);

/* Prints the plans: snapshots, bytes to send, what is reused, quota that will be left, time. */
void
replPairsShow(ReplClient *client, const ReplPairs *pairs);

/* Reports the errors of refused pairs. Returns how many there are. */
size_t
replPairsErrors(const ReplPairs *pairs);
