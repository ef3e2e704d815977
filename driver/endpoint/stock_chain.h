/*
 * stock_chain.h: the backing chain of a volume on a peer without the module
 *
 * In:    a line to the pool there, and the volume's name.
 * Out:   plain facts about each layer, judged by its own header, of which the first cluster is fetched.
 * Owner: the caller's.
 * Lock:  none.
 *
 * The chain is confined as one of this host is: every layer is a volume of the one pool, and a qcow2 layer states the format of
 * the one below. Backing names are read from the headers, not from what the libvirt there makes of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/stock_ask.h"
#include "model/image.h"
#include "peer/pools.h"
#include "qcow2/format.h"

typedef struct {
    char *volume;
    ReplFormat format;
    ReplFileIdentity identity; /* its ino tells volumes apart, no more */
    guint64 allocated_bytes;
    guint64 virtualSize_bytes;
    gboolean encrypted;
    char *
        secretUuid; /* of the secret that opens it there, as far as that libvirt remembers; NULL: not known */
    char *secretUsage;
    guint snapshotCount;
    guint bitmapCount;
} ReplStockLayer;

typedef struct {
    GPtrArray *layers; /* of ReplStockLayer, the image first */
} ReplStockChain;

void
replStockChainFree(ReplStockChain *chain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplStockChain, replStockChainFree)

static inline const ReplStockLayer *
replStockChainLayer(const ReplStockChain *chain, guint index)
{
    return g_ptr_array_index(chain->layers, index);
}

/* Looks at the chain. NULL with @err set. */
ReplStockChain *
replStockChainLook(ReplLine *line, const ReplPeerPoolEntry *entry, const char *volume, GError **err);

/* Whether the files of @chain are what they were. Returns 0, or -1 with @err set. */
int
replStockChainUnchanged(ReplLine *line, const ReplPeerPoolEntry *entry, const ReplStockChain *chain,
                        GError **err);
