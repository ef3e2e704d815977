/*
 * layers.c: what an open chain is to a plan
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "convert/layers.h"

ReplPlanLayer *
replConvertLayersNew(const ReplChain *chain)
{
    ReplPlanLayer *layers = g_new0(ReplPlanLayer, chain->layers->len);
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        const ReplLayer *from = replChainLayer(chain, i);
        ReplPlanLayer *to = &layers[i];

        to->volume = from->volume;
        to->pool = from->pool->name;
        to->poolUuid = from->pool->uuid;
        to->identity = from->identity;
        to->format = from->format;
        to->encrypted = from->qcow2 ? from->qcow2->cryptMethod != REPL_QCOW2_CRYPT_NONE
                                    : from->format == REPL_FORMAT_LUKS;
        to->compressed = from->qcow2 != NULL;
        to->snapshotCount = from->qcow2 ? from->qcow2->snapshotCount : 0;
        to->bitmapCount = from->qcow2 ? from->qcow2->bitmapCount : 0;
        to->size_bytes = from->st.st_size;
        to->allocated_bytes = from->allocated_bytes;
        to->virtualSize_bytes = from->virtualSize_bytes;
    }
    return layers;
}
