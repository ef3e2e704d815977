/*
 * local_source.c: an image in a region pool of this host, as a source
 *
 * Held by QEMU's own image locks, read through the descriptors by which its chain was opened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/local_source.h"

#include "base/error.h"
#include "convert/convert.h"
#include "convert/layers.h"
#include "copy/files.h"
#include "image/view.h"
#include "service/service.h"

typedef struct {
    ReplSource base;
    char *poolUuid;
    char *volume;

    /* From hold on. */
    ReplRegion *region;
    ReplPoolSet *set;
    ReplChain *chain;

    /* From describe on. */
    gboolean looked; /* qemu-img has judged the layers that only it reads */
    ReplImage *image;
    ReplPlanLayer *layers;
    ReplSourceFacts facts;
} ReplLocalSource;

static int
replLocalSourceOpen(ReplLocalSource *source, GError **err)
{
    const ReplPoolDir *dir;

    if (!(source->region = replRegionOfUuidString(source->poolUuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("There is no region pool with UUID '%s' any more"),
                     source->poolUuid);
        return -1;
    }
    source->set = replRegionsSet();
    if (!(dir = replPoolSetFindUuid(source->set, source->poolUuid))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     source->region->name);
        return -1;
    }
    return (source->chain = replChainOpen(source->set, dir, source->volume, err)) ? 0 : -1;
}

static int
replLocalSourceHold(ReplSource *base, GError **err)
{
    ReplLocalSource *source = (ReplLocalSource *)base;

    if (source->chain)
        return 0;
    if (replLocalSourceOpen(source, err) < 0)
        return -1;
    if (replChainLock(source->chain, err) == 0)
        return 0;
    g_clear_pointer(&source->chain, replChainFree);
    return -1;
}

static int
replLocalSourceDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts,
                        GError **err)
{
    ReplLocalSource *source = (ReplLocalSource *)base;
    const ReplConvertLimits limits = replServiceConvertLimits();

    if (!source->looked && replConvertLook(source->chain, &limits, err) < 0)
        return -1;
    source->looked = TRUE;
    g_clear_pointer(&source->image, replImageFree);
    g_clear_pointer(&source->layers, g_free);
    if (!(source->image = replViewImage(source->region, source->volume, err)))
        return -1;
    source->layers = replConvertLayersNew(source->chain);
    if (replConvertFacts(source->chain, request, &limits, source->layers, err) < 0)
        return -1;
    source->facts = (ReplSourceFacts){
        .pool = source->region->name,
        .poolUuid = source->poolUuid,
        .label = source->region->label,
        .volume = source->volume,
        .image = source->image,
        .layers = source->layers,
        .layerCount = source->chain->layers->len,
    };
    *facts = &source->facts;
    return 0;
}

static int
replLocalSourceUnchanged(ReplSource *base, GError **err)
{
    return replChainChanged(((ReplLocalSource *)base)->chain, err);
}

static ReplReader *
replLocalSourceOpenLayer(ReplSource *base, guint layer, GError **err)
{
    return replFileReaderNew(replChainLayer(((ReplLocalSource *)base)->chain, layer)->fd, NULL, err);
}

static ReplChain *
replLocalSourceChain(ReplSource *base)
{
    return ((ReplLocalSource *)base)->chain;
}

static void
replLocalSourceFree(ReplSource *base)
{
    ReplLocalSource *source = (ReplLocalSource *)base;

    replImageFree(source->image);
    g_free(source->layers);
    replChainFree(source->chain);
    g_clear_pointer(&source->set, replPoolSetFree);
    replRegionFree(source->region);
    g_free(source->poolUuid);
    g_free(source->volume);
    g_free(source);
}

static const ReplSourceOps replLocalSourceOps = {
    .hold = replLocalSourceHold,
    .describe = replLocalSourceDescribe,
    .unchanged = replLocalSourceUnchanged,
    .openLayer = replLocalSourceOpenLayer,
    .chain = replLocalSourceChain,
    .free = replLocalSourceFree,
};

ReplSource *
replLocalSourceNew(const char *poolUuid, const char *volume)
{
    ReplLocalSource *source = g_new0(ReplLocalSource, 1);

    source->base.ops = &replLocalSourceOps;
    source->poolUuid = g_strdup(poolUuid);
    source->volume = g_strdup(volume);
    return &source->base;
}
