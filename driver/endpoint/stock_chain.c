/*
 * stock_chain.c: the backing chain of a volume on a peer without the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_chain.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "probe/backing.h"
#include "probe/chain.h"
#include "qcow2/header.h"

#define REPL_STOCK_HEAD_bytes 65536u

static void
replStockLayerFree(gpointer opaque)
{
    ReplStockLayer *layer = opaque;

    g_free(layer->volume);
    g_free(layer->secretUuid);
    g_free(layer->secretUsage);
    g_free(layer);
}

static ReplStockChain *
replStockChainNew(void)
{
    ReplStockChain *chain = g_new0(ReplStockChain, 1);

    chain->layers = g_ptr_array_new_with_free_func(replStockLayerFree);
    return chain;
}

void
replStockChainFree(ReplStockChain *chain)
{
    if (!chain)
        return;
    g_ptr_array_unref(chain->layers);
    g_free(chain);
}

/* One look, in the line's thread. */
typedef struct {
    ReplLineWork work;
    char *pool; /* as this host calls it */
    char *path; /* of the pool there; NULL: not known */
    char *volume;
    ReplStockChain *chain; /* result */
} ReplStockLook;

static void
replStockLookClear(ReplLineWork *work)
{
    ReplStockLook *look = (ReplStockLook *)work;

    g_free(look->pool);
    g_free(look->path);
    g_free(look->volume);
    replStockChainFree(look->chain);
}

/* The times and the size are what there is to tell a file by. */
static ReplFileIdentity
replStockIdentity(const char *volume, const ReplStockFile *file)
{
    return (ReplFileIdentity){.ino = g_str_hash(volume),
                              .size_bytes = file->size_bytes,
                              .mtime_ns = file->mtime_ns,
                              .ctime_ns = file->ctime_ns};
}

/* --- one layer --- */

/* The file's first bytes as a file of this host that has its size: @len bytes of it, or less. -1 with @err set. */
static int
replStockHead(ReplStockLook *look, ReplLink *link, virStoragePoolPtr pool, const char *volume,
              guint64 size_bytes, gsize len, GError **err)
{
    gsize wanted = MIN(len, size_bytes);
    g_autofree guint8 *buf = g_malloc(MAX(wanted, 1));
    g_auto(ReplFd) fd = memfd_create("repl-head", MFD_CLOEXEC);
    gssize got = replStockRead(&look->work, link, pool, volume, 0, buf, wanted, err);

    if (got < 0)
        return -1;
    if ((gsize)got < wanted) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' was changed while it was replicated"), volume, look->pool);
        return -1;
    }
    if (fd < 0 || replPwriteFull(fd, buf, got, 0) < 0 || ftruncate(fd, size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot keep the header of volume '%s'"), volume);
        return -1;
    }
    return replFdSteal(&fd);
}

/* The header needs its whole first cluster, which may be larger than what is fetched at first. */
static ReplQcow2Header *
replStockHeader(ReplStockLook *look, ReplLink *link, virStoragePoolPtr pool, const char *volume,
                guint64 size_bytes, int *fd, GError **err)
{
    guint8 start[24];
    guint32 bits;

    if (replPreadFull(*fd, start, sizeof(start), 0) == (gssize)sizeof(start)) {
        memcpy(&bits, start + 20, sizeof(bits));
        bits = GUINT32_FROM_BE(bits);
        if (bits > 16 && bits <= REPL_QCOW2_MAX_CLUSTER_BITS) {
            replFdClose(*fd);
            *fd = replStockHead(look, link, pool, volume, size_bytes, 1u << bits, err);
            if (*fd < 0)
                return NULL;
        }
    }
    return replQcow2HeaderRead(*fd, volume, err);
}

/* Where the backing name leads: a volume of the same pool. NULL with @err set. */
static char *
replStockBelow(const ReplStockLook *look, const char *volume, const char *backing, GError **err)
{
    g_autofree char *shown = replPrintable(backing);
    const char *slash = strrchr(backing, '/');
    const char *name = slash ? slash + 1 : backing;
    g_autofree char *dir = slash ? g_strndup(backing, slash - backing) : NULL;

    if (replBackingHasProtocol(backing)) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("The backing name '%s' of volume '%s' in storage pool '%s' is not a file of "
                       "a storage pool, which is not supported"),
                     shown, volume, look->pool);
        return NULL;
    }
    if ((!dir || g_str_equal(dir, ".") || (look->path && g_str_equal(dir, look->path))) &&
        replIsVolumeName(name))
        return g_strdup(name);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("The backing file '%s' of volume '%s' in storage pool '%s' is outside of the "
                   "pools of its region"),
                 shown, volume, look->pool);
    return NULL;
}

static int
replStockJudge(const ReplStockLook *look, ReplStockLayer *layer, const ReplQcow2Header *header, char **below,
               ReplFormat *belowFormat, GError **err)
{
    int format;

    layer->virtualSize_bytes = header->virtualSize_bytes;
    layer->encrypted = header->cryptMethod != REPL_QCOW2_CRYPT_NONE;
    layer->snapshotCount = header->snapshotCount;
    layer->bitmapCount = header->bitmapCount;
    if (header->hasDataFile || header->dataFile) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' of pool '%s' keeps its data in another file, which is not supported"),
                     layer->volume, look->pool);
        return -1;
    }
    if (!header->backing)
        return 0;
    format = header->backingFormat ? replFormatFromString(header->backingFormat) : -1;
    if (format != REPL_FORMAT_QCOW2 && format != REPL_FORMAT_RAW) {
        replErrorSet(
            err, VIR_ERR_OPERATION_INVALID,
            _("Volume '%s' of pool '%s' does not say that the format of its backing file is qcow2 or raw"),
            layer->volume, look->pool);
        return -1;
    }
    *belowFormat = format;
    return (*below = replStockBelow(look, layer->volume, header->backing, err)) ? 0 : -1;
}

/* Looks at one layer, whose format is *format, or for the image itself (@isImage) what its header says. Sets *below and *format
 * of the next one; *below stays NULL at the end. */
static int
replStockLookLayer(ReplStockLook *look, ReplLink *link, virStoragePoolPtr pool, const char *volume,
                   gboolean isImage, char **below, ReplFormat *format, GError **err)
{
    ReplStockLayer *layer = g_new0(ReplStockLayer, 1);
    g_auto(ReplStockFile) file = {0};
    g_autoptr(ReplQcow2Header) header = NULL;
    g_auto(ReplFd) fd = -1;
    int rc;

    layer->volume = g_strdup(volume);
    g_ptr_array_add(look->chain->layers, layer);
    if ((rc = replStockStat(link, pool, volume, &file, err)) <= 0) {
        if (rc == 0)
            replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("Storage pool '%s' has no volume '%s'"), look->pool,
                         volume);
        return -1;
    }
    layer->identity = replStockIdentity(volume, &file);
    layer->secretUuid = g_steal_pointer(&file.secretUuid);
    layer->secretUsage = g_steal_pointer(&file.secretUsage);
    layer->allocated_bytes = MIN(file.allocated_bytes, file.size_bytes);
    layer->virtualSize_bytes = file.size_bytes;
    if (file.size_bytes == 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is empty"), volume,
                     look->pool);
        return -1;
    }
    if ((fd = replStockHead(look, link, pool, volume, file.size_bytes, REPL_STOCK_HEAD_bytes, err)) < 0 ||
        (isImage && replFormatProbe(fd, volume, format, err) < 0))
        return -1;
    layer->format = *format;
    layer->encrypted = *format == REPL_FORMAT_LUKS;
    if (*format != REPL_FORMAT_QCOW2)
        return 0;
    if (!(header = replStockHeader(look, link, pool, volume, file.size_bytes, &fd, err)))
        return -1;
    return replStockJudge(look, layer, header, below, format, err);
}

static gboolean
replStockChainHas(const ReplStockChain *chain, const char *volume)
{
    for (guint i = 0; i < chain->layers->len; i++) {
        if (g_str_equal(replStockChainLayer(chain, i)->volume, volume))
            return TRUE;
    }
    return FALSE;
}

static int
replStockLookRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockLook *look = (ReplStockLook *)work;
    g_autofree char *volume = g_strdup(look->volume);
    ReplFormat format = REPL_FORMAT_RAW;

    look->chain = replStockChainNew();
    while (volume) {
        g_autofree char *below = NULL;

        if (look->chain->layers->len == REPL_CHAIN_MAX || replStockChainHas(look->chain, volume)) {
            replErrorSet(
                err, VIR_ERR_OPERATION_INVALID,
                _("The backing chain of volume '%s' in pool '%s' is a loop, or longer than %u layers"),
                look->volume, look->pool, REPL_CHAIN_MAX);
            return -1;
        }
        replLineMoved(work);
        if (replStockLookLayer(look, link, pool, volume, look->chain->layers->len == 0, &below, &format,
                               err) < 0)
            return -1;
        g_free(volume);
        volume = g_steal_pointer(&below);
    }
    return 0;
}

typedef struct {
    const ReplPeerPoolEntry *entry;
    const char *volume;
} ReplStockLookAt;

static ReplLineWork *
replStockLookNew(gpointer opaque)
{
    const ReplStockLookAt *at = opaque;
    ReplStockLook *look = replLineWorkNew(sizeof(*look), replStockLookRun, replStockLookClear);

    look->pool = g_strdup(at->entry->pool->def->name);
    look->volume = g_strdup(at->volume);
    replPeerPoolSeen(at->entry->pool, NULL, NULL, &look->path);
    return &look->work;
}

ReplStockChain *
replStockChainLook(ReplLine *line, const ReplPeerPoolEntry *entry, const char *volume, GError **err)
{
    ReplStockLookAt at = {entry, volume};
    g_autoptr(ReplLineWork) work = replLineDo(line, replStockLookNew, &at, err);

    return work ? g_steal_pointer(&((ReplStockLook *)work)->chain) : NULL;
}

/* --- and again --- */

typedef struct {
    ReplLineWork work;
    GPtrArray *volumes;
    GArray *identities; /* result: of ReplFileIdentity */
} ReplStockAgain;

static void
replStockAgainClear(ReplLineWork *work)
{
    ReplStockAgain *again = (ReplStockAgain *)work;

    g_ptr_array_unref(again->volumes);
    g_array_unref(again->identities);
}

static int
replStockAgainRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockAgain *again = (ReplStockAgain *)work;

    for (guint i = 0; i < again->volumes->len; i++) {
        const char *volume = g_ptr_array_index(again->volumes, i);
        g_auto(ReplStockFile) file = {0};
        ReplFileIdentity now = {0};
        int rc = replStockStat(link, pool, volume, &file, err);

        if (rc < 0)
            return -1;
        if (rc > 0)
            now = replStockIdentity(volume, &file);
        g_array_append_val(again->identities, now);
        replLineMoved(work);
    }
    return 0;
}

static ReplLineWork *
replStockAgainNew(gpointer opaque)
{
    const ReplStockChain *chain = opaque;
    ReplStockAgain *again = replLineWorkNew(sizeof(*again), replStockAgainRun, replStockAgainClear);

    again->volumes = g_ptr_array_new_with_free_func(g_free);
    again->identities = g_array_new(FALSE, TRUE, sizeof(ReplFileIdentity));
    for (guint i = 0; i < chain->layers->len; i++)
        g_ptr_array_add(again->volumes, g_strdup(replStockChainLayer(chain, i)->volume));
    return &again->work;
}

int
replStockChainUnchanged(ReplLine *line, const ReplPeerPoolEntry *entry, const ReplStockChain *chain,
                        GError **err)
{
    g_autoptr(ReplLineWork) work = replLineDo(line, replStockAgainNew, (gpointer)chain, err);

    if (!work)
        return -1;
    for (guint i = 0; i < chain->layers->len; i++) {
        const ReplStockLayer *layer = replStockChainLayer(chain, i);

        if (replFileIdentityEqual(&layer->identity,
                                  &g_array_index(((ReplStockAgain *)work)->identities, ReplFileIdentity, i)))
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' was changed while it was replicated"), layer->volume,
                     entry->pool->def->name);
        return -1;
    }
    return 0;
}
