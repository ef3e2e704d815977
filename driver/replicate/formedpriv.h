/*
 * formedpriv.h: the pieces of a source that converts what leaves this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/formed.h"
#include "replicate/prepared.h"

typedef struct {
    ReplSource base;

    /* fixed */
    ReplRequest *request;
    char *jobId;
    char *targetUuid;
    char *targetRegion;
    ReplFormedParams params; /* its functions */

    gint cancelled; /* atomic */

    ReplPrepared *prepared; /* the source as it is; from describe on with plan and keys */

    /* From describe on; NULL where nothing is converted. */
    gboolean described;
    ReplStaging *home;
    GArray *steps;     /* of guint, by layer: which step of the plan makes it */
    GArray *layers;    /* of ReplPlanLayer */
    GPtrArray *images; /* of ReplImage, by disk */
    GPtrArray *usages; /* of char *, by disk: of the key that its new layers get, NULL: none */
    int *fds;          /* by step: of a layer that is converted, -1: not yet */
    ReplSourceFacts facts;
} ReplFormed;

static inline ReplPlanLayer *
replFormedLayer(ReplFormed *self, guint layer)
{
    return &g_array_index(self->layers, ReplPlanLayer, layer);
}

/* Plans what @self is described as: the facts of the source as it is are there. Loads keys. Returns 0, or -1 with @err set. */
int
replFormedPlan(ReplFormed *self, GError **err);
