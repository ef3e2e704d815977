/*
 * stock_source.c: an image on a host without the module, as a source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_source.h"

#include "base/error.h"
#include "endpoint/stock_chain.h"
#include "endpoint/stock_reader.h"
#include "service/service.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/secrets.h"

typedef struct {
    ReplSource base;
    char *poolUuid; /* these two are fixed */
    char *volume;

    ReplLock lock;  /* guards these three, which cancel and watch need */
    ReplLine *line; /* NULL: not yet */
    gboolean cancelled;
    ReplTraffic *traffic; /* NULL: nobody is told */

    /* From hold on. */
    ReplPeerPoolEntry *entry;
    ReplStockChain *chain;

    /* From describe on. */
    ReplImage *image;
    ReplLabel label;
    ReplPlanLayer *layers;
    GPtrArray *usages; /* of char *: of the layers' secrets */
    ReplSourceFacts facts;
} ReplStockSource;

static int
replStockSourceOpen(ReplStockSource *self, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!replUuidParse(self->poolUuid, uuid) || !(self->entry = replPeerPoolsFind(uuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("There is no pool of type 'region' with UUID '%s' any more"), self->poolUuid);
        return -1;
    }
    REPL_GUARD(&self->lock);
    self->line = replLineNew(self->entry->pool->uri, self->entry->pool->def->source, config->peerGone_s);
    if (self->traffic)
        replLineWatch(self->line, self->traffic, self->entry->pool->def->name);
    if (self->cancelled)
        replLineCancel(self->line);
    return 0;
}

static int
replStockSourceHold(ReplSource *base, GError **err)
{
    ReplStockSource *self = (ReplStockSource *)base;

    if (self->chain)
        return 0;
    if (!self->entry && replStockSourceOpen(self, err) < 0)
        return -1;
    if (!self->entry->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     self->entry->pool->def->name);
        return -1;
    }
    return (self->chain = replStockChainLook(self->line, self->entry, self->volume, err)) ? 0 : -1;
}

/* There are no records: the id is that of the name in the pool, which stays the same for as long as both do. */
static void
replStockSourceRecord(ReplStockSource *self)
{
    g_autofree char *id = replImageDerivedId(self->entry->pool->uuid, self->volume, 0, 0);

    self->image = replImageNew(id);
    self->image->status = REPL_IMAGE_AVAILABLE;
    self->image->type = REPL_IMAGE_TYPE_SYSTEM_DISK;
}

/* The usage of the secret that opens the layer, as this host calls it: of a secret that is known by its UUID only, there has to
 * be one of the same UUID here. NULL: it is not known, or the layer is plain. */
static const char *
replStockSourceUsage(ReplStockSource *self, const ReplStockLayer *layer)
{
    char *usage;

    if (!layer->encrypted)
        return NULL;
    usage = layer->secretUsage  ? g_strdup(layer->secretUsage)
            : layer->secretUuid ? replSecretsUsage(layer->secretUuid)
                                : NULL;
    if (usage)
        g_ptr_array_add(self->usages, usage);
    return usage;
}

static int
replStockSourceDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts,
                        GError **err)
{
    ReplStockSource *self = (ReplStockSource *)base;
    const ReplRegionPool *def;
    guint count;

    (void)request;
    if (replStockSourceHold(base, err) < 0)
        return -1;
    *facts = &self->facts;
    if (self->layers)
        return 0;
    def = self->entry->pool->def;
    count = self->chain->layers->len;
    self->layers = g_new0(ReplPlanLayer, count);
    self->usages = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < count; i++) {
        const ReplStockLayer *layer = replStockChainLayer(self->chain, i);

        self->layers[i] = (ReplPlanLayer){
            .volume = layer->volume,
            .pool = def->name,
            .poolUuid = self->poolUuid,
            .identity = layer->identity,
            .format = layer->format,
            .encrypted = layer->encrypted,
            .compressed = TRUE, /* that is not looked at */
            .snapshotCount = layer->snapshotCount,
            .bitmapCount = layer->bitmapCount,
            .size_bytes = layer->identity.size_bytes,
            .allocated_bytes = layer->allocated_bytes,
            .virtualSize_bytes = layer->virtualSize_bytes,
            .byQemu = TRUE,
            .secretUsage = replStockSourceUsage(self, layer),
        };
    }
    replStockSourceRecord(self);
    replPeerPoolSeen(self->entry->pool, &self->label.name, &self->label.project, NULL);
    if (!self->label.name)
        self->label.name = g_strdup(def->source);
    if (!self->label.project)
        self->label.project = g_strdup(REPL_PROJECT_DEFAULT);
    self->label.quota = (ReplAmounts){-1, -1, -1};
    self->facts = (ReplSourceFacts){.pool = def->name,
                                    .poolUuid = self->poolUuid,
                                    .label = &self->label,
                                    .volume = self->volume,
                                    .image = self->image,
                                    .layers = self->layers,
                                    .layerCount = count,
                                    .without = "reuse locks"};
    return 0;
}

static int
replStockSourceUnchanged(ReplSource *base, GError **err)
{
    ReplStockSource *self = (ReplStockSource *)base;

    return replStockChainUnchanged(self->line, self->entry, self->chain, err);
}

static ReplReader *
replStockSourceOpenLayer(ReplSource *base, guint layer, GError **err)
{
    ReplStockSource *self = (ReplStockSource *)base;
    const ReplStockLayer *from;

    if (!self->chain || layer >= self->chain->layers->len) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("There is no layer %u"), layer);
        return NULL;
    }
    from = replStockChainLayer(self->chain, layer);
    {
        /* A copy that failed at its other end has cancelled the reader before, and with it the line. */
        REPL_GUARD(&self->lock);
        if (!self->cancelled)
            replLineReopen(self->line);
    }
    return replStockReaderNew(self->line, from->volume, from->identity.size_bytes);
}

static void
replStockSourceCancel(ReplSource *base)
{
    ReplStockSource *self = (ReplStockSource *)base;
    REPL_GUARD(&self->lock);

    self->cancelled = TRUE;
    if (self->line)
        replLineCancel(self->line);
}

static void
replStockSourceWatch(ReplSource *base, ReplTraffic *traffic)
{
    ReplStockSource *self = (ReplStockSource *)base;
    REPL_GUARD(&self->lock);

    replTrafficUnref(self->traffic);
    self->traffic = replTrafficRef(traffic);
    if (self->line)
        replLineWatch(self->line, traffic, self->entry->pool->def->name);
}

static void
replStockSourceFree(ReplSource *base)
{
    ReplStockSource *self = (ReplStockSource *)base;

    if (self->line) {
        replLineCancel(self->line);
        replLineUnref(self->line);
    }
    replStockChainFree(self->chain);
    replPeerPoolEntryFree(self->entry);
    replImageFree(self->image);
    g_free(self->label.name);
    g_free(self->label.project);
    g_free(self->layers);
    g_clear_pointer(&self->usages, g_ptr_array_unref);
    replTrafficUnref(self->traffic);
    replLockClear(&self->lock);
    g_free(self->poolUuid);
    g_free(self->volume);
    g_free(self);
}

ReplSource *
replStockSourceNew(const char *poolUuid, const char *volume)
{
    static const ReplSourceOps ops = {
        .hold = replStockSourceHold,
        .describe = replStockSourceDescribe,
        .unchanged = replStockSourceUnchanged,
        .openLayer = replStockSourceOpenLayer,
        .cancel = replStockSourceCancel,
        .watch = replStockSourceWatch,
        .free = replStockSourceFree,
    };
    ReplStockSource *self = g_new0(ReplStockSource, 1);

    self->base.ops = &ops;
    self->poolUuid = g_strdup(poolUuid);
    self->volume = g_strdup(volume);
    replLockInit(&self->lock);
    return &self->base;
}
