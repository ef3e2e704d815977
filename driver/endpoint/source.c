/*
 * source.c: where an image comes from: a local pool or a peer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/source.h"

#include "base/error.h"

int
replSourceDescribe(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts,
                   GError **err)
{
    return source->ops->describe(source, request, facts, err);
}

int
replSourceHold(ReplSource *source, GError **err)
{
    return source->ops->hold(source, err);
}

int
replSourceUnchanged(ReplSource *source, GError **err)
{
    return source->ops->unchanged(source, err);
}

ReplReader *
replSourceOpenLayer(ReplSource *source, guint layer, GError **err)
{
    return source->ops->openLayer(source, layer, err);
}

gssize
replSourceDigests(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
                  guint8 *digests, GError **err)
{
    return source->ops->digests ? source->ops->digests(source, layer, level, first, count, digests, err) : 0;
}

static int
replSourceNoDemand(GError **err)
{
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR, "this source makes no layers on demand");
    return -1;
}

int
replSourceMakeLayer(ReplSource *source, guint layer, ReplSourceMade *made, GError **err)
{
    return source->ops->makeLayer ? source->ops->makeLayer(source, layer, made, err)
                                  : replSourceNoDemand(err);
}

void
replSourceKeyClear(ReplSourceKey *key)
{
    g_clear_pointer(&key->header, g_byte_array_unref);
}

int
replSourceNewKey(ReplSource *source, guint layer, ReplSourceKey *key, GError **err)
{
    return source->ops->newKey ? source->ops->newKey(source, layer, key, err) : replSourceNoDemand(err);
}

int
replSourceContent(ReplSource *source, guint layer, const ReplSourceLook *look, char *digest, GError **err)
{
    if (source->ops->content)
        return source->ops->content(source, layer, look, digest, err);
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR, "this source tells no digests of contents");
    return -1;
}

gboolean
replSourceTellsContent(const ReplSource *source)
{
    return source->ops->content != NULL;
}

ReplChain *
replSourceChain(ReplSource *source)
{
    return source->ops->chain ? source->ops->chain(source) : NULL;
}

gboolean
replSourceIsTop(const ReplSourceFacts *facts, guint layer)
{
    return layer == 0 || facts->layers[layer - 1].disk != facts->layers[layer].disk;
}

void
replSourceWatch(ReplSource *source, ReplTraffic *traffic)
{
    if (source->ops->watch)
        source->ops->watch(source, traffic);
}

void
replSourceBePatient(ReplSource *source)
{
    if (source && source->ops->bePatient)
        source->ops->bePatient(source);
}

void
replSourceCancel(ReplSource *source)
{
    g_atomic_int_set(&source->cancelled, 1);
    if (source->ops->cancel)
        source->ops->cancel(source);
}

void
replSourceFree(ReplSource *source)
{
    if (source)
        source->ops->free(source);
}
