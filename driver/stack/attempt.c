/*
 * attempt.c: one try at a job: opened, locked and planned from what is there now
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "copy/copy.h"
#include "job/pins.h"
#include "probe/graph.h"
#include "probe/present.h"
#include "stack/claims.h"
#include "stack/keys.h"
#include "stack/report.h"
#include "stack/service.h"
#include "stack/view.h"
#include "stack/work.h"
#include "store/record.h"

void
replAttemptFree(ReplAttempt *attempt)
{
    guint i;

    if (!attempt)
        return;
    for (i = 0; i < attempt->held->len; i++)
        replFdClose(g_array_index(attempt->held, int, i));
    g_array_unref(attempt->held);
    g_array_unref(attempt->presentWas);
    g_clear_pointer(&attempt->sourceSecrets, g_ptr_array_unref);
    g_clear_pointer(&attempt->sourceKeys, g_ptr_array_unref);
    g_clear_pointer(&attempt->sourceUuids, g_ptr_array_unref);
    replSecretBufFree(attempt->secret);
    g_free(attempt->secretUuid);
    replPlanFree(attempt->plan);
    g_clear_pointer(&attempt->presentAs, g_ptr_array_unref);
    replChainFree(attempt->chain);
    if (attempt->staging)
        replStagingUnref(attempt->staging);
    g_clear_pointer(&attempt->set, replPoolSetFree);
    replRegionFree(attempt->target);
    replRegionFree(attempt->source);
    g_free(attempt);
}

static int
replAttemptOpenPool(const char *uuidstr, ReplPoolSet *set, ReplRegion **region,
                    const ReplPoolDir **dir, GError **err)
{
    if (!(*region = replRegionOfUuidString(uuidstr))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("There is no region pool with UUID '%s' any more"), uuidstr);
        return -1;
    }
    if (!(*dir = replPoolSetFindUuid(set, uuidstr))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     (*region)->name);
        return -1;
    }
    return 0;
}

ReplConvertLimits
replAttemptLimits(void)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    return (ReplConvertLimits){config->helperTime_s, config->helperMemory_bytes};
}

static int
replAttemptOpen(ReplWork *work, ReplAttempt *attempt, GError **err)
{
    ReplConvertLimits limits;

    attempt->set = replRegionsSet();
    if (replAttemptOpenPool(work->sourceUuidstr, attempt->set, &attempt->source,
                            &attempt->sourceDir, err) < 0 ||
        replAttemptOpenPool(work->targetUuidstr, attempt->set, &attempt->target,
                            &attempt->targetDir, err) < 0)
        return -1;
    if (!(attempt->staging = replRegionStaging(attempt->target, TRUE, err)))
        return -1;
    attempt->chain = replChainOpen(attempt->set, attempt->sourceDir, work->record->sourceVolume, err);
    if (!attempt->chain || replChainLock(attempt->chain, err) < 0)
        return -1;
    limits = replAttemptLimits();
    return replConvertLook(attempt->chain, &limits, err);
}

/* --- what the target has already --- */

typedef struct {
    ReplWork *work;
    ReplAttempt *attempt;
    gboolean quick;
    ReplJob *job; /* may stop the search; NULL: nobody can */
} ReplAttemptAsk;

static ReplImage *
replAttemptAskRecord(void *opaque, const char *volume)
{
    ReplAttemptAsk *ask = opaque;

    return replRecordLoad(ask->attempt->staging, volume, NULL);
}

static gboolean
replAttemptAskUsable(void *opaque, const char *volume)
{
    ReplAttemptAsk *ask = opaque;
    g_autoptr(ReplJob) job = replServiceFindJob(ask->work->targetUuidstr, volume);

    return !job;
}

static int
replAttemptAskProceed(void *opaque, guint64 bytes, GError **err)
{
    ReplAttemptAsk *ask = opaque;

    (void)bytes;
    if (ask->quick) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "quick");
        return -1;
    }
    return ask->job ? replJobCheck(ask->job, err) : 0;
}

/* Finds each layer but the image in the target, from the base up. */
static int
replAttemptFindPresent(ReplAttemptAsk *asker, GError **err)
{
    const ReplPresentAsk ask = {replAttemptAskRecord, replAttemptAskUsable, replAttemptAskProceed,
                                asker};
    ReplAttempt *attempt = asker->attempt;
    guint count = attempt->chain->layers->len;
    const char *below = NULL;
    guint i;

    attempt->presentAs = g_ptr_array_new_full(count, g_free);
    g_ptr_array_set_size(attempt->presentAs, count);
    g_array_set_size(attempt->presentWas, count);
    for (i = count; i-- > 1;) {
        g_autoptr(GError) why = NULL;
        char *volume = NULL;
        int rc = replPresentFind(attempt->chain, i, attempt->targetDir, below, &ask, &volume,
                                 &g_array_index(attempt->presentWas, ReplFileIdentity, i), &why);

        if (rc < 0 && !asker->quick) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        if (rc <= 0)
            return 0;
        below = attempt->presentAs->pdata[i] = volume;
    }
    return 0;
}

/* --- facts and plan --- */

/* Names that are taken by others: the placeholders of this very job are its own. */
static char **
replAttemptTaken(const ReplWork *work, const ReplAttempt *attempt, GError **err)
{
    g_auto(GStrv) all = replPoolDirTaken(attempt->targetDir, err);
    GPtrArray *taken;
    guint i, k;

    if (!all)
        return NULL;
    taken = g_ptr_array_new();
    for (i = 0; all[i]; i++) {
        gboolean own = work->listed && g_str_equal(all[i], work->replica);

        for (k = 0; !own && k < work->record->layers->len; k++) {
            const ReplJobLayer *layer = g_ptr_array_index(work->record->layers, k);

            own = layer->placeholder && !layer->published && g_str_equal(all[i], layer->volume);
        }
        if (!own)
            g_ptr_array_add(taken, g_strdup(all[i]));
    }
    g_ptr_array_add(taken, NULL);
    return (char **)g_ptr_array_free(taken, FALSE);
}

static void
replAttemptPresentIsImage(const ReplAttempt *attempt, const ReplGraph *graph, gboolean *isImage)
{
    guint i;

    for (i = 0; i < attempt->presentAs->len; i++) {
        const char *volume = g_ptr_array_index(attempt->presentAs, i);
        g_autoptr(GPtrArray) overlays = NULL;

        if (!volume)
            continue;
        overlays = replGraphDependents(graph, attempt->targetDir, volume);
        isImage[i] = overlays->len == 0;
    }
}

static gboolean
replAttemptCanClone(const ReplAttempt *attempt)
{
    return replCopyCanClone(attempt->sourceDir->dirFd, attempt->targetDir->dirFd);
}

/* What partial files of an earlier attempt hold already. */
static guint64
replAttemptPartials(const ReplWork *work, const ReplAttempt *attempt)
{
    guint64 bytes = 0;
    struct stat st;
    guint i;

    for (i = 0; i < attempt->chain->layers->len; i++) {
        g_autofree char *name = g_strdup_printf("%s.%u", work->id, i);

        if (fstatat(replStagingFd(attempt->staging, REPL_STAGING_PARTIAL), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += st.st_blocks * G_GUINT64_CONSTANT(512);
    }
    return bytes;
}

static int
replAttemptPlan(ReplWork *work, ReplAttempt *attempt, const ReplJob *job, gboolean quick,
                GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplConvertLimits limits = replAttemptLimits();
    g_autoptr(ReplGraph) graph = replGraphScan(replServiceCache(), attempt->set, attempt->targetDir, err);
    g_autofree gboolean *isImage = g_new0(gboolean, attempt->chain->layers->len);
    g_autofree ReplPlanLayer *layers = NULL;
    g_auto(GStrv) taken = NULL;
    g_autoptr(ReplImage) image = NULL;
    g_auto(ReplRefusal) refusal = {0};
    ReplPlanFacts facts = {0};

    if (!graph || !(taken = replAttemptTaken(work, attempt, err)) ||
        !(image = replViewImage(attempt->source, work->record->sourceVolume, err)))
        return -1;
    replAttemptPresentIsImage(attempt, graph, isImage);
    layers = replPlanLayersNew(attempt->chain, (char *const *)attempt->presentAs->pdata, isImage,
                               replAttemptCanClone(attempt));
    if (replConvertFacts(attempt->chain, work->record->request, &limits, layers, err) < 0)
        return -1;
    attempt->sourceIsFast = image->fastCreate;
    facts.request = work->record->request;
    facts.source = (ReplPlanEnd){attempt->source->name, work->sourceUuidstr, attempt->source->label};
    facts.volume = work->record->sourceVolume;
    facts.image = image;
    facts.layers = layers;
    facts.layerCount = attempt->chain->layers->len;
    facts.target = (ReplPlanEnd){attempt->target->name, work->targetUuidstr, attempt->target->label};
    facts.taken = (const char *const *)taken;
    facts.usage = replGraphUsage(graph, attempt->targetDir);
    replWorkCorrectUsage(work->targetUuidstr, job, TRUE, &facts.usage);
    facts.partial_bytes = replAttemptPartials(work, attempt);
    facts.placeholder = work->listed ? work->replica : NULL;
    facts.inRegionMax_bytes = config->maxSize_bytes;
    facts.inRegionSupported = TRUE;
    facts.canConvert = TRUE;
    if (replPoolDirFree(attempt->targetDir, &facts.free_bytes, err) < 0)
        return -1;
    if ((attempt->plan = replPlanMake(&facts, &refusal)))
        return 0;
    /* What only reading tells may be there already: look closely before a shortage is reported. */
    if (quick && refusal.kind >= REPL_REFUSE_QUOTA_IMAGES)
        return 1;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

ReplAttempt *
replAttemptNew(ReplWork *work, ReplJob *job, gboolean *busy, GError **err)
{
    g_autoptr(ReplAttempt) attempt = g_new0(ReplAttempt, 1);
    ReplAttemptAsk ask = {work, attempt, job == NULL, job};
    int rc;

    attempt->held = g_array_new(FALSE, FALSE, sizeof(int));
    attempt->presentWas = g_array_new(FALSE, TRUE, sizeof(ReplFileIdentity));
    if (replAttemptOpen(work, attempt, err) < 0)
        return NULL;
    /* What others are copying now must be there before the plan is made. */
    if (job && !replClaimsTake(job, work->targetUuidstr, attempt->chain)) {
        *busy = TRUE;
        return NULL;
    }
    if (replAttemptFindPresent(&ask, err) < 0 ||
        (rc = replAttemptPlan(work, attempt, job, ask.quick, err)) < 0)
        return NULL;
    if (rc > 0) {
        ask.quick = FALSE;
        g_clear_pointer(&attempt->presentAs, g_ptr_array_unref);
        if (replAttemptFindPresent(&ask, err) < 0 || replAttemptPlan(work, attempt, job, FALSE, err) < 0)
            return NULL;
    }
    /* The first plan tries the keys, so that a wrong one is known before anything is written. */
    if (replKeysLoad(work, attempt, job == NULL, err) < 0)
        return NULL;
    return g_steal_pointer(&attempt);
}

GPtrArray *
replAttemptSteps(const ReplAttempt *attempt)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    guint i;

    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);

        ReplStep *shown = replStepNew(replChainLayer(attempt->chain, step->layer)->volume, step->volume,
                                      step->action, step->bytes);

        if (step->action == REPL_STEP_CONVERT) {
            shown->snapshotsLost = step->convert.snapshotsLost;
            shown->bitmapsLost = step->convert.bitmapsLost;
        }
        g_ptr_array_add(steps, shown);
    }
    return steps;
}

/* --- the plan goes into the record --- */

/* What an earlier attempt wrote of a source that has not changed since is still good. */
static void
replAttemptKeepDone(ReplJobLayer *layer, const GPtrArray *earlier)
{
    guint i;

    for (i = 0; i < earlier->len; i++) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);

        if (!g_str_equal(old->sourceVolume, layer->sourceVolume) ||
            !g_str_equal(old->sourcePoolUuid, layer->sourcePoolUuid))
            continue;
        layer->placeholder = old->placeholder && g_str_equal(old->volume, layer->volume);
        if (old->action == layer->action && replFileIdentityEqual(&old->source, &layer->source)) {
            layer->done = old->done;
            layer->checkpoint_bytes = old->checkpoint_bytes;
        }
        return;
    }
}

/* Placeholders of the earlier plan that this one has no use for. */
static void
replAttemptDropUnused(const ReplAttempt *attempt, const GPtrArray *earlier, const GPtrArray *layers)
{
    guint i, k;

    for (i = 0; i < earlier->len; i++) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);
        gboolean used = !old->placeholder || old->published;

        for (k = 0; !used && k < layers->len; k++) {
            const ReplJobLayer *layer = g_ptr_array_index(layers, k);

            used = layer->placeholder && g_str_equal(layer->volume, old->volume);
        }
        if (!used)
            replPublishRemove(attempt->target, old->volume, FALSE);
    }
}

static void
replAttemptPin(const ReplWork *work, const ReplAttempt *attempt)
{
    ReplPins *pins = replServicePins();
    guint i;

    for (i = 0; i < attempt->chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(attempt->chain, i);

        replPinsAdd(pins, layer->pool->uuid, layer->pool->name, layer->volume, work->id,
                    i == 0 ? REPL_PIN_SOURCE : REPL_PIN_BASE,
                    i == 0 ? NULL : replChainLayer(attempt->chain, 0)->volume);
    }
    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);
        ReplPinKind kind = step->action == REPL_STEP_REUSE ? REPL_PIN_REUSE : REPL_PIN_LAYER;

        if (step->layer == 0)
            replPinsAdd(pins, work->targetUuidstr, attempt->target->name, step->volume, work->id,
                        REPL_PIN_TARGET, NULL);
        else
            replPinsAdd(pins, work->targetUuidstr, attempt->target->name, step->volume, work->id, kind,
                        work->replica);
    }
}

void
replAttemptRecord(ReplWork *work, const ReplAttempt *attempt)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    g_autoptr(GPtrArray) earlier = NULL;
    guint i;

    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);
        const ReplLayer *source = replChainLayer(attempt->chain, step->layer);
        ReplJobLayer *layer = replJobLayerNew(source->volume, source->pool->uuid, step->volume,
                                              step->action);

        layer->source = source->identity;
        replAttemptKeepDone(layer, work->record->layers);
        g_ptr_array_add(layers, layer);
    }
    replAttemptDropUnused(attempt, work->record->layers, layers);

    g_mutex_lock(&work->lock);
    earlier = work->record->layers;
    work->record->layers = layers;
    work->capacity_bytes = replChainLayer(attempt->chain, 0)->virtualSize_bytes;
    work->adds = attempt->plan->adds;
    g_mutex_unlock(&work->lock);
    replAttemptPin(work, attempt);
}

int
replAttemptCheckQuota(ReplJob *job, const ReplWork *work, const ReplAttempt *attempt, GError **err)
{
    g_autoptr(ReplGraph) graph = replGraphScan(replServiceCache(), attempt->set, attempt->targetDir, err);
    g_auto(ReplRefusal) refusal = {0};
    ReplPlanFacts facts = {0};

    if (!graph)
        return -1;
    facts.request = work->record->request;
    facts.target = (ReplPlanEnd){attempt->target->name, work->targetUuidstr, attempt->target->label};
    facts.usage = replGraphUsage(graph, attempt->targetDir);
    facts.placeholder = work->replica;
    replWorkCorrectUsage(work->targetUuidstr, job, TRUE, &facts.usage);
    if (replPlanCheckQuota(&facts, &attempt->plan->adds, &refusal) == 0)
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}
