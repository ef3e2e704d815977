/*
 * chain.h: the backing chain of a volume, opened, confined and checked
 *
 * Confined means: every layer is a regular file in the directory of a pool of the same region and project, opened
 * by its single name there without following links. What is refused is refused before any of the layer's
 * data is read: only headers are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

#include "model/image.h"
#include "probe/foreign.h"
#include "probe/pools.h"
#include "qcow2/format.h"
#include "qcow2/header.h"

/* Layers in a chain at most, the image itself included (libvirt's own limit is 200 too). */
#define REPL_CHAIN_MAX 200

typedef struct {
    ReplPoolDir *pool; /* a reference */
    char *volume;      /* its entry in the pool's directory */
    int fd;            /* owned, read-only */
    struct stat st;    /* when it was opened */
    ReplFileIdentity identity;
    ReplFormat format;
    ReplQcow2Header *qcow2; /* NULL: not qcow2 */
    ReplForeign *foreign;   /* NULL: raw, qcow2 or raw LUKS */
    guint64 allocated_bytes;
    guint64 virtualSize_bytes; /* of raw LUKS the file's size; 0: not known (vhdx, vpc) */
    char *backingVolume;       /* name of the next layer, NULL: none */
} ReplLayer;

typedef struct {
    GPtrArray *
        layers; /* of ReplLayer, the image first; of a full machine the chains of all disks, one behind the other */
} ReplChain;

/* Opens @volume of @pool and all layers below. Returns NULL with @err set:
 *   VIR_ERR_NO_STORAGE_VOL      the volume or a layer below is not there
 *   VIR_ERR_NO_SUPPORT          protocol backing names, external data files, layers of qcow2 ones that are
 *                               neither qcow2 nor raw, what foreign.h says
 *   VIR_ERR_OPERATION_INVALID   outside of the region's pools or the project's, links and special files, loops, more
 *                               than REPL_CHAIN_MAX layers, malformed headers, a layer without
 *                               explicit format that is not safe to guess
 *   VIR_ERR_INVALID_ARG         @volume cannot be a volume's name
 *   VIR_ERR_SYSTEM_ERROR        anything else
 * A volume of another format has what is below it if the format has such a thing (qcow, qed, vmdk): files of the same
 * format, and raw or qcow2 at the end. */
ReplChain *
replChainOpen(const ReplPoolSet *set, const ReplPoolDir *pool, const char *volume, GError **err);

/* A regular file that is a copy of a layer from elsewhere. */
typedef struct {
    const char *volume; /* as the layer is called there */
    ReplFormat format;
    int fd;
    gboolean isBase; /* it stands on no other one */
} ReplChainFile;

/* The chain whose layers are @files, @count of them, top first, of @pool; of several disks (a full machine's) chain after
 * chain. Nothing is looked for by the names that their headers have. The descriptors are taken, also on errors. NULL with
 * @err set, as replChainOpen() says of headers. */
ReplChain *
replChainOfFiles(const ReplPoolDir *pool, const ReplChainFile *files, guint count, GError **err);

void
replChainFree(ReplChain *chain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplChain, replChainFree)

static inline const ReplLayer *
replChainLayer(const ReplChain *chain, guint index)
{
    return g_ptr_array_index(chain->layers, index);
}

/* The index behind the last layer that is below layer @index. */
static inline guint
replChainEnd(const ReplChain *chain, guint index)
{
    while (index < chain->layers->len && replChainLayer(chain, index)->backingVolume)
        index++;
    return MIN(index + 1, chain->layers->len);
}

/* Whether no layer of the chain stands on layer @index. */
static inline gboolean
replChainIsTop(const ReplChain *chain, guint index)
{
    return index == 0 || !replChainLayer(chain, index - 1)->backingVolume;
}

/* Holds all layers with qemu's own image locks until the chain is freed: no process of qemu can open one
 * for writing, and one that has it open for writing makes this fail. Returns 0, or -1 with @err set
 * (VIR_ERR_OPERATION_INVALID naming the volume) and nothing locked. */
int
replChainLock(const ReplChain *chain, GError **err);

/* Whether any layer was written, replaced in place or changed in its attributes since it was opened.
 * Returns 0 when nothing was, or -1 with @err set (VIR_ERR_OPERATION_INVALID naming the volume). */
int
replChainChanged(const ReplChain *chain, GError **err);
