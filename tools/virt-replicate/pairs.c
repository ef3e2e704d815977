/*
 * pairs.c: images and the regions that they are copied to, from the command line to jobs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "pairs.h"

#include <string.h>

#include "copyopts.h"
#include "target.h"

/* An image to copy: a volume that can be read, or one that is shared with our project, by its id.
 */
typedef struct {
    virStorageVolPtr vol;
    char *id;
    char *name;
    char *project;
} ReplPairsSource;

static void
replPairsSourceFree(gpointer data)
{
    ReplPairsSource *source = data;

    if (source->vol)
        virStorageVolFree(source->vol);
    g_free(source->id);
    g_free(source->name);
    g_free(source->project);
    g_free(source);
}

void
replPairsClear(ReplPairs *pairs)
{
    size_t i;

    for (i = 0; i < pairs->count; i++) {
        ReplPair *pair = &pairs->list[i];

        g_free(pair->label);
        g_free(pair->name);
        g_free(pair->region);
        g_free(pair->pool);
        if (pair->replica)
            virStorageVolFree(pair->replica);
        virFreeError(pair->error);
        virtReplicationJobFree(pair->job);
    }
    g_free(pairs->list);
    pairs->list = NULL;
    pairs->count = 0;
}

/* An image that another project shares with one of ours: by name, or the beginning of its id. */
static const virtReplicationOffer *
replPairsOffer(virtReplicationRegion *const *regions, const char *word)
{
    size_t i, j;

    for (i = 0; regions[i]; i++) {
        for (j = 0; j < regions[i]->noffers; j++) {
            const virtReplicationOffer *offer = &regions[i]->offers[j];

            if (strcmp(offer->name, word) == 0 ||
                (strlen(word) >= 4 && g_ascii_strncasecmp(offer->image, word, strlen(word)) == 0))
                return offer;
        }
    }
    return NULL;
}

static ReplPairsSource *
replPairsSource(ReplClient *client, virtReplicationRegion *const *regions, const char *word)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, word);
    g_autoptr(virtReplicationImage) image = vol ? virtReplicationImageGet(vol, 0) : NULL;
    const virtReplicationOffer *offer = vol ? NULL : replPairsOffer(regions, word);
    ReplPairsSource *source;

    if (!image && !offer) {
        replClientFail();
        return NULL;
    }
    source = g_new0(ReplPairsSource, 1);
    source->vol = g_steal_pointer(&vol);
    source->id = g_strdup(offer ? offer->image : image->id);
    source->name = g_strdup(offer ? offer->name : image->name);
    source->project = offer ? NULL : g_strdup(image->project);
    return source;
}

static void
replPairsAdd(ReplClient *client, GArray *list, const ReplPairsSource *source,
             const virtReplicationRegion *target, virStorageVolPtr replica, virErrorPtr error)
{
    ReplPair pair = {
        .label = g_strdup_printf("%s %s %s", source->name, client->out.utf8 ? "→" : "->", target->name),
        .name = g_strdup(source->name),
        .region = g_strdup(target->name),
        .pool = g_strdup(target->pool),
        .replica = replica,
        .error = error,
        .job = replica ? virtReplicationJobGet(replica) : NULL,
        .quota = target->quota,
        .usage = target->usage,
    };

    g_array_append_val(list, pair);
}

/* An image that is shared with us has no volume that can be named. */
static void
replPairsPlanByID(ReplClient *client, GArray *list, const ReplPairsSource *source, const GPtrArray *targets,
                  virTypedParameterPtr params, int nparams)
{
    guint i;

    for (i = 0; i < targets->len; i++) {
        const virtReplicationRegion *target = g_ptr_array_index(targets, i);
        g_autoptr(virStoragePool) pool = virStoragePoolLookupByUUIDString(client->conn, target->poolUUID);
        virStorageVolPtr replica =
            pool ? virtReplicationCopyByID(source->id, pool, params, nparams, VIRT_REPLICATION_COPY_PLAN)
                 : NULL;
        virErrorPtr error = g_new0(virError, 1);

        if (replica) {
            g_clear_pointer(&error, g_free);
        } else if (pool) {
            error->code = virtReplicationGetLastError()->code;
            error->message = g_strdup(virtReplicationGetLastErrorMessage());
        } else {
            virCopyLastError(error);
        }
        replPairsAdd(client, list, source, target, replica, error);
    }
}

/* All volumes with all targets in one call. Returns false when nothing was tried. */
static bool
replPairsPlanVolumes(ReplClient *client, GArray *list, const GPtrArray *sources, const GPtrArray *targets,
                     virTypedParameterPtr params, int nparams)
{
    g_autofree virStorageVolPtr *vols = g_new0(virStorageVolPtr, sources->len);
    g_autofree virStoragePoolPtr *pools = g_new0(virStoragePoolPtr, targets->len);
    virtReplicationResult *results = NULL;
    size_t i, count = (size_t)sources->len * targets->len;
    bool tried = false;

    for (i = 0; i < sources->len; i++)
        vols[i] = ((ReplPairsSource *)g_ptr_array_index(sources, i))->vol;
    for (i = 0; i < targets->len; i++) {
        const virtReplicationRegion *target = g_ptr_array_index(targets, i);

        if (!(pools[i] = virStoragePoolLookupByUUIDString(client->conn, target->poolUUID))) {
            replClientFailWith(target->pool, virGetLastError());
            goto cleanup;
        }
    }
    if (virtReplicationCopyMany(vols, sources->len, pools, targets->len, params, nparams,
                                VIRT_REPLICATION_COPY_PLAN, &results) < 0) {
        replClientFail();
        goto cleanup;
    }
    for (i = 0; i < count; i++)
        replPairsAdd(client, list, g_ptr_array_index(sources, i / targets->len),
                     g_ptr_array_index(targets, i % targets->len), g_steal_pointer(&results[i].replica),
                     g_steal_pointer(&results[i].error));
    virtReplicationResultsFree(results, count);
    tried = true;
cleanup:
    for (i = 0; i < targets->len; i++) {
        if (pools[i])
            virStoragePoolFree(pools[i]);
    }
    return tried;
}

/* Volumes and shared images apart. */
static bool
replPairsPlanAll(ReplClient *client, GArray *list, const GPtrArray *sources, const GPtrArray *targets)
{
    g_autoptr(GPtrArray) volumes = g_ptr_array_new();
    virTypedParameterPtr params = NULL;
    int nparams = 0;
    bool ok = true;
    guint i;

    if (!replCopyOptParams(client, &params, &nparams))
        return false;
    for (i = 0; i < sources->len; i++) {
        ReplPairsSource *source = g_ptr_array_index(sources, i);

        if (source->vol)
            g_ptr_array_add(volumes, source);
        else
            replPairsPlanByID(client, list, source, targets, params, nparams);
    }
    if (volumes->len > 0)
        ok = replPairsPlanVolumes(client, list, volumes, targets, params, nparams);
    virTypedParamsFree(params, nparams);
    return ok;
}

/* Returns false. */
static bool
replPairsNoTarget(void)
{
    replClientError(_("Where to? Name a region with --to ('virt-replicate regions' lists them)"));
    return false;
}

bool
replPairsPlan(ReplClient *client, char **images, size_t nimages, ReplPairs *pairs)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(replPairsSourceFree);
    g_autoptr(GPtrArray) targets = g_ptr_array_new();
    GArray *list = g_array_new(FALSE, TRUE, sizeof(ReplPair));
    virtReplicationRegion **regions = NULL;
    bool ok = replCopyOptTo && *replCopyOptTo;
    size_t i;

    if (!ok)
        replPairsNoTarget();
    else
        ok = (regions = replTargetRegions(client, 0)) != NULL;
    for (i = 0; ok && i < nimages; i++) {
        ReplPairsSource *source = replPairsSource(client, regions, images[i]);

        ok = source != NULL;
        if (source)
            g_ptr_array_add(sources, source);
    }
    if (ok)
        ok = replTargetFindAll(regions, replCopyOptTo,
                               ((ReplPairsSource *)g_ptr_array_index(sources, 0))->project, targets);
    if (ok && targets->len == 0) /* nothing but commas */
        ok = replPairsNoTarget();
    if (ok)
        ok = replPairsPlanAll(client, list, sources, targets);
    replTargetFreeRegions(regions);
    pairs->count = list->len;
    pairs->list = (ReplPair *)(void *)g_array_free(list, FALSE);
    return ok;
}

static bool
replPairsIsPlanned(const ReplPair *pair)
{
    return pair->replica && pair->job && pair->job->state == VIRT_REPLICATION_JOB_PLANNED;
}

void
replPairsForget(const ReplPairs *pairs)
{
    size_t i;

    for (i = 0; i < pairs->count; i++) {
        if (replPairsIsPlanned(&pairs->list[i]) && virtReplicationJobCancel(pairs->list[i].replica) < 0)
            replClientFailWith(pairs->list[i].label, virtReplicationGetLastError());
    }
}

static void
replPairsStartOne(ReplPair *pair)
{
    if (!replPairsIsPlanned(pair) || virtReplicationJobStart(pair->replica) == 0)
        return;
    pair->error = g_new0(virError, 1);
    pair->error->code = virtReplicationGetLastError()->code;
    pair->error->message = g_strdup(virtReplicationGetLastErrorMessage());
    virtReplicationJobCancel(pair->replica);
    virStorageVolFree(g_steal_pointer(&pair->replica));
}

size_t
replPairsStart(ReplPairs *pairs)
{
    size_t refused = 0;
    size_t i;

    for (i = 0; i < pairs->count; i++) {
        replPairsStartOne(&pairs->list[i]);
        refused += !pairs->list[i].replica;
    }
    return refused;
}

size_t
replPairsErrors(const ReplPairs *pairs)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < pairs->count; i++) {
        if (!pairs->list[i].error)
            continue;
        replClientFailWith(pairs->list[i].label, pairs->list[i].error);
        count++;
    }
    return count;
}
