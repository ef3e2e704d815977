/*
 * local_source.c: an image in a region pool of this host, as a source
 *
 * Held by QEMU's own image locks, read through the descriptors by which its chain was opened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/local_source.h"

#include <string.h>

#include "base/error.h"
#include "convert/convert.h"
#include "convert/layers.h"
#include "copy/files.h"
#include "endpoint/sums.h"
#include "image/view.h"
#include "probe/graph.h"
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

    /* From digests on: an element for each layer, NULL: there are none. */
    ReplDigests **digests;
    gboolean *summed; /* it was tried */
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
    source->set = replRegionsSet(NULL);
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

static gboolean
replLocalSourceStops(void *opaque)
{
    return g_atomic_int_get(&((ReplSource *)opaque)->cancelled) != 0;
}

/* Where it cannot be told, too: then old digests stay. */
static gboolean
replLocalSourceIsNeeded(const ReplLocalSource *source, const ReplLayer *file)
{
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), source->set, file->pool, REPL_GRAPH_RECENTLY, NULL);
    g_autoptr(GPtrArray) overlays = graph ? replGraphDependents(graph, file->pool, file->volume) : NULL;

    return !overlays || overlays->len > 0;
}

/* Kept ones, else made now. */
static ReplDigests *
replLocalSourceSums(ReplLocalSource *source, guint layer)
{
    const ReplLayer *file = replChainLayer(source->chain, layer);
    const ReplSummed summed = {file->pool, file->volume, file->fd, replLocalSourceIsNeeded(source, file)};

    if (!source->digests) {
        source->digests = g_new0(ReplDigests *, source->chain->layers->len);
        source->summed = g_new0(gboolean, source->chain->layers->len);
    }
    if (!source->summed[layer]) {
        source->digests[layer] = replSums(&summed, TRUE, replLocalSourceStops, source);
        source->summed[layer] = TRUE;
    }
    return source->digests[layer];
}

static gssize
replLocalSourceDigests(ReplSource *base, guint layer, ReplDigestLevel level, guint64 first, guint count,
                       guint8 *digests, GError **err)
{
    ReplLocalSource *source = (ReplLocalSource *)base;
    const ReplDigests *sums = replLocalSourceSums(source, layer);
    guint64 blocks = replSumBlocks(replChainLayer(source->chain, layer)->identity.size_bytes);
    guint64 all =
        level == REPL_DIGEST_BLOCKS ? blocks : (blocks + REPL_SUM_GROUP_BLOCKS - 1) / REPL_SUM_GROUP_BLOCKS;
    guint64 loaded = G_MAXUINT64;
    ReplGroupSums group;

    if (!sums || first >= all)
        return 0;
    count = MIN(count, all - first);
    for (guint i = 0; i < count; i++) {
        guint64 at = first + i;
        guint8 *to = digests + (gsize)i * REPL_SUM_BYTES;

        if (level == REPL_DIGEST_GROUPS) {
            memcpy(to, replDigestsGroup(sums, at), REPL_SUM_BYTES);
            continue;
        }
        if (at / REPL_SUM_GROUP_BLOCKS != loaded &&
            replDigestsBlocks(sums, loaded = at / REPL_SUM_GROUP_BLOCKS, group, err) < 0)
            return -1;
        memcpy(to, group[at % REPL_SUM_GROUP_BLOCKS], REPL_SUM_BYTES);
    }
    return count;
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

    for (guint i = 0; source->digests && i < source->chain->layers->len; i++)
        replDigestsFree(source->digests[i]);
    g_free(source->digests);
    g_free(source->summed);
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
    .digests = replLocalSourceDigests,
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
