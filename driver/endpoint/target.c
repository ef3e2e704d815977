/*
 * target.c: where a replica goes: a local pool or a peer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/target.h"

#include <string.h>

void
replTargetFactsClear(ReplTargetFacts *facts)
{
    g_free(facts->pool);
    g_free(facts->poolUuid);
    replLabelFree(facts->label);
    memset(facts, 0, sizeof(*facts));
}

void
replPresentClear(ReplPresent *present, guint count)
{
    guint i;

    for (i = 0; i < count; i++)
        g_free(present[i].volume);
    memset(present, 0, count * sizeof(*present));
}

int
replTargetGetFacts(ReplTarget *target, ReplTargetFacts *facts, GError **err)
{
    return target->ops->facts(target, facts, err);
}

gboolean
replTargetTaken(ReplTarget *target, const char *volume)
{
    return target->ops->taken(target, volume);
}

int
replTargetPresent(ReplTarget *target, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                  gboolean *closely, GError **err)
{
    return target->ops->present(target, source, look, present, closely, err);
}

gboolean
replTargetCanClone(ReplTarget *target, ReplSource *source)
{
    return target->ops->canClone && target->ops->canClone(target, source);
}

int
replTargetAccept(ReplTarget *target, virStoragePoolPtr pool, const char *volume, const char *xml,
                 const ReplImage *image, GError **err)
{
    return target->ops->accept(target, pool, volume, xml, image, err);
}

int
replTargetBegin(ReplTarget *target, const ReplPlan *plan, const ReplSourceFacts *facts,
                const ReplPresent *present, GError **err)
{
    return target->ops->begin(target, plan, facts, present, err);
}

int
replTargetOpenLayer(ReplTarget *target, guint index, ReplSource *source, ReplWriter **writer,
                    ReplLayerProgress *progress, GError **err)
{
    return target->ops->openLayer(target, index, source, writer, progress, err);
}

gboolean
replTargetAgain(ReplTarget *target, const GError *why, GError **err)
{
    if (target->ops->again)
        return target->ops->again(target, why, err);
    g_propagate_error(err, g_error_copy(why));
    return FALSE;
}

int
replTargetNote(ReplTarget *target, guint64 offset_bytes, GError **err)
{
    return target->ops->note ? target->ops->note(target, offset_bytes, err) : 0;
}

int
replTargetFinishLayer(ReplTarget *target, guint index, ReplWriter *writer, GError **err)
{
    return target->ops->finishLayer(target, index, writer, err);
}

int
replTargetVerify(ReplTarget *target, guint index, GError **err)
{
    return target->ops->verify(target, index, err);
}

int
replTargetPublish(ReplTarget *target, ReplImage *const *records, GError **err)
{
    return target->ops->publish(target, records, err);
}

int
replTargetLook(ReplTarget *target, GError **err)
{
    return target->ops->look(target, err);
}

guint64
replTargetWritten(ReplTarget *target)
{
    return target->ops->written ? target->ops->written(target) : 0;
}

int
replTargetUndo(ReplTarget *target, ReplUndo what, GError **err)
{
    return target->ops->undo(target, what, err);
}

void
replTargetWatch(ReplTarget *target, ReplTraffic *traffic)
{
    if (target->ops->watch)
        target->ops->watch(target, traffic);
}

void
replTargetCancel(ReplTarget *target)
{
    g_atomic_int_set(&target->cancelled, 1);
    if (target->ops->cancel)
        target->ops->cancel(target);
}

void
replTargetFree(ReplTarget *target)
{
    if (target)
        target->ops->free(target);
}
