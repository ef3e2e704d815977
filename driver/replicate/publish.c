/*
 * publish.c: a replica that is written becomes available
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/publish.h"

#include "endpoint/layerkey.h"
#include "replicate/keys.h"
#include "replicate/prepare.h"
#include "virt/secrets.h"

static const ReplImage *
replPublishSource(const ReplPrepared *prepared, guint disk)
{
    return disk == 0 ? prepared->facts->image : prepared->facts->members[disk - 1];
}

/* The record of an image that the job makes. It is taken from the holding, where clients may have changed it
 * while the job ran. The record of a data disk names the full machine that it belongs to. */
static ReplImage *
replPublishImage(const ReplReplication *replication, const ReplPlanStep *step)
{
    const ReplJobRecord *record = replication->journal->record;
    ReplImage *image = replHoldingImage(replReplicationHolding(replication, step->disk));
    gboolean keepsLayout = step->action != REPL_STEP_CONVERT || step->convert.rekey == REPL_REKEY_SLOT;
    gboolean wasFast = replPublishSource(replication->prepared, step->disk)->fastCreate;

    image->status = REPL_IMAGE_AVAILABLE;
    /* An overlay is quick to make, but is no image to make others from. */
    image->fastCreate = !step->convert.bundle && (step->convert.contiguous || (keepsLayout && wasFast));
    if (step->disk > 0) {
        image->setVolume = g_strdup(record->volume);
        image->setId = g_strdup(record->imageId);
    }
    return image;
}

static ReplImage *
replPublishLayer(const ReplPrepared *prepared, const ReplPlanLayer *source)
{
    g_autofree char *id = g_uuid_string_random();
    ReplImage *image = replImageNew(id);

    image->source.region = g_strdup(prepared->facts->label->name);
    image->source.pool = g_strdup(source->pool);
    image->source.volume = g_strdup(source->volume);
    return image;
}

/* What the host of the source has done to the layer. */
static void
replPublishConversion(const ReplReplication *replication, const ReplPlanLayer *source, ReplImage *image)
{
    ReplConversion *conversion = g_new0(ReplConversion, 1);

    conversion->by = g_strdup(replication->journal->record->requester);
    conversion->when_s = g_get_real_time() / G_USEC_PER_SEC;
    conversion->action = g_strdup(source->onDemand);
    conversion->toSecret = g_strdup(image->secret);
    g_ptr_array_add(image->conversions, conversion);
}

/* What a layer that is put in place came from. */
static ReplImage *
replPublishRecord(const ReplReplication *replication, const ReplPlanStep *step)
{
    const ReplPrepared *prepared = replication->prepared;
    const ReplPlanLayer *source = replPreparedLayer(prepared, step);
    ReplImage *image =
        step->isImage ? replPublishImage(replication, step) : replPublishLayer(prepared, source);

    if (step->convert.bundle)
        return image;
    if (step->action == REPL_STEP_CONVERT) {
        /* Notes no origin: a converted layer has other bytes and must not be taken for the source's layer. */
        replKeysRecord(replication, step, image);
    } else {
        g_autofree char *secret = replLayerKey(source);

        replSecretsBind(image, secret);
        /* The secret is not on this host yet: note its usage, by which it is found once it is here. */
        if (!secret && source->secretUsage)
            image->secretUsage = g_strdup(source->secretUsage);
        /* Use the origin later only where it can be believed: files of this host, or layers known by digests.
         * What another host says of its files proves nothing later. */
        if (source->onDemand)
            replPublishConversion(replication, source, image);
        image->hasOrigin =
            replSourceChain(prepared->source) != NULL || replSourceTellsContent(prepared->source);
        image->originPool = g_strdup(source->poolUuid);
        image->origin = source->identity;
    }
    return image;
}

int
replPublishCommit(ReplReplication *replication, GError **err)
{
    const ReplPrepared *prepared = replication->prepared;
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)replImageFree);
    guint i;

    if (replPrepareCheckQuota(replication, prepared, err) < 0)
        return -1;
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);

        g_ptr_array_add(records,
                        step->action == REPL_STEP_REUSE ? NULL : replPublishRecord(replication, step));
    }
    return replTargetPublish(prepared->target, (ReplImage *const *)records->pdata, err);
}
