/*
 * prepare.c: opens, locks and plans from what is there now
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/prepare.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/layers.h"
#include "copy/clone.h"
#include "image/share.h"
#include "image/view.h"
#include "job/pins.h"
#include "probe/graph.h"
#include "probe/present.h"
#include "replicate/keys.h"
#include "service/claims.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/record.h"
#include "virt/report.h"

static int
replPrepareOpenPool(const char *uuidstr, ReplPoolSet *set, ReplRegion **region, const ReplPoolDir **dir,
                    GError **err)
{
    if (!(*region = replRegionOfUuidString(uuidstr))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("There is no region pool with UUID '%s' any more"),
                     uuidstr);
        return -1;
    }
    if (!(*dir = replPoolSetFindUuid(set, uuidstr))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), (*region)->name);
        return -1;
    }
    return 0;
}

static int
replPrepareOpen(ReplReplication *replication, ReplPrepared *prepared, GError **err)
{
    ReplConvertLimits limits;

    prepared->set = replRegionsSet();
    if (replPrepareOpenPool(replication->sourceUuidstr, prepared->set, &prepared->source,
                            &prepared->sourceDir, err) < 0 ||
        replPrepareOpenPool(replication->targetUuidstr, prepared->set, &prepared->target,
                            &prepared->targetDir, err) < 0)
        return -1;
    if (!(prepared->staging = replRegionStaging(prepared->target, TRUE, err)))
        return -1;
    prepared->chain =
        replChainOpen(prepared->set, prepared->sourceDir, replication->record->sourceVolume, err);
    if (!prepared->chain || replChainLock(prepared->chain, err) < 0)
        return -1;
    limits = replPreparedLimits();
    return replConvertLook(prepared->chain, &limits, err);
}

/* --- what the target has already --- */

typedef struct {
    ReplReplication *replication;
    ReplPrepared *prepared;
    gboolean quick;
    ReplJob *job; /* may stop the search; NULL: nobody can */
} ReplPrepareAsk;

static ReplImage *
replPrepareAskRecord(void *opaque, const char *volume)
{
    ReplPrepareAsk *ask = opaque;

    return replRecordLoad(ask->prepared->staging, volume, NULL);
}

static gboolean
replPrepareAskUsable(void *opaque, const char *volume)
{
    ReplPrepareAsk *ask = opaque;
    g_autoptr(ReplJob) job = replMakersFind(ask->replication->targetUuidstr, volume, NULL);

    return !job;
}

static int
replPrepareAskProceed(void *opaque, guint64 bytes, GError **err)
{
    ReplPrepareAsk *ask = opaque;

    (void)bytes;
    if (ask->quick) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "quick");
        return -1;
    }
    return ask->job ? replJobCheck(ask->job, err) : 0;
}

/* Finds each layer but the image in the target, from the base up. */
static int
replPrepareFindPresent(ReplPrepareAsk *asker, GError **err)
{
    const ReplPresentAsk ask = {replPrepareAskRecord, replPrepareAskUsable, replPrepareAskProceed, asker};
    ReplPrepared *prepared = asker->prepared;
    guint count = prepared->chain->layers->len;
    const char *below = NULL;
    guint i;

    prepared->presentAs = g_ptr_array_new_full(count, g_free);
    g_ptr_array_set_size(prepared->presentAs, count);
    g_array_set_size(prepared->presentWas, count);
    for (i = count; i-- > 1;) {
        g_autoptr(GError) why = NULL;
        char *volume = NULL;
        int rc = replPresentFind(prepared->chain, i, prepared->targetDir, below, &ask, &volume,
                                 &g_array_index(prepared->presentWas, ReplFileIdentity, i), &why);

        if (rc < 0 && !asker->quick) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        if (rc <= 0)
            return 0;
        below = prepared->presentAs->pdata[i] = volume;
    }
    return 0;
}

/* --- facts and plan --- */

/* Names that are taken by others: the placeholders of this very job are its own. */
static char **
replPrepareTaken(const ReplReplication *replication, const ReplPrepared *prepared, GError **err)
{
    g_auto(GStrv) all = replPoolDirTaken(prepared->targetDir, err);
    GPtrArray *taken;
    guint i, k;

    if (!all)
        return NULL;
    taken = g_ptr_array_new();
    for (i = 0; all[i]; i++) {
        gboolean own = replication->listed && g_str_equal(all[i], replication->replica);

        for (k = 0; !own && k < replication->record->layers->len; k++) {
            const ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, k);

            own = layer->placeholder && !layer->published && g_str_equal(all[i], layer->volume);
        }
        if (!own)
            g_ptr_array_add(taken, g_strdup(all[i]));
    }
    g_ptr_array_add(taken, NULL);
    return (char **)g_ptr_array_free(taken, FALSE);
}

static void
replPreparePresentIsImage(const ReplPrepared *prepared, const ReplGraph *graph, gboolean *isImage)
{
    guint i;

    for (i = 0; i < prepared->presentAs->len; i++) {
        const char *volume = g_ptr_array_index(prepared->presentAs, i);
        g_autoptr(GPtrArray) overlays = NULL;

        if (!volume)
            continue;
        overlays = replGraphDependents(graph, prepared->targetDir, volume);
        isImage[i] = overlays->len == 0;
    }
}

static gboolean
replPrepareCanClone(const ReplPrepared *prepared)
{
    return replCopyCanClone(prepared->sourceDir->dirFd, prepared->targetDir->dirFd);
}

/* What partial files of an earlier attempt hold already. */
static guint64
replPreparePartials(const ReplReplication *replication, const ReplPrepared *prepared)
{
    guint64 bytes = 0;
    struct stat st;
    guint i;

    for (i = 0; i < prepared->chain->layers->len; i++) {
        g_autofree char *name = g_strdup_printf("%s.%u", replication->id, i);

        if (fstatat(replStagingFd(prepared->staging, REPL_STAGING_PARTIAL), name, &st, AT_SYMLINK_NOFOLLOW) ==
            0)
            bytes += st.st_blocks * G_GUINT64_CONSTANT(512);
    }
    return bytes;
}

/* What was plain and the owner's own when it was shared must still be so. */
static int
replPrepareCheckShare(const ReplPrepared *prepared, GError **err)
{
    const char *owner = prepared->source->label->project;

    if (g_str_equal(owner, prepared->target->label->project))
        return 0;
    return replShareCheckChain(prepared->chain, owner, err);
}

static int
replPreparePlan(ReplReplication *replication, ReplPrepared *prepared, const ReplJob *job, gboolean quick,
                GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplConvertLimits limits = replPreparedLimits();
    g_autoptr(ReplGraph) graph = replGraphScan(replServiceCache(), prepared->set, prepared->targetDir, err);
    g_autofree gboolean *isImage = g_new0(gboolean, prepared->chain->layers->len);
    g_autofree ReplPlanLayer *layers = NULL;
    g_auto(GStrv) taken = NULL;
    g_autoptr(ReplImage) image = NULL;
    g_auto(ReplRefusal) refusal = {0};
    gboolean canClone = replPrepareCanClone(prepared);
    ReplPlanFacts facts = {0};
    guint i;

    if (!graph || !(taken = replPrepareTaken(replication, prepared, err)) ||
        !(image = replViewImage(prepared->source, replication->record->sourceVolume, err)))
        return -1;
    replPreparePresentIsImage(prepared, graph, isImage);
    layers = replConvertLayersNew(prepared->chain);
    for (i = 0; i < prepared->chain->layers->len; i++) {
        layers[i].canClone = canClone;
        layers[i].presentAs = g_ptr_array_index(prepared->presentAs, i);
        layers[i].presentIsImage = isImage[i];
    }
    if (replConvertFacts(prepared->chain, replication->record->request, &limits, layers, err) < 0)
        return -1;
    prepared->sourceIsFast = image->fastCreate;
    facts.request = replication->record->request;
    facts.source = (ReplPlanEnd){prepared->source->name, replication->sourceUuidstr, prepared->source->label};
    facts.volume = replication->record->sourceVolume;
    facts.image = image;
    facts.layers = layers;
    facts.layerCount = prepared->chain->layers->len;
    facts.target = (ReplPlanEnd){prepared->target->name, replication->targetUuidstr, prepared->target->label};
    facts.taken = (const char *const *)taken;
    facts.usage = replGraphUsage(graph, prepared->targetDir);
    replMakersCorrectUsage(replication->targetUuidstr, job, TRUE, &facts.usage);
    facts.partial_bytes = replPreparePartials(replication, prepared);
    facts.begun = facts.partial_bytes > 0;
    facts.placeholder = replication->listed ? replication->replica : NULL;
    facts.inRegionMax_bytes = config->maxSize_bytes;
    facts.inRegionSupported = TRUE;
    facts.canConvert = TRUE;
    if (replPoolDirFree(prepared->targetDir, &facts.free_bytes, err) < 0)
        return -1;
    if ((prepared->plan = replPlanMake(&facts, &refusal)))
        return facts.begun ? 0 : replPrepareCheckShare(prepared, err);
    /* What only reading tells may be there already: look closely before a shortage is reported. */
    if (quick && refusal.kind >= REPL_REFUSE_QUOTA_IMAGES)
        return 1;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

ReplPrepared *
replPrepare(ReplReplication *replication, ReplJob *job, gboolean *busy, GError **err)
{
    g_autoptr(ReplPrepared) prepared = replPreparedNew();
    ReplPrepareAsk ask = {replication, prepared, job == NULL, job};
    int rc;

    if (replPrepareOpen(replication, prepared, err) < 0)
        return NULL;
    /* What others are copying now must be there before the plan is made. */
    if (job && !replClaimsTake(job, replication->targetUuidstr, prepared->chain)) {
        *busy = TRUE;
        return NULL;
    }
    if (replPrepareFindPresent(&ask, err) < 0 ||
        (rc = replPreparePlan(replication, prepared, job, ask.quick, err)) < 0)
        return NULL;
    if (rc > 0) {
        ask.quick = FALSE;
        g_clear_pointer(&prepared->presentAs, g_ptr_array_unref);
        if (replPrepareFindPresent(&ask, err) < 0 ||
            replPreparePlan(replication, prepared, job, FALSE, err) < 0)
            return NULL;
    }
    /* The first plan tries the keys, so that a wrong one is known before anything is written. */
    if (replKeysLoad(replication, prepared, job == NULL, err) < 0)
        return NULL;
    return g_steal_pointer(&prepared);
}
