/*
 * policyplan.h: what has to be done to make a policy so; pure
 *
 * In go the policy, all regions with their images, and what earlier runs remember; out come wishes: an image that a
 * region has to get, a replica that may go. The state is changed as well: what is there or missing now is noted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libvirt-replication/libvirt-replication.h>

#include "policy.h"
#include "syncstate.h"

/* How far an image is in a region. */
typedef enum {
    REPL_WISH_THERE,   /* available */
    REPL_WISH_COMING,  /* a job makes it */
    REPL_WISH_FAILED,  /* a job has failed to */
    REPL_WISH_MISSING, /* nothing makes it yet */
    REPL_WISH_TAKEN,   /* another image has its name there */
    REPL_WISH_AWAY,    /* the region cannot be listed */
} ReplWishState;

typedef struct {
    const ReplPolicyRule *rule;
    const virtReplicationImage *origin;
    const virtReplicationRegion *target; /* NULL: there is no such pool (REPL_WISH_AWAY) */
    const char *region;                  /* the target's name */
    const virtReplicationImage *replica; /* what is there; NULL when it is missing */
    ReplWishState state;
} ReplWish;

/* A replica that need not be there any more. */
typedef struct {
    const ReplPolicyRule *rule;
    const virtReplicationImage *replica;
    bool old;     /* of an old version; else its origin is gone */
    bool allowed; /* may go now; else `why` says why not */
    char *why;
} ReplGone;

typedef struct {
    GArray *wishes; /* ReplWish */
    GArray *gone;   /* ReplGone; `why` is freed with the plan */
    guint kept;     /* replicas that the policy keeps or kept: what 10 % are of */
} ReplPolicyPlan;

void
replPolicyPlanFree(ReplPolicyPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPolicyPlan, replPolicyPlanFree)

/* @regions: all, with images; detailed or with `sourceID`. @now: UNIX time. @allowDelete: replicas that may go
 * in this run, -1: 10 %. */
ReplPolicyPlan *
replPolicyPlanMake(const ReplPolicy *policy, virtReplicationRegion *const *regions, ReplSyncState *state,
                   gint64 now, int allowDelete);
