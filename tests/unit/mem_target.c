/*
 * mem_target.c: a place in memory as a target
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mem_endpointpriv.h"

#include <string.h>

#include "base/error.h"

typedef struct {
    ReplTarget base;
    MemWorld *world;
    ReplJournal *journal;
    gboolean cancelled; /* guarded by the world's lock */
    const ReplPlan *plan;
    const ReplSourceFacts *facts;
    MemLayer *layer; /* the open one */
} MemTarget;

typedef struct {
    ReplWriter base;
    MemTarget *target;
    MemLayer *layer;
} MemWriter;

/* --- writing --- */

static int
memWriterResize(ReplWriter *base, guint64 size_bytes, GError **err)
{
    MemWriter *writer = (MemWriter *)base;
    MemWorld *world = writer->target->world;
    guint had;

    if (memCall(world, "writer.resize", &writer->target->cancelled, err) < 0)
        return -1;
    replLockTake(&world->lock);
    had = writer->layer->data->len;
    g_byte_array_set_size(writer->layer->data, size_bytes);
    if (size_bytes > had)
        memset(writer->layer->data->data + had, 0, size_bytes - had);
    replLockDrop(&world->lock);
    return 0;
}

static int
memWriterPwrite(ReplWriter *base, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemWriter *writer = (MemWriter *)base;
    MemWorld *world = writer->target->world;

    if (memCall(world, "writer.pwrite", &writer->target->cancelled, err) < 0)
        return -1;
    replLockTake(&world->lock);
    g_assert_cmpint(offset + len, <=, writer->layer->data->len);
    memcpy(writer->layer->data->data + offset, buf, len);
    world->moved_bytes += len;
    replLockDrop(&world->lock);
    return 0;
}

static int
memWriterFlush(ReplWriter *base, gboolean last, GError **err)
{
    MemWriter *writer = (MemWriter *)base;

    (void)last;
    return memCall(writer->target->world, "writer.flush", &writer->target->cancelled, err);
}

static void
memTargetCancel(ReplTarget *base)
{
    MemTarget *target = (MemTarget *)base;
    REPL_GUARD(&target->world->lock);

    target->cancelled = TRUE;
    replLockWake(&target->world->lock);
}

static void
memWriterCancel(ReplWriter *base)
{
    memTargetCancel(&((MemWriter *)base)->target->base);
}

static void
memWriterFree(ReplWriter *base)
{
    memOpened(((MemWriter *)base)->target->world, -1);
    g_free(base);
}

static const ReplWriterOps memWriterOps = {
    .resize = memWriterResize,
    .pwrite = memWriterPwrite,
    .flush = memWriterFlush,
    .cancel = memWriterCancel,
    .free = memWriterFree,
};

/* --- facts --- */

static gboolean
memIsHeld(const MemTarget *target, const char *name)
{
    return g_strcmp0(g_hash_table_lookup(target->world->held, name), target->journal->record->id) == 0;
}

static int
memTargetFacts(ReplTarget *base, ReplTargetFacts *facts, GError **err)
{
    MemTarget *target = (MemTarget *)base;

    if (memCall(target->world, "target.facts", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    target->world->plans++;
    facts->accepted = memIsHeld(target, target->journal->record->volume);
    replLockDrop(&target->world->lock);
    facts->pool = g_strdup("to");
    facts->poolUuid = g_strdup(target->world->targetUuid);
    facts->label = replLabelNew("there", REPL_PROJECT_DEFAULT);
    facts->free_bytes = G_MAXINT64;
    return 0;
}

static gboolean
memTargetTaken(ReplTarget *base, const char *volume)
{
    const MemTarget *target = (const MemTarget *)base;
    const MemLayer *layer;
    REPL_GUARD(&target->world->lock);

    layer = g_hash_table_lookup(target->world->written, volume);
    return g_hash_table_contains(target->world->volumes, volume) && !(layer && layer->inPlace);
}

static int
memTargetPresent(ReplTarget *base, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                 gboolean *closely, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    MemWorld *world = target->world;
    guint i;

    (void)source;
    (void)look;
    *closely = FALSE;
    if (memCall(world, "target.present", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&world->lock);
    for (i = world->names->len; i-- > 1;) {
        const char *name = g_ptr_array_index(world->names, i);
        GBytes *there = g_hash_table_lookup(world->volumes, name);

        if (!there || g_hash_table_lookup(world->written, name) ||
            !g_bytes_equal(there, g_ptr_array_index(world->layers, i)))
            break;
        present[i].volume = g_strdup(name);
    }
    replLockDrop(&world->lock);
    return 0;
}

/* --- an attempt --- */

static int
memTargetAccept(ReplTarget *base, virStoragePoolPtr pool, const char *volume, const char *xml,
                const ReplImage *image, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    const ReplJobRecord *record = target->journal->record;

    (void)pool;
    (void)xml;
    g_assert_cmpstr(volume, ==, record->volume);
    g_assert_cmpint(image->status, ==, REPL_IMAGE_PENDING);
    if (memCall(target->world, "target.accept", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    g_hash_table_replace(target->world->held, g_strdup(record->volume), g_strdup(record->id));
    replLockDrop(&target->world->lock);
    replLockTake(&target->journal->lock);
    target->journal->accepted = TRUE;
    replLockDrop(&target->journal->lock);
    return 0;
}

static int
memTargetBegin(ReplTarget *base, const ReplPlan *plan, const ReplSourceFacts *facts,
               const ReplPresent *present, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    guint i;

    (void)present;
    if (memCall(target->world, "target.begin", &target->cancelled, err) < 0)
        return -1;
    target->plan = plan;
    target->facts = facts;
    replLockTake(&target->world->lock);
    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action != REPL_STEP_REUSE)
            g_hash_table_replace(target->world->held, g_strdup(step->volume),
                                 g_strdup(target->journal->record->id));
    }
    replLockDrop(&target->world->lock);
    return 0;
}

/* Called with the lock. */
static MemLayer *
memLayerOf(MemTarget *target, const ReplPlanStep *step)
{
    const ReplFileIdentity *source = &target->facts->layers[step->layer].identity;
    MemLayer *layer = g_hash_table_lookup(target->world->written, step->volume);

    if (layer && replFileIdentityEqual(&layer->source, source))
        return layer;
    layer = g_new0(MemLayer, 1);
    layer->data = g_byte_array_new();
    layer->source = *source;
    g_hash_table_replace(target->world->written, g_strdup(step->volume), layer);
    return layer;
}

static int
memTargetOpenLayer(ReplTarget *base, guint index, ReplSource *source, ReplWriter **writer,
                   ReplLayerProgress *progress, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    const ReplPlanStep *step = g_ptr_array_index(target->plan->steps, index);
    MemWriter *made;

    (void)source;
    *writer = NULL;
    if (memCall(target->world, "target.openLayer", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    target->layer = memLayerOf(target, step);
    progress->start_bytes = target->layer->safe_bytes;
    progress->state = target->layer->inPlace          ? REPL_LAYER_IN_PLACE
                      : target->layer->done           ? REPL_LAYER_WRITTEN
                      : target->layer->safe_bytes > 0 ? REPL_LAYER_BEGUN
                                                      : REPL_LAYER_FRESH;
    if (progress->state == REPL_LAYER_FRESH)
        g_byte_array_set_size(target->layer->data, 0);
    replLockDrop(&target->world->lock);
    if (progress->state == REPL_LAYER_IN_PLACE)
        return 0;
    made = g_new0(MemWriter, 1);
    made->base.ops = &memWriterOps;
    made->target = target;
    made->layer = target->layer;
    memOpened(target->world, 1);
    *writer = &made->base;
    return 0;
}

static int
memTargetNote(ReplTarget *base, guint64 offset_bytes, GError **err)
{
    MemTarget *target = (MemTarget *)base;

    if (memCall(target->world, "target.note", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    target->layer->safe_bytes = offset_bytes;
    replLockDrop(&target->world->lock);
    return 0;
}

static int
memTargetFinishLayer(ReplTarget *base, guint index, ReplWriter *writer, GError **err)
{
    MemTarget *target = (MemTarget *)base;

    (void)index;
    (void)writer;
    if (memCall(target->world, "target.finishLayer", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    target->layer->done = TRUE;
    replLockDrop(&target->world->lock);
    return 0;
}

static int
memTargetVerify(ReplTarget *base, guint index, GError **err)
{
    MemTarget *target = (MemTarget *)base;

    (void)index;
    return memCall(target->world, "target.verify", &target->cancelled, err);
}

/* --- the end --- */

static int
memTargetPublish(ReplTarget *base, ReplImage *const *records, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    MemWorld *world = target->world;
    guint i;

    for (i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(target->plan->steps, i);
        MemLayer *layer;

        if (step->action == REPL_STEP_REUSE) {
            g_assert_null(records[i]);
            continue;
        }
        if (memCall(world, "target.publish", &target->cancelled, err) < 0)
            return -1;
        g_assert_cmpint(records[i]->status, ==, REPL_IMAGE_AVAILABLE);
        replLockTake(&world->lock);
        layer = g_hash_table_lookup(world->written, step->volume);
        g_assert_true(layer->done);
        if (!layer->inPlace)
            g_hash_table_replace(world->volumes, g_strdup(step->volume),
                                 g_bytes_new(layer->data->data, layer->data->len));
        layer->inPlace = TRUE;
        g_hash_table_remove(world->held, step->volume);
        if (step->layer == 0)
            g_hash_table_remove_all(world->written); /* the commit point */
        replLockDrop(&world->lock);
    }
    replLockTake(&target->journal->lock);
    target->journal->accepted = FALSE;
    replLockDrop(&target->journal->lock);
    return 0;
}

static int
memTargetLook(ReplTarget *base, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    const char *replica = target->journal->record->volume;
    ReplTargetState state;

    if (memCall(target->world, "target.look", &target->cancelled, err) < 0)
        return -1;
    replLockTake(&target->world->lock);
    state = memIsHeld(target, replica)                             ? REPL_TARGET_HELD
            : g_hash_table_lookup(target->world->volumes, replica) ? REPL_TARGET_COMMITTED
                                                                   : REPL_TARGET_NOTHING;
    replLockDrop(&target->world->lock);
    replLockTake(&target->journal->lock);
    target->journal->accepted = state == REPL_TARGET_HELD;
    replLockDrop(&target->journal->lock);
    return state;
}

static int
memTargetUndo(ReplTarget *base, ReplUndo what, GError **err)
{
    MemTarget *target = (MemTarget *)base;
    GHashTableIter iter;
    gpointer name, layer;

    if (memCall(target->world, "target.undo", &target->cancelled, err) < 0)
        return -1;
    if (what == REPL_UNDO_PARTIALS)
        return 0; /* there is room */
    replLockTake(&target->world->lock);
    g_hash_table_iter_init(&iter, target->world->written);
    while (g_hash_table_iter_next(&iter, &name, &layer)) {
        if (((MemLayer *)layer)->inPlace)
            g_hash_table_remove(target->world->volumes, name);
    }
    g_hash_table_remove_all(target->world->written);
    g_hash_table_remove_all(target->world->held);
    replLockDrop(&target->world->lock);
    replLockTake(&target->journal->lock);
    target->journal->accepted = FALSE;
    replLockDrop(&target->journal->lock);
    return 0;
}

static void
memTargetFree(ReplTarget *base)
{
    memOpened(((MemTarget *)base)->world, -1);
    g_free(base);
}

static const ReplTargetOps memTargetOps = {
    .facts = memTargetFacts,
    .taken = memTargetTaken,
    .present = memTargetPresent,
    .accept = memTargetAccept,
    .begin = memTargetBegin,
    .openLayer = memTargetOpenLayer,
    .note = memTargetNote,
    .finishLayer = memTargetFinishLayer,
    .verify = memTargetVerify,
    .publish = memTargetPublish,
    .look = memTargetLook,
    .undo = memTargetUndo,
    .cancel = memTargetCancel,
    .free = memTargetFree,
};

ReplTarget *
memTargetNew(MemWorld *world, ReplJournal *journal)
{
    MemTarget *target = g_new0(MemTarget, 1);

    target->base.ops = &memTargetOps;
    target->world = world;
    target->journal = journal;
    memOpened(world, 1);
    return &target->base;
}
