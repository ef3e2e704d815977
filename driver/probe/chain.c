/*
 * chain.c: the backing chain of a volume, opened, confined and checked
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/chain.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "probe/backing.h"
#include "store/files.h"
#include "store/imagelock.h"

static void
replLayerFree(gpointer opaque)
{
    ReplLayer *layer = opaque;

    replPoolDirUnref(layer->pool);
    g_free(layer->volume);
    replFdClose(layer->fd);
    replQcow2HeaderFree(layer->qcow2);
    replForeignFree(layer->foreign);
    g_free(layer->backingVolume);
    g_free(layer);
}

void
replChainFree(ReplChain *chain)
{
    if (!chain)
        return;
    g_ptr_array_unref(chain->layers);
    g_free(chain);
}

static ReplLayer *
replChainAppend(ReplChain *chain, const ReplPoolDir *pool, const char *volume, int fd)
{
    ReplLayer *layer = g_new0(ReplLayer, 1);

    layer->pool = replPoolDirRef(pool);
    layer->volume = g_strdup(volume);
    layer->fd = fd;
    g_ptr_array_add(chain->layers, layer);
    return layer;
}

static int
replChainStat(ReplLayer *layer, GError **err)
{
    if (fstat(layer->fd, &layer->st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s' of storage pool '%s'"), layer->volume,
                           layer->pool->name);
        return -1;
    }
    replIdentityOfStat(&layer->st, &layer->identity);
    layer->allocated_bytes = (guint64)layer->st.st_blocks * 512;
    return 0;
}

/* Appends the layer that is the file @volume of @pool, and knows no more than stat tells of it. */
static ReplLayer *
replChainAdd(ReplChain *chain, const ReplPoolDir *pool, const char *volume, GError **err)
{
    ReplLayer *layer = replChainAppend(chain, pool, volume, -1);

    if ((layer->fd = replPoolDirOpen(pool, volume, err)) < 0)
        return NULL;
    return replChainStat(layer, err) < 0 ? NULL : layer;
}

/* Whether the file of @layer is one above it, too. */
static int
replChainCheckLoop(const ReplChain *chain, const ReplLayer *layer, GError **err)
{
    guint i;

    for (i = 0; i + 1 < chain->layers->len; i++) {
        const ReplLayer *above = replChainLayer(chain, i);

        if (above->st.st_dev != layer->st.st_dev || above->st.st_ino != layer->st.st_ino)
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The backing chain of volume '%s' is a loop: volume '%s' is a backing file of "
                       "itself"),
                     replChainLayer(chain, 0)->volume, above->volume);
        return -1;
    }
    return 0;
}

/* The backing name and its format as @layer has them, NULL: none, and not stated. */
static const char *
replChainBacking(const ReplLayer *layer, const char **stated)
{
    *stated = NULL;
    if (layer->foreign) {
        *stated = layer->foreign->backingFormat;
        return layer->foreign->backing;
    }
    if (!layer->qcow2)
        return NULL;
    *stated = layer->qcow2->backingFormat;
    return layer->qcow2->backing;
}

/* What the format of a backing file is, of which the layer above says @stated (NULL: nothing). */
static int
replChainBackingFormat(const ReplChain *chain, ReplLayer *layer, const char *stated, GError **err)
{
    const ReplLayer *above = replChainLayer(chain, chain->layers->len - 2);
    g_autofree char *shown = stated ? replPrintable(stated) : NULL;
    int format;

    if (!stated)
        return replFormatProbe(layer->fd, layer->volume, &layer->format, err);
    format = replFormatFromString(stated);
    /* libvirt knows no backing file that is LUKS as a whole. */
    if (format < 0 || format == REPL_FORMAT_LUKS) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' has a backing file '%s' of format '%s', which is not supported"),
                     above->volume, layer->volume, shown);
        return -1;
    }
    layer->format = format;
    return 0;
}

/* A file below another one whose format nobody stated. A guest that owns a raw disk writes there what
 * it likes, and could pass it off as an image with a backing file of its choice; so what is guessed may
 * be no more than the end of the chain. libvirt draws the line at the same place. */
static int
replChainCheckGuess(const ReplChain *chain, const ReplLayer *layer, GError **err)
{
    const ReplLayer *above = replChainLayer(chain, chain->layers->len - 2);

    if (layer->format == REPL_FORMAT_RAW || (layer->format == REPL_FORMAT_QCOW2 && !layer->qcow2->backing) ||
        (above->foreign && layer->format == above->format && !layer->foreign->backing))
        return 0;
    if (above->foreign) {
        replErrorSet(
            err, VIR_ERR_OPERATION_INVALID,
            _("The format '%s' of volume '%s' does not say the format of its backing file '%s', which "
              "looks like '%s' but may be raw; convert the volume to qcow2 first"),
            replFormatToString(above->format), above->volume, layer->volume,
            replFormatToString(layer->format));
        return -1;
    }
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' does not say the format of its backing file '%s', which looks like "
                   "'%s' but may be raw; state it with 'qemu-img rebase -u -F'"),
                 above->volume, layer->volume, replFormatToString(layer->format));
    return -1;
}

static int
replChainReadHeader(ReplLayer *layer, GError **err)
{
    if (layer->format == REPL_FORMAT_RAW || layer->format == REPL_FORMAT_LUKS)
        layer->virtualSize_bytes = layer->st.st_size;
    if (replIsForeign(layer->format)) {
        if (!(layer->foreign = replForeignRead(layer->fd, layer->format, layer->volume, err)))
            return -1;
        layer->virtualSize_bytes = layer->foreign->virtualSize_bytes;
    }
    if (layer->format != REPL_FORMAT_QCOW2)
        return 0;
    if (!(layer->qcow2 = replQcow2HeaderRead(layer->fd, layer->volume, err)))
        return -1;
    layer->virtualSize_bytes = layer->qcow2->virtualSize_bytes;
    if (layer->qcow2->hasDataFile || layer->qcow2->dataFile) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' of storage pool '%s' has an external data file, which is not "
                       "supported"),
                     layer->volume, layer->pool->name);
        return -1;
    }
    return 0;
}

/* Opens the file that @above is backed by. */
static ReplLayer *
replChainAddBacking(ReplChain *chain, const ReplPoolDir *pool, const ReplLayer *above, GError **err)
{
    g_autoptr(GError) local = NULL;
    ReplLayer *layer = replChainAdd(chain, pool, above->backingVolume, &local);

    if (!layer && g_error_matches(local, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL))
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL,
                     _("The backing file '%s' of volume '%s' is missing in storage pool '%s'"),
                     above->backingVolume, above->volume, pool->name);
    else if (!layer)
        g_propagate_error(err, g_steal_pointer(&local));
    return layer;
}

/* Opens the layer below the last one, if there is one: 1 done, 0 the chain is complete. */
static int
replChainDescend(ReplChain *chain, const ReplPoolSet *set, GError **err)
{
    const ReplLayer *above = replChainLayer(chain, chain->layers->len - 1);
    const ReplLayer *top = replChainLayer(chain, 0);
    const char *stated;
    const char *backing = replChainBacking(above, &stated);
    const ReplPoolDir *pool;
    ReplLayer *layer;

    if (!backing)
        return 0;
    if (chain->layers->len == REPL_CHAIN_MAX) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The backing chain of volume '%s' of storage pool '%s' has more than %d "
                       "layers"),
                     top->volume, top->pool->name, REPL_CHAIN_MAX);
        return -1;
    }
    pool = replBackingResolve(set, above->pool, above->volume, backing, &((ReplLayer *)above)->backingVolume,
                              err);
    if (!pool)
        return -1;
    if (!(layer = replChainAddBacking(chain, pool, above, err)))
        return -1;
    if (replChainCheckLoop(chain, layer, err) < 0 || replChainBackingFormat(chain, layer, stated, err) < 0 ||
        replChainReadHeader(layer, err) < 0)
        return -1;
    if (!stated && replChainCheckGuess(chain, layer, err) < 0)
        return -1;
    return 1;
}

ReplChain *
replChainOpen(const ReplPoolSet *set, const ReplPoolDir *pool, const char *volume, GError **err)
{
    g_autoptr(ReplChain) chain = g_new0(ReplChain, 1);
    ReplLayer *top;
    int ret;

    chain->layers = g_ptr_array_new_with_free_func(replLayerFree);
    if (!(top = replChainAdd(chain, pool, volume, err)))
        return NULL;
    if (replFormatProbe(top->fd, top->volume, &top->format, err) < 0 || replChainReadHeader(top, err) < 0)
        return NULL;
    while ((ret = replChainDescend(chain, set, err)) > 0)
        ;
    return ret < 0 ? NULL : g_steal_pointer(&chain);
}

ReplChain *
replChainOfFiles(const ReplPoolDir *pool, const ReplChainFile *files, guint count, GError **err)
{
    g_autoptr(ReplChain) chain = g_new0(ReplChain, 1);
    guint i;

    chain->layers = g_ptr_array_new_with_free_func(replLayerFree);
    for (i = 0; i < count; i++) {
        ReplLayer *layer = replChainAppend(chain, pool, files[i].volume, files[i].fd);

        layer->format = files[i].format;
        layer->backingVolume = files[i].isBase || i + 1 == count ? NULL : g_strdup(files[i + 1].volume);
    }
    for (i = 0; i < count; i++) {
        ReplLayer *layer = g_ptr_array_index(chain->layers, i);

        if (replChainStat(layer, err) < 0 || replChainReadHeader(layer, err) < 0)
            return NULL;
    }
    return g_steal_pointer(&chain);
}

int
replChainLock(const ReplChain *chain, GError **err)
{
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        if (replImageLockRead(replChainLayer(chain, i)->fd, replChainLayer(chain, i)->volume, err) == 0)
            continue;
        while (i-- > 0)
            replImageUnlock(replChainLayer(chain, i)->fd);
        return -1;
    }
    return 0;
}

int
replChainChanged(const ReplChain *chain, GError **err)
{
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(chain, i);
        ReplFileIdentity now;
        struct stat st;

        if (fstat(layer->fd, &st) < 0) {
            replErrorSetSystem(err, errno, _("Cannot read volume '%s' of storage pool '%s'"), layer->volume,
                               layer->pool->name);
            return -1;
        }
        replIdentityOfStat(&st, &now);
        if (replFileIdentityEqual(&now, &layer->identity))
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' was changed while it was being replicated"),
                     layer->volume, layer->pool->name);
        return -1;
    }
    return 0;
}
