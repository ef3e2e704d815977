/*
 * policyplan.c: what has to be done to make a policy so
 *
 * Replicas go only with care. One goes because its origin is gone when the policy asked for it (delete=yes), this
 * policy had brought it there in an earlier run, the origin's region was listed whole now, and the origin was missing
 * in an earlier run at least 24 hours ago. Of all replicas at most a tenth go in one run. So neither a peer that is
 * away, nor a pool that was not mounted, nor a policy that names the wrong region can empty other regions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "policyplan.h"

#include <libintl.h>
#include <string.h>

#define _(str) gettext(str)

#define REPL_PLAN_MISSING_s (24 * 3600)
#define REPL_PLAN_LINEAGE_MAX 64

typedef struct {
    const ReplPolicy *policy;
    virtReplicationRegion *const *regions;
    ReplSyncState *state;
    gint64 now;
    ReplPolicyPlan *plan;
    GHashTable *byID;     /* id → virtReplicationImage */
    GHashTable *replicas; /* "ORIGIN REGION" → virtReplicationImage, the one that is furthest */
    GHashTable *names;    /* "REGION NAME" → virtReplicationImage */
} ReplPlanner;

static void
replGoneClear(gpointer data)
{
    g_free(((ReplGone *)data)->why);
}

void
replPolicyPlanFree(ReplPolicyPlan *plan)
{
    g_array_free(plan->wishes, TRUE);
    g_array_free(plan->gone, TRUE);
    g_free(plan);
}

/* The origin of a replica that the state remembers, NULL without one. */
static const char *
replPlanRemembered(const ReplSyncState *state, const char *replica)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, state->pairs);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplSyncPair *pair = value;

        if (g_strcmp0(pair->replica, replica) == 0)
            return pair->origin;
    }
    return NULL;
}

/* The id of the image that a replica was first made from: through replicas of replicas, and through those that are gone
 * as far as the state remembers them. The image's own id when it is no replica. */
static const char *
replPlanLineage(GHashTable *byID, const ReplSyncState *state, const virtReplicationImage *image)
{
    const char *id = image->id;
    int depth;

    for (depth = 0; image && image->sourceID && depth < REPL_PLAN_LINEAGE_MAX; depth++) {
        id = image->sourceID;
        image = g_hash_table_lookup(byID, id);
    }
    if (!image) {
        const char *remembered = replPlanRemembered(state, id);

        return remembered ? remembered : id;
    }
    return id;
}

static GHashTable *
replPlanByID(virtReplicationRegion *const *regions)
{
    GHashTable *byID = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i, j;

    for (i = 0; regions[i]; i++) {
        for (j = 0; j < regions[i]->nimages; j++)
            g_hash_table_insert(byID, regions[i]->images[j]->id, regions[i]->images[j]);
    }
    return byID;
}

/* Available is further than pending, which is further than an error. */
static int
replPlanRank(const virtReplicationImage *image)
{
    if (g_strcmp0(image->status, VIRT_REPLICATION_STATUS_AVAILABLE) == 0)
        return 2;
    return g_strcmp0(image->status, VIRT_REPLICATION_STATUS_PENDING) == 0 ? 1 : 0;
}

/* Finds out what is a replica of what. */
static void
replPlanIndex(ReplPlanner *planner)
{
    size_t i, j;

    for (i = 0; planner->regions[i]; i++) {
        const virtReplicationRegion *region = planner->regions[i];

        for (j = 0; j < region->nimages; j++) {
            virtReplicationImage *image = region->images[j];
            const char *origin = replPlanLineage(planner->byID, planner->state, image);
            char *key = g_strdup_printf("%s %s", origin, region->name);
            const virtReplicationImage *known = g_hash_table_lookup(planner->replicas, key);

            g_hash_table_insert(planner->names, g_strdup_printf("%s %s", region->name, image->volume), image);
            if (!known || replPlanRank(image) > replPlanRank(known))
                g_hash_table_insert(planner->replicas, key, image);
            else
                g_free(key);
        }
    }
}

/* Whether every pool of the region was listed to its end. */
static bool
replPlanListedWhole(const ReplPlanner *planner, const char *region)
{
    bool found = false;
    size_t i;

    for (i = 0; planner->regions[i]; i++) {
        if (strcmp(planner->regions[i]->name, region) != 0)
            continue;
        if (!planner->regions[i]->active || !planner->regions[i]->listed)
            return false;
        found = true;
    }
    return found;
}

/* The pool of a region that images of @project go to: one of their project, else the first. */
static const virtReplicationRegion *
replPlanTarget(const ReplPlanner *planner, const char *region, const char *project)
{
    const virtReplicationRegion *first = NULL;
    size_t i;

    for (i = 0; planner->regions[i]; i++) {
        if (strcmp(planner->regions[i]->name, region) != 0)
            continue;
        if (g_strcmp0(planner->regions[i]->project, project) == 0)
            return planner->regions[i];
        if (!first)
            first = planner->regions[i];
    }
    return first;
}

/* Images of the rule, newest version of each family first. */
static int
replPlanCompare(gconstpointer a, gconstpointer b)
{
    const virtReplicationImage *one = *(virtReplicationImage *const *)a;
    const virtReplicationImage *two = *(virtReplicationImage *const *)b;
    const char *v1, *v2;
    g_autofree char *f1 = replPolicyFamily(one->name, &v1);
    g_autofree char *f2 = replPolicyFamily(two->name, &v2);
    int order = strcmp(f1, f2);

    return order ? order : strverscmp(v2, v1);
}

static GPtrArray *
replPlanOrigins(const ReplPlanner *planner, const ReplPolicyRule *rule)
{
    GPtrArray *origins = g_ptr_array_new();
    size_t i, j;

    for (i = 0; planner->regions[i]; i++) {
        const virtReplicationRegion *region = planner->regions[i];

        if (strcmp(region->name, rule->from) != 0)
            continue;
        for (j = 0; j < region->nimages; j++) {
            virtReplicationImage *image = region->images[j];

            if (!image->isLayer && g_strcmp0(image->status, VIRT_REPLICATION_STATUS_AVAILABLE) == 0 &&
                replPolicyMatches(rule, image->name, image->type))
                g_ptr_array_add(origins, image);
        }
    }
    g_ptr_array_sort(origins, replPlanCompare);
    return origins;
}

static ReplWishState
replPlanState(const ReplPlanner *planner, const ReplWish *wish)
{
    g_autofree char *name = g_strdup_printf("%s %s", wish->region, wish->origin->volume);

    if (!wish->target || !wish->target->active || !wish->target->listed)
        return REPL_WISH_AWAY;
    if (!wish->replica)
        return g_hash_table_contains(planner->names, name) ? REPL_WISH_TAKEN : REPL_WISH_MISSING;
    switch (replPlanRank(wish->replica)) {
    case 2:
        return REPL_WISH_THERE;
    case 1:
        return REPL_WISH_COMING;
    default:
        return REPL_WISH_FAILED;
    }
}

/* Notes what is there. */
static void
replPlanNote(const ReplPlanner *planner, const ReplWish *wish)
{
    ReplSyncPair *pair = replSyncStatePair(planner->state, wish->origin->id, wish->region, true);

    g_free(pair->name);
    pair->name = g_strdup(wish->origin->name);
    if (pair->wanted == 0)
        pair->wanted = planner->now;
    if (wish->state == REPL_WISH_THERE) {
        g_free(pair->replica);
        pair->replica = g_strdup(wish->replica->id);
        if (pair->done == 0)
            pair->done = planner->now;
    } else if (wish->state == REPL_WISH_MISSING && pair->done > 0) {
        pair->done = 0; /* it was there and is no more */
        pair->wanted = planner->now;
        g_clear_pointer(&pair->replica, g_free);
    }
}

static void
replPlanWish(ReplPlanner *planner, const ReplPolicyRule *rule, const virtReplicationImage *origin,
             const char *region)
{
    g_autofree char *key = g_strdup_printf("%s %s", origin->id, region);
    ReplWish wish = {
        .rule = rule,
        .origin = origin,
        .region = region,
        .target = replPlanTarget(planner, region, origin->project),
        .replica = g_hash_table_lookup(planner->replicas, key),
    };

    wish.state = replPlanState(planner, &wish);
    replPlanNote(planner, &wish);
    g_array_append_val(planner->plan->wishes, wish);
}

/* Names of regions that a rule keeps its images in, each once; also those that it names and that are not there. */
static GPtrArray *
replPlanRegions(const ReplPlanner *planner, const ReplPolicyRule *rule)
{
    GPtrArray *names = g_ptr_array_new();
    size_t i;

    for (i = 0; planner->regions[i]; i++) {
        const char *name = planner->regions[i]->name;

        if (replPolicyWants(rule, name) && !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            g_ptr_array_add(names, (gpointer)name);
    }
    for (i = 0; rule->regions[i]; i++) {
        if (!strpbrk(rule->regions[i], "*?") && strcmp(rule->regions[i], rule->from) != 0 &&
            !g_ptr_array_find_with_equal_func(names, rule->regions[i], g_str_equal, NULL))
            g_ptr_array_add(names, rule->regions[i]);
    }
    return names;
}

/* Appends what a rule wants. @old: ids of origins whose version is too old. */
static void
replPlanRule(ReplPlanner *planner, const ReplPolicyRule *rule, GHashTable *old)
{
    g_autoptr(GPtrArray) origins = replPlanOrigins(planner, rule);
    g_autoptr(GPtrArray) regions = replPlanRegions(planner, rule);
    g_autofree char *family = NULL;
    guint version = 0;
    guint i, j;

    for (i = 0; i < origins->len; i++) {
        const virtReplicationImage *origin = g_ptr_array_index(origins, i);
        const char *text;
        char *mine = replPolicyFamily(origin->name, &text);

        version = g_strcmp0(mine, family) == 0 ? version + 1 : 1;
        g_free(family);
        family = mine;
        if (rule->versions > 0 && version > rule->versions) {
            g_hash_table_add(old, origin->id);
            continue;
        }
        for (j = 0; j < regions->len; j++)
            replPlanWish(planner, rule, origin, g_ptr_array_index(regions, j));
    }
}

static void
replPlanGone(ReplPlanner *planner, const ReplPolicyRule *rule, const virtReplicationImage *replica, bool old,
             char *why)
{
    ReplGone gone = {.rule = rule, .replica = replica, .old = old, .allowed = !why, .why = why};

    g_array_append_val(planner->plan->gone, gone);
}

/* Since when an origin is missing; notes it when it is new. */
static gint64
replPlanMissingSince(const ReplPlanner *planner, const char *origin)
{
    gint64 *since = g_hash_table_lookup(planner->state->missing, origin);

    if (since)
        return *since;
    since = g_new(gint64, 1);
    *since = planner->now;
    g_hash_table_insert(planner->state->missing, g_strdup(origin), since);
    return *since;
}

/* Why the replica of a missing origin may not go yet; NULL: it may. */
static char *
replPlanMissing(const ReplPlanner *planner, const ReplPolicyRule *rule, const char *origin)
{
    gint64 since;

    if (!replPlanListedWhole(planner, rule->from))
        return g_strdup_printf(_("region '%s' could not be listed whole"), rule->from);
    since = replPlanMissingSince(planner, origin);
    if (planner->now - since < REPL_PLAN_MISSING_s)
        return g_strdup_printf(_("its source is missing for less than 24 hours"));
    return NULL;
}

/* A replica that this policy brought to its region: does a rule still want it? */
static void
replPlanLookAt(ReplPlanner *planner, const ReplSyncPair *pair, GHashTable *old)
{
    const virtReplicationImage *replica =
        pair->replica ? g_hash_table_lookup(planner->byID, pair->replica) : NULL;
    const virtReplicationImage *origin = g_hash_table_lookup(planner->byID, pair->origin);
    guint i;

    if (!replica || strcmp(replica->region, pair->region) != 0)
        return;
    planner->plan->kept++;
    for (i = 0; i < planner->policy->rules->len; i++) {
        const ReplPolicyRule *rule = g_ptr_array_index(planner->policy->rules, i);

        if (!rule->deletes || !replPolicyWants(rule, pair->region) ||
            !replPolicyMatches(rule, replica->name, replica->type))
            continue;
        if (origin && strcmp(origin->region, rule->from) == 0) {
            if (g_hash_table_contains(old, pair->origin))
                replPlanGone(planner, rule, replica, true, NULL);
        } else {
            replPlanGone(planner, rule, replica, false, replPlanMissing(planner, rule, pair->origin));
        }
        return;
    }
}

static int
replPlanCompareGone(gconstpointer a, gconstpointer b)
{
    return strcmp(((const ReplGone *)a)->replica->id, ((const ReplGone *)b)->replica->id);
}

/* Replicas that go, at most so many. */
static void
replPlanLimit(ReplPlanner *planner, int allowDelete)
{
    guint most = allowDelete >= 0 ? (guint)allowDelete : planner->plan->kept / 10;
    guint count = 0;
    guint i;

    g_array_sort(planner->plan->gone, replPlanCompareGone);
    for (i = 0; i < planner->plan->gone->len; i++) {
        ReplGone *gone = &g_array_index(planner->plan->gone, ReplGone, i);

        if (!gone->allowed || ++count <= most)
            continue;
        gone->allowed = false;
        gone->why = g_strdup_printf(
            ngettext("at most %u of %u replica may go in a run; --allow-delete says otherwise",
                     "at most %u of %u replicas may go in a run; --allow-delete says otherwise",
                     planner->plan->kept),
            most, planner->plan->kept);
    }
}

/* What was missing and is there again, is missing no more. */
static gboolean
replPlanIsBack(gpointer key, gpointer value G_GNUC_UNUSED, gpointer opaque)
{
    const ReplPlanner *planner = opaque;

    return g_hash_table_contains(planner->byID, key);
}

/* A pair whose origin and replica are both gone is over. */
static gboolean
replPlanIsOver(gpointer key G_GNUC_UNUSED, gpointer value, gpointer opaque)
{
    const ReplSyncPair *pair = value;
    const ReplPlanner *planner = opaque;
    const virtReplicationImage *origin = g_hash_table_lookup(planner->byID, pair->origin);
    guint i;

    if (origin || (pair->replica && g_hash_table_contains(planner->byID, pair->replica)))
        return FALSE;
    for (i = 0; i < planner->policy->rules->len; i++) {
        const ReplPolicyRule *rule = g_ptr_array_index(planner->policy->rules, i);

        if (!replPlanListedWhole(planner, rule->from) || !replPlanListedWhole(planner, pair->region))
            return FALSE;
    }
    return TRUE;
}

ReplPolicyPlan *
replPolicyPlanMake(const ReplPolicy *policy, virtReplicationRegion *const *regions, ReplSyncState *state,
                   gint64 now, int allowDelete)
{
    ReplPolicyPlan *plan = g_new0(ReplPolicyPlan, 1);
    g_autoptr(GHashTable) byID = replPlanByID(regions);
    g_autoptr(GHashTable) replicas = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) old = g_hash_table_new(g_str_hash, g_str_equal);
    ReplPlanner planner = {policy, regions, state, now, plan, byID, replicas, names};
    GHashTableIter iter;
    gpointer key, value;
    guint i;

    plan->wishes = g_array_new(FALSE, FALSE, sizeof(ReplWish));
    plan->gone = g_array_new(FALSE, FALSE, sizeof(ReplGone));
    g_array_set_clear_func(plan->gone, replGoneClear);
    g_hash_table_foreach_remove(state->missing, replPlanIsBack, &planner);
    g_hash_table_foreach_remove(state->pairs, replPlanIsOver, &planner);
    replPlanIndex(&planner);
    for (i = 0; i < policy->rules->len; i++)
        replPlanRule(&planner, g_ptr_array_index(policy->rules, i), old);
    g_hash_table_iter_init(&iter, state->pairs);
    while (g_hash_table_iter_next(&iter, &key, &value))
        replPlanLookAt(&planner, value, old);
    replPlanLimit(&planner, allowDelete);
    return plan;
}
