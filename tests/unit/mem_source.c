/*
 * mem_source.c: an image in memory as a source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mem_endpointpriv.h"

#include <string.h>

#include "base/error.h"

typedef struct {
    ReplSource base;
    MemWorld *world;
    gboolean cancelled; /* guarded by the world's lock */
    ReplLabel *label;
    ReplImage *image;
    ReplPlanLayer *layers;
    ReplSourceFacts facts;
} MemSource;

typedef struct {
    ReplReader base;
    MemSource *source;
    GBytes *bytes;
} MemReader;

static int
memReaderPread(ReplReader *base, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemReader *reader = (MemReader *)base;
    const guint8 *data = g_bytes_get_data(reader->bytes, NULL);

    if (memCall(reader->source->world, "reader.pread", &reader->source->cancelled, err) < 0)
        return -1;
    g_assert_cmpint(offset + len, <=, g_bytes_get_size(reader->bytes));
    memcpy(buf, data + offset, len);
    return 0;
}

static int
memReaderData(ReplReader *base, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
              GError **err)
{
    MemReader *reader = (MemReader *)base;
    guint64 size = g_bytes_get_size(reader->bytes);

    if (memCall(reader->source->world, "reader.data", &reader->source->cancelled, err) < 0)
        return -1;
    if (from_bytes >= size)
        return 0;
    *offset_bytes = from_bytes;
    *length_bytes = size - from_bytes;
    return 1;
}

static void
memSourceCancel(ReplSource *base)
{
    MemSource *source = (MemSource *)base;
    REPL_GUARD(&source->world->lock);

    source->cancelled = TRUE;
    replLockWake(&source->world->lock);
}

static void
memReaderCancel(ReplReader *base)
{
    memSourceCancel(&((MemReader *)base)->source->base);
}

static void
memReaderFree(ReplReader *base)
{
    MemReader *reader = (MemReader *)base;

    memOpened(reader->source->world, -1);
    g_free(reader);
}

static const ReplReaderOps memReaderOps = {
    .data = memReaderData,
    .pread = memReaderPread,
    .cancel = memReaderCancel,
    .free = memReaderFree,
};

static int
memSourceHold(ReplSource *base, GError **err)
{
    MemSource *source = (MemSource *)base;

    if (memCall(source->world, "source.hold", &source->cancelled, err) < 0)
        return -1;
    replLockTake(&source->world->lock);
    source->world->holds++;
    replLockDrop(&source->world->lock);
    return 0;
}

static int
memSourceDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts, GError **err)
{
    MemSource *source = (MemSource *)base;
    MemWorld *world = source->world;
    guint i;

    (void)request;
    if (memCall(world, "source.describe", &source->cancelled, err) < 0)
        return -1;
    g_free(source->layers);
    source->layers = g_new0(ReplPlanLayer, world->layers->len);
    for (i = 0; i < world->layers->len; i++) {
        ReplPlanLayer *layer = &source->layers[i];

        layer->volume = g_ptr_array_index(world->names, i);
        layer->pool = "from";
        layer->poolUuid = world->sourceUuid;
        layer->identity = (ReplFileIdentity){.dev = 1, .ino = i + 1, .size_bytes = 1};
        layer->format = world->raw ? REPL_FORMAT_RAW : REPL_FORMAT_QCOW2;
        layer->size_bytes = layer->allocated_bytes = g_bytes_get_size(g_ptr_array_index(world->layers, i));
        layer->virtualSize_bytes = world->raw ? layer->size_bytes : 1024 * 1024;
    }
    source->facts = (ReplSourceFacts){
        .pool = "from",
        .poolUuid = world->sourceUuid,
        .label = source->label,
        .volume = world->sourceVolume,
        .image = source->image,
        .layers = source->layers,
        .layerCount = world->layers->len,
    };
    *facts = &source->facts;
    return 0;
}

static int
memSourceUnchanged(ReplSource *base, GError **err)
{
    MemSource *source = (MemSource *)base;
    gboolean changed;

    if (memCall(source->world, "source.unchanged", &source->cancelled, err) < 0)
        return -1;
    replLockTake(&source->world->lock);
    changed = source->world->changed;
    replLockDrop(&source->world->lock);
    if (!changed)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, "the source has changed");
    return -1;
}

static ReplReader *
memSourceOpenLayer(ReplSource *base, guint layer, GError **err)
{
    MemSource *source = (MemSource *)base;
    MemReader *reader;

    if (memCall(source->world, "source.openLayer", &source->cancelled, err) < 0)
        return NULL;
    reader = g_new0(MemReader, 1);
    reader->base.ops = &memReaderOps;
    reader->source = source;
    reader->bytes = g_ptr_array_index(source->world->layers, layer);
    memOpened(source->world, 1);
    return &reader->base;
}

static void
memSourceFree(ReplSource *base)
{
    MemSource *source = (MemSource *)base;

    memOpened(source->world, -1);
    replLabelFree(source->label);
    replImageFree(source->image);
    g_free(source->layers);
    g_free(source);
}

static const ReplSourceOps memSourceOps = {
    .hold = memSourceHold,
    .describe = memSourceDescribe,
    .unchanged = memSourceUnchanged,
    .openLayer = memSourceOpenLayer,
    .cancel = memSourceCancel,
    .free = memSourceFree,
};

ReplSource *
memSourceNew(MemWorld *world)
{
    g_autofree char *id = g_uuid_string_random();
    MemSource *source = g_new0(MemSource, 1);

    source->base.ops = &memSourceOps;
    source->world = world;
    source->label = replLabelNew("here", REPL_PROJECT_DEFAULT);
    source->image = replImageNew(id);
    source->image->type = REPL_IMAGE_TYPE_DATA_DISK;
    memOpened(world, 1);
    return &source->base;
}
