/*
 * plan.c: what a job will do, before it does: facts in, steps or a typed refusal out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plan/plan.h"

#include <string.h>

#include "plan/planpriv.h"
#include "probe/backing.h"

/* Room for the header of a raw LUKS file. */
#define REPL_PLAN_LUKS_BYTES (G_GUINT64_CONSTANT(16) << 20)

static void
replPlanStepFree(gpointer opaque)
{
    ReplPlanStep *step = opaque;

    g_free(step->volume);
    g_free(step->backingVolume);
    g_free(step->backing);
    g_free(step);
}

void
replPlanFree(ReplPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->volume);
    g_ptr_array_unref(plan->steps);
    g_free(plan);
}

static gboolean
replPlanIsInRegion(const ReplPlanFacts *facts)
{
    return g_str_equal(facts->source.label->name, facts->target.label->name);
}

/* Sums stop at the largest number instead of running over. */
static guint64
replSum(guint64 a, guint64 b)
{
    guint64 sum;

    return g_uint64_checked_add(&sum, a, b) ? sum : G_MAXUINT64;
}

static gint64
replAmount(guint64 value)
{
    return MIN(value, (guint64)G_MAXINT64);
}

/* Header, L1, L2 and refcounts of an empty qcow2 file. */
#define REPL_PLAN_OVERLAY_BYTES (256 * 1024)

static gboolean
replPlanIsShared(const ReplImage *image, const char *project)
{
    guint i;

    for (i = 0; image->shares && i < image->shares->len; i++) {
        const ReplShare *share = g_ptr_array_index(image->shares, i);

        if (share->state == REPL_SHARE_ACCEPTED && g_str_equal(share->project, project))
            return TRUE;
    }
    return FALSE;
}

/* Whether this source may go to this target at all. */
static int
replPlanCheckEnds(const ReplPlanFacts *facts, gboolean inRegion, ReplRefusal *refusal)
{
    const ReplImage *image = facts->image;
    const char *owner = image->project ? image->project : facts->source.label->project;
    guint64 size_bytes = facts->layers[0].virtualSize_bytes;

    /* A bundle in a pool without a label is nobody's: the right to read is all that is asked. */
    if (!facts->begun && owner && !facts->target.label->transit &&
        !g_str_equal(owner, facts->target.label->project) &&
        !replPlanIsShared(image, facts->target.label->project))
        return replRefuse(refusal, REPL_REFUSE_NOT_SHARED, owner);
    if (image->status != REPL_IMAGE_AVAILABLE)
        return replRefuse(refusal, REPL_REFUSE_STATUS, NULL);
    if (facts->request->bundle != REPL_BUNDLE_NONE)
        return 0;
    if (inRegion && (image->type == REPL_IMAGE_TYPE_ISO || image->type == REPL_IMAGE_TYPE_FULL_MACHINE ||
                     facts->memberCount > 0))
        return replRefuse(refusal, REPL_REFUSE_TYPE, NULL);
    if (inRegion && facts->inRegionMax_bytes && size_bytes > facts->inRegionMax_bytes)
        return replRefuseNumbers(refusal, REPL_REFUSE_SIZE, facts->inRegionMax_bytes, size_bytes, 0);
    return 0;
}

/* What a converted layer will allocate: as estimated, or what its data allocates now. Raw LUKS has no holes, and
 * with the metadata in front that of all of the disk is written: 8 bytes for a cluster of 64 KiB, and
 * refcounts. */
static guint64
replConvertBytes(const ReplPlanFacts *facts, guint index, const ReplConvert *convert)
{
    guint64 size_bytes = facts->layers[index].virtualSize_bytes;
    guint64 sum_bytes = convert->contiguous ? size_bytes / 4096 : 0;
    guint i;

    if (convert->toFormat == REPL_FORMAT_LUKS && convert->rekey == REPL_REKEY_FULL)
        return replSum(size_bytes, REPL_PLAN_LUKS_BYTES);
    for (i = index; i < (convert->flatten ? facts->layerCount : index + 1); i++) {
        const ReplPlanLayer *layer = &facts->layers[i];

        sum_bytes = replSum(sum_bytes, layer->written_bytes ? layer->written_bytes : layer->allocated_bytes);
    }
    return sum_bytes;
}

/* A step for layer @index on top of @below, the step of the next layer (NULL: none). */
static ReplPlanStep *
replPlanStep(const ReplPlanFacts *facts, const ReplForm *form, guint index, const ReplPlanStep *below)
{
    const ReplPlanLayer *layer = &facts->layers[index];
    g_autofree ReplPlanStep *step = g_new0(ReplPlanStep, 1);
    gboolean isBase = !below && (form->flatten || index + 1 == facts->layerCount);
    gboolean convert = replPlanConvert(facts, form, index, &step->convert);

    step->layer = index;
    step->isImage = index == 0;
    step->format = convert ? step->convert.toFormat : layer->format;
    /* A layer on top of one that is made anew cannot be in the target already. */
    if (convert)
        step->action = REPL_STEP_CONVERT;
    else if (index > 0 && layer->presentAs && (isBase || below->action == REPL_STEP_REUSE))
        step->action = REPL_STEP_REUSE;
    else
        step->action = layer->canClone ? REPL_STEP_CLONE : REPL_STEP_COPY;
    if (step->convert.overlay)
        step->added_bytes = REPL_PLAN_OVERLAY_BYTES;
    else if (step->action != REPL_STEP_REUSE)
        step->added_bytes = convert ? replConvertBytes(facts, index, &step->convert) : layer->allocated_bytes;
    /* A layer that gets a new key slot and nothing else may be cloned, too. */
    if (step->action == REPL_STEP_COPY ||
        (convert && !(step->convert.rekey == REPL_REKEY_SLOT && layer->canClone)))
        step->bytes = step->added_bytes;
    return g_steal_pointer(&step);
}

/* Gives the step its name, and tells it the one below. */
static void
replPlanNameStep(const ReplPlanFacts *facts, const char *replica, ReplPlanStep *step,
                 const ReplPlanStep *below, GHashTable *used)
{
    if (step->isImage)
        step->volume = g_strdup(replica);
    else if (step->action == REPL_STEP_REUSE)
        step->volume = g_strdup(facts->layers[step->layer].presentAs);
    else
        step->volume = replPlanLayerName(facts, step->layer, step->format, used);
    g_hash_table_add(used, step->volume);
    if (step->convert.overlay) {
        step->backingVolume = g_strdup(facts->volume);
        step->backing = replBackingReference(facts->volume);
        step->backingFormat = REPL_FORMAT_QCOW2;
    } else if (below) {
        step->backingVolume = g_strdup(below->volume);
        step->backing = replBackingReference(below->volume);
        step->backingFormat = below->format;
    }
}

/* The step of another disk that makes layer @index of this one, too. */
static const ReplPlanStep *
replPlanMadeAlready(const ReplPlanFacts *all, const ReplPlan *plan, const ReplPlanLayer *layer)
{
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);

        if (!step->convert.flatten && replPlanIsSameFile(&all->layers[step->layer], layer))
            return step;
    }
    return NULL;
}

/* The steps of one disk, bases first. */
static void
replPlanAddDisk(const ReplPlanFacts *all, const ReplPlanDisk *disk, ReplPlan *plan, GHashTable *used)
{
    const ReplPlanFacts *facts = &disk->facts;
    const ReplPlanStep *below = NULL;
    guint index = disk->form.flatten ? 0 : facts->layerCount - 1;

    for (;; index--) {
        const ReplPlanStep *made = index > 0 ? replPlanMadeAlready(all, plan, &facts->layers[index]) : NULL;

        if (made) {
            below = made;
        } else {
            ReplPlanStep *step = replPlanStep(facts, &disk->form, index, below);

            replPlanNameStep(facts, disk->replica, step, below, used);
            step->layer += disk->first;
            step->disk = disk->number;
            g_ptr_array_add(plan->steps, step);
            below = step;
        }
        if (index == 0)
            return;
    }
}

static void
replPlanAddSteps(const ReplPlanFacts *facts, const GArray *disks, ReplPlan *plan)
{
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);
    guint i;

    for (i = 0; i < disks->len; i++)
        g_hash_table_add(used, g_array_index(disks, ReplPlanDisk, i).replica);
    for (i = disks->len; i-- > 0;)
        replPlanAddDisk(facts, &g_array_index(disks, ReplPlanDisk, i), plan, used);
}

/* What the steps come to. */
static void
replPlanSum(const ReplPlanFacts *facts, ReplPlan *plan)
{
    g_autoptr(GHashTable) promoted = g_hash_table_new(g_str_hash, g_str_equal);
    guint64 added_bytes = 0;
    guint64 written_bytes = 0;
    guint64 fetched_bytes = 0;
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);

        added_bytes = replSum(added_bytes, step->added_bytes);
        plan->total_bytes = replSum(plan->total_bytes, step->bytes);
        if (step->convert.bundle)
            written_bytes = step->added_bytes; /* an inventory reads more than it writes */
        if (step->action == REPL_STEP_CONVERT) {
            plan->snapshotsLost += step->convert.snapshotsLost;
            fetched_bytes = facts->fetched_bytes;
        }
        /* An image that becomes the base of the replica is a snapshot from then on. */
        if (step->action == REPL_STEP_REUSE && facts->layers[step->layer].presentIsImage)
            g_hash_table_add(promoted, step->volume);
        else if (step->action != REPL_STEP_REUSE && !step->isImage)
            plan->adds.snapshots++;
    }
    /* A clone shares its blocks until one side is written to: count it for the quota, not for the disk. */
    plan->peakSpace_bytes = written_bytes ? written_bytes : replSum(plan->total_bytes, fetched_bytes);
    plan->freshImages = facts->placeholder ? 0 : 1 + facts->memberCount;
    plan->adds.images = (gint64)plan->freshImages - g_hash_table_size(promoted);
    plan->adds.snapshots += g_hash_table_size(promoted);
    plan->adds.bytes = replAmount(added_bytes);
}

static int
replPlanCheckAmount(gint64 limit, gint64 have, gint64 need, ReplRefusalKind kind, ReplRefusal *refusal)
{
    if (limit < 0 || need <= 0 || (have <= limit && need <= limit - have))
        return 0;
    return replRefuseNumbers(refusal, kind, limit, MAX(have, 0), need);
}

int
replPlanCheckQuota(const ReplPlanFacts *facts, const ReplAmounts *adds, ReplRefusal *refusal)
{
    const ReplAmounts *quota = &facts->target.label->quota;
    const ReplAmounts *usage = &facts->usage;

    if (replPlanCheckAmount(quota->images, usage->images, adds->images, REPL_REFUSE_QUOTA_IMAGES, refusal) <
            0 ||
        replPlanCheckAmount(quota->snapshots, usage->snapshots, adds->snapshots, REPL_REFUSE_QUOTA_SNAPSHOTS,
                            refusal) < 0)
        return -1;
    return replPlanCheckAmount(quota->bytes, usage->bytes, adds->bytes, REPL_REFUSE_QUOTA_BYTES, refusal);
}

static int
replPlanCheckSpace(const ReplPlanFacts *facts, const ReplPlan *plan, ReplRefusal *refusal)
{
    guint64 have_bytes = replSum(facts->free_bytes, facts->partial_bytes);

    if (plan->peakSpace_bytes <= have_bytes)
        return 0;
    return replRefuseNumbers(refusal, REPL_REFUSE_SPACE, 0, have_bytes, plan->peakSpace_bytes);
}

/* Room for an index and for what maps and headers take. */
#define REPL_PLAN_BUNDLE_BYTES (4 * 1024 * 1024)

/* One step: all layers into one file. How much packing saves is not known: the plan is for nothing. */
static int
replPlanAddBundle(const ReplPlanFacts *facts, ReplPlan *plan, ReplRefusal *refusal)
{
    g_autofree ReplPlanStep *step = g_new0(ReplPlanStep, 1);

    step->isImage = TRUE;
    step->action = REPL_STEP_CONVERT;
    step->format = step->convert.fromFormat = step->convert.toFormat = REPL_FORMAT_RAW;
    step->convert.bundle = TRUE;
    for (guint i = 0; i < facts->layerCount; i++) {
        const ReplPlanLayer *layer = &facts->layers[i];

        if (layer->format != REPL_FORMAT_RAW && layer->format != REPL_FORMAT_QCOW2 &&
            layer->format != REPL_FORMAT_LUKS)
            return replRefuse(refusal, REPL_REFUSE_BUNDLE, layer->volume);
        step->bytes = replSum(step->bytes, layer->allocated_bytes);
    }
    step->added_bytes = facts->request->bundle == REPL_BUNDLE_YES ? step->bytes : 0;
    step->added_bytes = replSum(step->added_bytes, REPL_PLAN_BUNDLE_BYTES);
    step->volume = g_strdup(plan->volume);
    g_ptr_array_add(plan->steps, g_steal_pointer(&step));
    return 0;
}

/* What a bundle leaves out has to be among what is reused. */
static int
replPlanCheckAbsent(const ReplPlanFacts *facts, const ReplPlan *plan, ReplRefusal *refusal)
{
    for (guint i = facts->layerCount; i-- > 0;) {
        gboolean reused = FALSE;

        for (guint k = 0; k < plan->steps->len; k++) {
            const ReplPlanStep *step = g_ptr_array_index(plan->steps, k);

            reused = reused || (step->layer == i && step->action == REPL_STEP_REUSE);
        }
        if (facts->layers[i].absent && !reused)
            return replRefuse(refusal, REPL_REFUSE_ABSENT, facts->layers[i].volume);
    }
    return 0;
}

/* What one disk becomes as a whole. Returns 0, or -1 with @refusal set. */
static int
replPlanBeginDisk(ReplPlanDisk *disk, gboolean inRegion, ReplRefusal *refusal)
{
    if (replPlanCheckEnds(&disk->facts, inRegion, refusal) < 0 ||
        (disk->facts.request->bundle == REPL_BUNDLE_NONE &&
         replPlanForm(&disk->facts, &disk->form, refusal) < 0))
        return -1;
    return (disk->replica = replPlanReplicaName(&disk->facts, inRegion, refusal)) ? 0 : -1;
}

ReplPlan *
replPlanMake(const ReplPlanFacts *facts, ReplRefusal *refusal)
{
    g_autoptr(ReplPlan) plan = g_new0(ReplPlan, 1);
    g_autoptr(GArray) disks = replPlanDisks(facts);
    gboolean inRegion = replPlanIsInRegion(facts);
    gboolean bundle = facts->request->bundle != REPL_BUNDLE_NONE;
    guint i;

    plan->steps = g_ptr_array_new_with_free_func(replPlanStepFree);
    for (i = 0; i < disks->len; i++) {
        if (replPlanBeginDisk(&g_array_index(disks, ReplPlanDisk, i), inRegion, refusal) < 0) {
            refusal->disk = i;
            return NULL;
        }
    }
    if (replPlanCheckDisks(facts, disks, refusal) < 0)
        return NULL;
    plan->volume = g_strdup(g_array_index(disks, ReplPlanDisk, 0).replica);
    if (!bundle)
        replPlanAddSteps(facts, disks, plan);
    else if (replPlanAddBundle(facts, plan, refusal) < 0)
        return NULL;
    replPlanSum(facts, plan);
    if (replPlanCheckQuota(facts, &plan->adds, refusal) < 0 || replPlanCheckSpace(facts, plan, refusal) < 0 ||
        replPlanCheckAbsent(facts, plan, refusal) < 0)
        return NULL;
    return g_steal_pointer(&plan);
}
