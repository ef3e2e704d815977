/*
 * synccopy.c: the copies of a run of `sync`
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "syncpriv.h"
#include "tree.h"

void
replSyncCopyFree(gpointer data)
{
    ReplSyncCopy *copy = data;

    g_free(copy->origin);
    g_free(copy->name);
    g_free(copy->from);
    g_free(copy->to);
    if (copy->replica)
        virStorageVolFree(copy->replica);
    g_free(copy);
}

/* Regions by name, in the order of the tree's nodes, as one image sees them. */
typedef struct {
    const ReplSync *sync;
    GPtrArray *names;
    ReplTreeNode *nodes;
    const ReplWish **wishes;             /* by node; NULL where nothing is wished */
    const virtReplicationImage **images; /* by node: what can be copied from */
} ReplSyncTree;

/* How far regions are from each other: as declared, else the time for a byte as measured, else farther than
 * anything that is known. A declared distance is of the user's own unit: it goes before all that was measured. */
static double
replSyncDistance(guint from, guint to, void *opaque)
{
    const ReplSyncTree *tree = opaque;
    g_autofree char *key = g_strdup_printf("%s %s", (char *)g_ptr_array_index(tree->names, from),
                                           (char *)g_ptr_array_index(tree->names, to));
    const double *declared = g_hash_table_lookup(tree->sync->policy->distance, key);
    const double *rate = g_hash_table_lookup(tree->sync->state->rates, key);

    if (declared)
        return *declared;
    return rate ? 1e9 + 1e9 / *rate : 1e18;
}

static guint
replSyncTreeNode(ReplSyncTree *tree, const char *region)
{
    guint i;

    if (g_ptr_array_find_with_equal_func(tree->names, region, g_str_equal, &i))
        return i;
    g_ptr_array_add(tree->names, (gpointer)region);
    return tree->names->len - 1;
}

/* Copies that a region sends now: of @origin, or of any image when that is NULL. */
static guint
replSyncSending(const ReplSync *sync, const char *region, const char *origin)
{
    guint count = 0;
    guint i;

    for (i = 0; i < sync->running->len; i++) {
        const ReplSyncCopy *copy = g_ptr_array_index(sync->running, i);

        count += strcmp(copy->from, region) == 0 && (!origin || strcmp(copy->origin, origin) == 0);
    }
    return count;
}

/* Regions that a region has fed with an image. */
static guint
replSyncFed(const ReplSync *sync, const char *region, const char *origin)
{
    GHashTableIter iter;
    gpointer value;
    guint count = 0;

    g_hash_table_iter_init(&iter, sync->state->pairs);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ReplSyncPair *pair = value;

        count += strcmp(pair->origin, origin) == 0 && g_strcmp0(pair->from, region) == 0 && pair->done > 0;
    }
    return count;
}

bool
replSyncIsRunning(const ReplSync *sync, const char *origin, const char *region)
{
    guint i;

    for (i = 0; i < sync->running->len; i++) {
        const ReplSyncCopy *copy = g_ptr_array_index(sync->running, i);

        if (strcmp(copy->origin, origin) == 0 && strcmp(copy->to, region) == 0)
            return true;
    }
    return false;
}

/* What one image's tree looks like now: the wishes of the plan about it, and its origin. */
static void
replSyncTreeFill(ReplSyncTree *tree, const ReplPolicyPlan *plan, const virtReplicationImage *origin)
{
    const ReplSync *sync = tree->sync;
    guint root = replSyncTreeNode(tree, origin->region);
    guint i;

    tree->nodes[root].has = true;
    tree->images[root] = origin;
    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);
        g_autofree char *key = NULL;
        guint node;

        if (wish->origin != origin)
            continue;
        node = replSyncTreeNode(tree, wish->region);
        key = g_strdup_printf("%s %s", origin->id, wish->region);
        tree->wishes[node] = wish;
        /* An image that was encrypted on its way is not what others want. */
        tree->nodes[node].has = wish->state == REPL_WISH_THERE && strcmp(wish->rule->encryption, "keep") == 0;
        tree->images[node] = wish->replica;
        tree->nodes[node].wanted = wish->state == REPL_WISH_MISSING &&
                                   !g_hash_table_contains(sync->refused, key) &&
                                   !replSyncIsRunning(sync, origin->id, wish->region);
    }
    for (i = 0; i < tree->names->len; i++) {
        const char *name = g_ptr_array_index(tree->names, i);

        tree->nodes[i].children =
            replSyncFed(sync, name, origin->id) + replSyncSending(sync, name, origin->id);
        tree->nodes[i].busy = replSyncSending(sync, name, origin->id) > 0 ||
                              replSyncSending(sync, name, NULL) >= sync->policy->parallel;
    }
}

static bool
replSyncParams(const ReplSync *sync, const ReplWish *wish, virTypedParameterPtr *list, int *count)
{
    const char *how = wish->rule->encryption;
    bool word = g_strv_contains((const char *const[]){"keep", "none", "default", NULL}, how);
    g_autofree char *token = g_strdup_printf("sync %s %s %s", wish->origin->id, wish->target->poolUUID, how);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, token, -1);
    int max = 0;

    if (virTypedParamsAddString(list, count, &max, VIRT_REPLICATION_COPY_TOKEN, digest) < 0 ||
        virTypedParamsAddString(list, count, &max,
                                word ? VIRT_REPLICATION_COPY_ENCRYPTION : VIRT_REPLICATION_COPY_KEY, how) < 0)
        return false;
    return sync->rate == 0 ||
           virTypedParamsAddULLong(list, count, &max, VIRT_REPLICATION_COPY_BANDWIDTH, sync->rate) == 0;
}

/* NULL on error, which is the library's. */
static virStorageVolPtr
replSyncRequest(const ReplSync *sync, const ReplWish *wish, const virtReplicationImage *source)
{
    g_autoptr(virStorageVol) vol = virtReplicationImageGetVolume(sync->client->conn, source);
    g_autoptr(virStoragePool) pool =
        virStoragePoolLookupByUUIDString(sync->client->conn, wish->target->poolUUID);
    virTypedParameterPtr params = NULL;
    virStorageVolPtr replica = NULL;
    int count = 0;

    if (vol && pool && replSyncParams(sync, wish, &params, &count))
        replica = virtReplicationCopy(vol, pool, params, count, VIRT_REPLICATION_COPY_ASYNC);
    virTypedParamsFree(params, count);
    return replica;
}

static void
replSyncStart(ReplSync *sync, const ReplWish *wish, const virtReplicationImage *source)
{
    ReplSyncCopy *copy;
    virStorageVolPtr replica;

    if (sync->options->dryRun) {
        replClientSay(sync->client, _("would copy %s to %s, from %s"), wish->origin->name, wish->region,
                      source->region);
        replSyncReportAdd(sync->report->copies, wish->origin->name, wish->region, source->region);
        return;
    }
    if (!(replica = replSyncRequest(sync, wish, source))) {
        g_autofree char *what = g_strdup_printf("%s, %s", wish->origin->name, wish->region);

        replClientFailWith(what,
                           virtReplicationGetLastError() ? virtReplicationGetLastError() : virGetLastError());
        g_hash_table_add(sync->refused, g_strdup_printf("%s %s", wish->origin->id, wish->region));
        return;
    }
    copy = g_new0(ReplSyncCopy, 1);
    copy->origin = g_strdup(wish->origin->id);
    copy->name = g_strdup(wish->origin->name);
    copy->from = g_strdup(source->region);
    copy->to = g_strdup(wish->region);
    copy->replica = replica;
    g_ptr_array_add(sync->running, copy);
    replClientSay(sync->client, _("copying %s to %s, from %s"), copy->name, copy->to, copy->from);
}

static void
replSyncBeginImage(ReplSync *sync, const ReplPolicyPlan *plan, const virtReplicationImage *origin)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    guint most = plan->wishes->len + 1;
    g_autofree ReplTreeNode *nodes = g_new0(ReplTreeNode, most);
    g_autofree const ReplWish **wishes = g_new0(const ReplWish *, most);
    g_autofree const virtReplicationImage **images = g_new0(const virtReplicationImage *, most);
    ReplSyncTree tree = {sync, names, nodes, wishes, images};
    g_autoptr(GArray) edges = NULL;
    guint i;

    replSyncTreeFill(&tree, plan, origin);
    /* A dry run shows the whole tree: what is copied is there at once. */
    do {
        g_clear_pointer(&edges, g_array_unref);
        edges = replTreeNext(nodes, names->len, sync->policy->fanout, replSyncDistance, &tree);
        for (i = 0; i < edges->len; i++) {
            const ReplTreeEdge *edge = &g_array_index(edges, ReplTreeEdge, i);

            if (sync->options->dryRun) {
                nodes[edge->from].busy = false;
                nodes[edge->to].has = strcmp(wishes[edge->to]->rule->encryption, "keep") == 0;
            }
            replSyncStart(sync, wishes[edge->to], images[edge->from] ? images[edge->from] : origin);
        }
    } while (sync->options->dryRun && edges->len > 0);
}

void
replSyncCopyBegin(ReplSync *sync, const ReplPolicyPlan *plan)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    guint i;

    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);

        if (wish->state == REPL_WISH_MISSING && g_hash_table_add(seen, (gpointer)wish->origin))
            replSyncBeginImage(sync, plan, wish->origin);
    }
}

/* The region that a replica on its way comes from; the rule's own when that is not known. */
static const char *
replSyncCameFrom(virtReplicationRegion *const *regions, const ReplWish *wish)
{
    size_t i, j;

    if (wish->replica->sourceRegion)
        return wish->replica->sourceRegion;
    for (i = 0; regions[i]; i++) {
        for (j = 0; j < regions[i]->nimages; j++) {
            if (g_strcmp0(regions[i]->images[j]->id, wish->replica->sourceID) == 0)
                return regions[i]->name;
        }
    }
    return wish->rule->from;
}

void
replSyncCopyAdopt(ReplSync *sync, virtReplicationRegion *const *regions, const ReplPolicyPlan *plan)
{
    guint i;

    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);
        g_autoptr(virStorageVol) vol = NULL;
        g_autoptr(virtReplicationJob) job = NULL;
        ReplSyncCopy *copy;

        if (wish->state != REPL_WISH_COMING || replSyncIsRunning(sync, wish->origin->id, wish->region))
            continue;
        vol = virtReplicationImageGetVolume(sync->client->conn, wish->replica);
        job = vol ? virtReplicationJobGet(vol) : NULL;
        if (!job || job->state == VIRT_REPLICATION_JOB_PAUSED || job->state == VIRT_REPLICATION_JOB_PLANNED)
            continue; /* somebody else has to let it go on */
        copy = g_new0(ReplSyncCopy, 1);
        copy->origin = g_strdup(wish->origin->id);
        copy->name = g_strdup(wish->origin->name);
        copy->from = g_strdup(replSyncCameFrom(regions, wish));
        copy->to = g_strdup(wish->region);
        copy->replica = g_steal_pointer(&vol);
        g_ptr_array_add(sync->running, copy);
    }
}

/* What a finished copy tells: how fast the way is. */
static void
replSyncMeasure(ReplSync *sync, const ReplSyncCopy *copy, const virtReplicationJob *job)
{
    double seconds = (double)MAX(job->ended - job->started, 1);
    double rate = (double)job->total / seconds;

    if (job->total < (1 << 20))
        return; /* too little to tell */
    g_hash_table_insert(sync->state->rates, g_strdup_printf("%s %s", copy->from, copy->to),
                        g_memdup2(&rate, sizeof(rate)));
}

static void
replSyncEnded(ReplSync *sync, const ReplSyncCopy *copy, const virtReplicationJob *job)
{
    ReplSyncPair *pair = replSyncStatePair(sync->state, copy->origin, copy->to, true);

    if (job && job->state == VIRT_REPLICATION_JOB_COMPLETED) {
        g_free(pair->from);
        pair->from = g_strdup(copy->from);
        replSyncMeasure(sync, copy, job);
        replSyncReportAdd(sync->report->copies, copy->name, copy->to, copy->from);
        return;
    }
    replClientError(_("%s, %s: %s"), copy->name, copy->to,
                    job && job->error ? job->error : _("the job was cancelled"));
    g_hash_table_add(sync->refused, g_strdup_printf("%s %s", copy->origin, copy->to));
}

guint
replSyncCopyLook(ReplSync *sync)
{
    guint ended = 0;
    guint i = 0;

    while (i < sync->running->len) {
        ReplSyncCopy *copy = g_ptr_array_index(sync->running, i);
        g_autoptr(virtReplicationJob) job = virtReplicationJobGet(copy->replica);

        /* A daemon that is away for a moment is no end: only a replica that is gone is. */
        if (job ? !virtReplicationJobStateIsEnded(job->state)
                : virtReplicationGetLastError()->code != VIR_ERR_NO_STORAGE_VOL) {
            i++;
            continue;
        }
        replSyncEnded(sync, copy, job);
        g_ptr_array_remove_index_fast(sync->running, i);
        ended++;
    }
    return ended;
}

void
replSyncCopyPause(ReplSync *sync)
{
    guint i;

    for (i = 0; i < sync->running->len; i++) {
        ReplSyncCopy *copy = g_ptr_array_index(sync->running, i);

        if (virtReplicationJobPause(copy->replica) == 0)
            replSyncStatePair(sync->state, copy->origin, copy->to, true)->paused = true;
    }
}

void
replSyncCopyResume(ReplSync *sync, const ReplPolicyPlan *plan)
{
    guint i;

    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);
        ReplSyncPair *pair = replSyncStatePair(sync->state, wish->origin->id, wish->region, false);
        g_autoptr(virStorageVol) vol = NULL;

        if (wish->state != REPL_WISH_COMING || !pair || !pair->paused || sync->options->dryRun)
            continue;
        if ((vol = virtReplicationImageGetVolume(sync->client->conn, wish->replica)) &&
            virtReplicationJobResume(vol) == 0)
            pair->paused = false;
    }
}
