/*
 * prepared.h: a replication that is opened, locked and planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "convert/convert.h"
#include "plan/plan.h"
#include "probe/chain.h"
#include "replicate/replication.h"

/* One try, from prepare to clean: opened, locked and planned. Belongs to the thread that makes it.
 */
struct _ReplPrepared {
    ReplRegion *source;
    ReplRegion *target;
    ReplPoolSet *set;
    const ReplPoolDir *sourceDir; /* of the set */
    const ReplPoolDir *targetDir;
    ReplStaging *staging; /* the target's */
    ReplChain *chain;
    GPtrArray *presentAs; /* an element for each layer of the chain, NULL: not there */
    GArray *presentWas;   /* ReplFileIdentity, the same: what was there when it was looked at */
    ReplPlan *plan;
    GPtrArray *sourceSecrets; /* of ReplSecretBuf, an element for each layer, NULL: not needed */
    GPtrArray *sourceKeys;    /* of ReplSecretBuf: their volume keys where they are known, the same */
    GPtrArray *sourceUuids;   /* of char *, the same */
    ReplSecretBuf *secret;    /* the target's, NULL: none */
    char *secretUuid;
    gboolean sourceIsFast; /* the source is a fast-create image */
    ReplLuksKdf kdf;
    GArray *held; /* int: descriptors of locked placeholders */
};

ReplPrepared *
replPreparedNew(void);

void
replPreparedFree(ReplPrepared *prepared);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPrepared, replPreparedFree)

/* What qemu-img may take to look at an image, as configured. */
ReplConvertLimits
replPreparedLimits(void);

/* The steps of the plan as a job shows them. */
GPtrArray *
replPreparedSteps(const ReplPrepared *prepared);
