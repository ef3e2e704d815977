/*
 * set_source.c: all disks of a full machine, as one source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/set_source.h"

#include "base/error.h"
#include "store/jobrecord.h"

typedef struct {
    ReplSource base;
    GPtrArray *disks; /* of ReplSource */

    /* From hold on, if all disks are files of this host: their layers, borrowed. */
    ReplChain *chain;

    /* From describe on. */
    GArray *layers;     /* of ReplPlanLayer */
    GPtrArray *members; /* of ReplImage, borrowed from the disks */
    ReplSourceFacts facts;
} ReplSetSource;

static ReplSource *
replSetDisk(const ReplSetSource *source, guint disk)
{
    return g_ptr_array_index(source->disks, disk);
}

/* The layers of all disks, in the order of the facts. */
static void
replSetChain(ReplSetSource *source)
{
    g_autoptr(ReplChain) chain = g_new0(ReplChain, 1);
    guint disk, i;

    chain->layers = g_ptr_array_new();
    for (disk = 0; disk < source->disks->len; disk++) {
        const ReplChain *of = replSourceChain(replSetDisk(source, disk));

        if (!of)
            return;
        for (i = 0; i < of->layers->len; i++)
            g_ptr_array_add(chain->layers, g_ptr_array_index(of->layers, i));
    }
    source->chain = g_steal_pointer(&chain);
}

static int
replSetHold(ReplSource *base, GError **err)
{
    ReplSetSource *source = (ReplSetSource *)base;
    guint disk;

    if (source->chain)
        return 0;
    for (disk = 0; disk < source->disks->len; disk++) {
        if (replSourceHold(replSetDisk(source, disk), err) < 0)
            return -1;
    }
    replSetChain(source);
    return 0;
}

static void
replSetTakeLayers(ReplSetSource *source, const ReplSourceFacts *facts, guint disk)
{
    guint i;

    for (i = 0; i < facts->layerCount; i++) {
        ReplPlanLayer layer = facts->layers[i];

        layer.disk = disk;
        g_array_append_val(source->layers, layer);
    }
    if (disk > 0)
        g_ptr_array_add(source->members, (gpointer)facts->image);
}

static int
replSetDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts, GError **err)
{
    ReplSetSource *source = (ReplSetSource *)base;
    guint disk;

    g_array_set_size(source->layers, 0);
    g_ptr_array_set_size(source->members, 0);
    for (disk = 0; disk < source->disks->len; disk++) {
        const ReplSourceFacts *of;

        if (replSourceDescribe(replSetDisk(source, disk), request, &of, err) < 0)
            return -1;
        if (disk == 0)
            source->facts = *of;
        replSetTakeLayers(source, of, disk);
    }
    if (source->layers->len > REPL_JOB_LAYERS_MAX) {
        replErrorSet(
            err, VIR_ERR_OPERATION_INVALID,
            _("The disks of full machine '%s' have %u layers together, more than the %u that one job copies"),
            source->facts.volume, source->layers->len, REPL_JOB_LAYERS_MAX);
        return -1;
    }
    source->facts.layers = (const ReplPlanLayer *)(gpointer)source->layers->data;
    source->facts.layerCount = source->layers->len;
    source->facts.members = (const ReplImage *const *)source->members->pdata;
    source->facts.memberCount = source->members->len;
    *facts = &source->facts;
    return 0;
}

static int
replSetUnchanged(ReplSource *base, GError **err)
{
    const ReplSetSource *source = (ReplSetSource *)base;
    guint disk;

    for (disk = 0; disk < source->disks->len; disk++) {
        if (replSourceUnchanged(replSetDisk(source, disk), err) < 0)
            return -1;
    }
    return 0;
}

/* The disk of layer @layer of the facts, whose number there becomes the one among the disk's own. */
static ReplSource *
replSetOfLayer(const ReplSetSource *source, guint *layer)
{
    guint disk = source->facts.layers[*layer].disk;
    guint first = *layer;

    while (first > 0 && source->facts.layers[first - 1].disk == disk)
        first--;
    *layer -= first;
    return replSetDisk(source, disk);
}

static ReplReader *
replSetOpenLayer(ReplSource *base, guint layer, GError **err)
{
    ReplSource *disk = replSetOfLayer((ReplSetSource *)base, &layer);

    return replSourceOpenLayer(disk, layer, err);
}

static gssize
replSetDigests(ReplSource *base, guint layer, ReplDigestLevel level, guint64 first, guint count,
               guint8 *digests, GError **err)
{
    ReplSource *disk = replSetOfLayer((ReplSetSource *)base, &layer);

    return replSourceDigests(disk, layer, level, first, count, digests, err);
}

static ReplChain *
replSetGetChain(ReplSource *base)
{
    return ((ReplSetSource *)base)->chain;
}

static void
replSetCancel(ReplSource *base)
{
    const ReplSetSource *source = (ReplSetSource *)base;
    guint disk;

    for (disk = 0; disk < source->disks->len; disk++)
        replSourceCancel(replSetDisk(source, disk));
}

static void
replSetFree(ReplSource *base)
{
    ReplSetSource *source = (ReplSetSource *)base;

    replChainFree(source->chain);
    g_array_unref(source->layers);
    g_ptr_array_unref(source->members);
    g_ptr_array_unref(source->disks);
    g_free(source);
}

static const ReplSourceOps replSetSourceOps = {
    .hold = replSetHold,
    .describe = replSetDescribe,
    .unchanged = replSetUnchanged,
    .openLayer = replSetOpenLayer,
    .digests = replSetDigests,
    .chain = replSetGetChain,
    .cancel = replSetCancel,
    .free = replSetFree,
};

ReplSource *
replSetSourceNew(GPtrArray *disks)
{
    ReplSetSource *source = g_new0(ReplSetSource, 1);

    source->base.ops = &replSetSourceOps;
    source->disks = disks;
    source->layers = g_array_new(FALSE, TRUE, sizeof(ReplPlanLayer));
    source->members = g_ptr_array_new();
    return &source->base;
}
