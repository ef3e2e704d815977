/*
 * prepared.h: a replication that is opened, held and planned
 *
 * Made by prepare.h for one of three: a request on its way in (submission), a planned job that is to start, an attempt.
 * The first two hand theirs to the attempt that follows at once (ready), which plans again only where something may
 * have changed; while the job waits in the queue nothing is held.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "convert/convert.h"
#include "endpoint/target.h"
#include "job/job.h"
#include "replicate/replication.h"

/* The key that an image of the replication gets. */
typedef struct {
    ReplSecretBuf *secret; /* NULL: none */
    char *uuid;
    ReplLuksKdf kdf;
} ReplPreparedKey;

/* Belongs to one thread at a time. */
struct _ReplPrepared {
    ReplSource *source; /* held */
    ReplTarget *target;
    const ReplSourceFacts *facts;
    ReplPresent *present; /* an element for each layer of the source */
    ReplPlan *plan;
    gboolean closely; /* looking at contents could find more in the target than the plan knows */
    guint64 era;      /* of the claims in the target (service/claims.h), when it was looked at */

    ReplRequest asked; /* the request without what the source has done already; borrows from the record */

    ReplChain *scratch; /* copies of the source's layers, see scratch.h; NULL: none */

    /* keys.h; NULL until they are loaded. */
    gboolean keyed;           /* the plan needs them */
    GPtrArray *sourceSecrets; /* of ReplSecretBuf, an element for each layer, NULL: not needed */
    GPtrArray *sourceKeys;    /* of ReplSecretBuf: their volume keys where they are known, the same */
    GPtrArray *sourceUuids;   /* of char *, the same */
    GArray *keys;             /* of ReplPreparedKey: the target's, an element for each disk */
};

void
replPreparedFree(ReplPrepared *prepared);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPrepared, replPreparedFree)

static inline const ReplPlanStep *
replPreparedStep(const ReplPrepared *prepared, guint index)
{
    return g_ptr_array_index(prepared->plan->steps, index);
}

/* The layer of the source that @step makes. */
static inline const ReplPlanLayer *
replPreparedLayer(const ReplPrepared *prepared, const ReplPlanStep *step)
{
    return &prepared->facts->layers[step->layer];
}

/* The key that the image of disk @disk gets. */
static inline const ReplPreparedKey *
replPreparedKey(const ReplPrepared *prepared, guint disk)
{
    return &g_array_index(prepared->keys, ReplPreparedKey, disk);
}

/* Tells others, and notes in the journal, what the replica will be by this plan. */
void
replPreparedShow(ReplReplication *replication, const ReplPrepared *prepared);

/* What the job has to do without by this plan, in words of ReplJobInfo; NULL: nothing. */
const char *
replPreparedWithout(const ReplPrepared *prepared);

/* The steps of the plan as a job shows them. */
GPtrArray *
replPreparedSteps(const ReplPrepared *prepared);

/* The conversion that @step is, but for its chain and target; borrows from all of these. */
ReplConvertJob
replPreparedConversion(const ReplPrepared *prepared, const ReplPlanStep *step, const ReplRequest *request,
                       const ReplCopyWatch *watch);

/* Takes @prepared over for the next attempt. */
void
replPreparedHandOver(ReplReplication *replication, ReplPrepared *prepared);

/* Takes what was handed over, or NULL. When two threads ask, one gets it. */
ReplPrepared *
replPreparedTake(ReplReplication *replication);

/* Makes @prepared (NULL: none any more) the one that the attempt works with and whose waits
 * replPreparedStop() ends; frees the one that it had before. Called by the attempt's thread. */
void
replPreparedUse(ReplReplication *replication, ReplPrepared *prepared);

/* The job's stop operation: ends the waits of the attempt's endpoints, now and for as long as it goes on. By any thread. */
void
replPreparedStop(ReplJob *job, void *opaque);

/* The attempt is over: the next one may wait again. */
void
replPreparedRest(ReplReplication *replication);
