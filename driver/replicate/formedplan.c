/*
 * formedplan.c: what an image is that gets another form before it leaves this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/formedpriv.h"

#include <sys/statvfs.h>

#include "base/amount.h"
#include "base/error.h"
#include "region/home.h"
#include "replicate/keys.h"
#include "virt/secrets.h"

static int
replFormedPlanSteps(ReplFormed *self, GError **err)
{
    const ReplSourceFacts *from = self->prepared->facts;
    /* Rules, quota and space of the target are its own host's business. */
    const ReplLabel label = {
        .name = self->targetRegion, .project = from->label->project, .quota = {-1, -1, -1}};
    const ReplPlanFacts facts = {
        .request = self->request,
        .source = {from->pool, from->poolUuid, from->label},
        .volume = from->volume,
        .image = from->image,
        .layers = from->layers,
        .layerCount = from->layerCount,
        .members = from->members,
        .memberCount = from->memberCount,
        .target = {from->pool, self->targetUuid, &label},
        .free_bytes = G_MAXUINT64,
        .begun = TRUE,
    };
    g_auto(ReplRefusal) refusal = {0};

    if ((self->prepared->plan = replPlanMake(&facts, &refusal)))
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

static gboolean
replFormedConverts(const ReplFormed *self)
{
    for (guint i = 0; i < self->prepared->plan->steps->len; i++) {
        if (replPreparedStep(self->prepared, i)->action == REPL_STEP_CONVERT)
            return TRUE;
    }
    return FALSE;
}

static void
replFormedAdd(guint64 *sum, guint64 bytes)
{
    if (!g_uint64_checked_add(sum, *sum, bytes))
        *sum = G_MAXUINT64;
}

/* All converted layers are there at once, and with them the layers that have to be fetched first. */
static int
replFormedCheckSpace(const ReplFormed *self, GError **err)
{
    const ReplSourceFacts *from = self->prepared->facts;
    guint64 need_bytes = 0, free_bytes;
    g_autofree char *need = NULL;
    g_autofree char *have = NULL;
    struct statvfs fs;

    for (guint i = 0; i < self->prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(self->prepared, i);

        if (step->action == REPL_STEP_CONVERT)
            replFormedAdd(&need_bytes, step->added_bytes);
    }
    for (guint i = 0; !replSourceChain(self->prepared->source) && i < from->layerCount; i++)
        replFormedAdd(&need_bytes, from->layers[i].allocated_bytes);
    if (fstatvfs(replStagingFd(self->home, REPL_STAGING_PARTIAL), &fs) < 0)
        return 0;
    free_bytes = (guint64)fs.f_bavail * fs.f_frsize;
    if (need_bytes <= free_bytes)
        return 0;
    need = replAmount(need_bytes);
    have = replAmount(free_bytes);
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("Image '%s' of pool '%s' is converted on this host before it leaves, which takes %s in "
                   "/var/lib/libvirt, where %s are free"),
                 from->volume, from->pool, need, have);
    return -1;
}

/* --- the image as it will be --- */

/* The step that makes layer @index of the source; -1: the layers are made into one, which is another's. */
static int
replFormedFind(const ReplFormed *self, guint index)
{
    const ReplPlanLayer *layers = self->prepared->facts->layers;

    for (guint i = 0; i < self->prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(self->prepared, i);
        const ReplPlanLayer *made = &layers[step->layer];

        if (step->layer == index ||
            (!step->isImage && !step->convert.flatten && g_str_equal(made->volume, layers[index].volume) &&
             g_str_equal(made->poolUuid, layers[index].poolUuid)))
            return (int)i;
    }
    return -1;
}

/* What tells the new layer from what the same job would make of a source that has changed: of layers that become one, all. */
static ReplFileIdentity
replFormedIdentity(const ReplFormed *self, const ReplPlanStep *step)
{
    const ReplSourceFacts *from = self->prepared->facts;
    ReplFileIdentity identity = from->layers[step->layer].identity;

    for (guint i = step->layer + 1; step->convert.flatten && i < from->layerCount; i++) {
        const ReplFileIdentity *below = &from->layers[i].identity;

        if (from->layers[i].disk != step->disk)
            break;
        identity.ino = identity.ino * 31 + below->ino;
        identity.mtime_ns = identity.mtime_ns * 31 + below->mtime_ns;
        identity.ctime_ns = identity.ctime_ns * 31 + below->ctime_ns;
    }
    return identity;
}

static void
replFormedConverted(ReplFormed *self, const ReplPlanStep *step, ReplPlanLayer *layer)
{
    const ReplConvert *convert = &step->convert;
    const char *usage = convert->toEncrypted ? g_ptr_array_index(self->usages, step->disk) : NULL;

    layer->onDemand = replKeysAction(self->prepared, step);
    /* Its name tells the format; that of the image is the source's, from which the target makes its own. */
    if (!step->isImage)
        layer->volume = step->volume;
    layer->poolUuid = self->jobId;
    layer->identity = replFormedIdentity(self, step);
    layer->format = convert->toFormat;
    layer->encrypted = convert->toEncrypted;
    layer->secretUsage = usage;
    layer->lostSnapshots = convert->snapshotsLost;
    layer->lostBitmaps = convert->bitmapsLost;
    layer->snapshotCount -= MIN(layer->snapshotCount, convert->snapshotsLost);
    layer->bitmapCount -= MIN(layer->bitmapCount, convert->bitmapsLost);
    layer->allocated_bytes = step->added_bytes;
}

static void
replFormedFillLayers(ReplFormed *self)
{
    const ReplSourceFacts *from = self->prepared->facts;

    self->steps = g_array_new(FALSE, FALSE, sizeof(guint));
    self->layers = g_array_new(FALSE, FALSE, sizeof(ReplPlanLayer));
    for (guint i = 0; i < from->layerCount; i++) {
        ReplPlanLayer layer = from->layers[i];
        int found = replFormedFind(self, i);
        guint index = (guint)found;

        if (found < 0)
            continue;
        if (replPreparedStep(self->prepared, index)->action == REPL_STEP_CONVERT)
            replFormedConverted(self, replPreparedStep(self->prepared, index), &layer);
        g_array_append_val(self->steps, index);
        g_array_append_val(self->layers, layer);
    }
}

/* A layer's file is laid out anew, or stays as it was laid out. */
static gboolean
replFormedIsFast(const ReplPlanStep *step, gboolean was)
{
    return step->convert.contiguous ||
           (was && (step->action != REPL_STEP_CONVERT || step->convert.rekey == REPL_REKEY_SLOT));
}

static void
replFormedFillImages(ReplFormed *self)
{
    const ReplSourceFacts *from = self->prepared->facts;

    self->images = g_ptr_array_new_with_free_func((GDestroyNotify)replImageFree);
    for (guint disk = 0; disk <= from->memberCount; disk++) {
        ReplImage *image = replImageCopy(disk == 0 ? from->image : from->members[disk - 1]);

        for (guint i = 0; i < self->prepared->plan->steps->len; i++) {
            const ReplPlanStep *step = replPreparedStep(self->prepared, i);

            if (step->isImage && step->disk == disk)
                image->fastCreate = replFormedIsFast(step, image->fastCreate);
        }
        g_ptr_array_add(self->images, image);
    }
}

/* Another host finds its key by the usage, so there has to be one. */
static int
replFormedFillUsages(ReplFormed *self, GError **err)
{
    self->usages = g_ptr_array_new_with_free_func(g_free);
    for (guint disk = 0; disk <= self->prepared->facts->memberCount; disk++) {
        const char *uuid = replPreparedKey(self->prepared, disk)->uuid;
        char *usage = uuid ? replSecretsUsage(uuid) : NULL;

        g_ptr_array_add(self->usages, usage);
        if (usage || !uuid)
            continue;
        replErrorSet(err, VIR_ERR_INVALID_SECRET,
                     _("Secret '%s' is not of usage type 'volume': another host has no name to find it by"),
                     uuid);
        return -1;
    }
    return 0;
}

static int
replFormedFill(ReplFormed *self, GError **err)
{
    const ReplSourceFacts *from = self->prepared->facts;
    guint steps = self->prepared->plan->steps->len;

    if (!(self->home = replHomeOwn(TRUE, err)) || replFormedCheckSpace(self, err) < 0 ||
        replKeysLoadFor(self->request, self->prepared, err) < 0 || replFormedFillUsages(self, err) < 0)
        return -1;
    self->fds = g_new(int, steps);
    for (guint i = 0; i < steps; i++)
        self->fds[i] = -1;
    replFormedFillLayers(self);
    replFormedFillImages(self);
    self->facts.poolUuid = self->jobId; /* what is read of it is shared with no other job */
    self->facts.image = g_ptr_array_index(self->images, 0);
    self->facts.members = (const ReplImage *const *)self->images->pdata + 1;
    self->facts.memberCount = from->memberCount;
    self->facts.layers = (const ReplPlanLayer *)(const void *)self->layers->data;
    self->facts.layerCount = self->layers->len;
    self->facts.formed = TRUE;
    return 0;
}

int
replFormedPlan(ReplFormed *self, GError **err)
{
    self->facts = *self->prepared->facts;
    /* The other host packs a bundle. */
    if (self->request->bundle != REPL_BUNDLE_NONE)
        return 0;
    g_clear_pointer(&self->prepared->plan, replPlanFree);
    if (replFormedPlanSteps(self, err) < 0)
        return -1;
    return replFormedConverts(self) ? replFormedFill(self, err) : 0;
}
