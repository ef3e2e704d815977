/*
 * have.c: what the destination of a bundle has already, as an inventory or another bundle tells
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/have.h"

#include "base/error.h"
#include "base/fd.h"
#include "bundle/content.h"
#include "bundle/open.h"
#include "bundle/unpack.h"
#include "endpoint/open.h"
#include "peer/kind.h"
#include "peer/remote.h"
#include "region/region.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static void
replHaveFileFree(ReplHaveFile *have)
{
    replBundleFree(have->bundle);
    replFdClose(have->fd);
    g_free(have->volume);
    g_free(have);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplHaveFile, replHaveFileFree)

/* The directory of the pool that is called so, when the volume may be read. */
static ReplPoolDir *
replHavePool(ReplConn *conn, const ReplHave *have, GError **err)
{
    g_autoptr(ReplPool) pool = replNext.storagePoolLookupByName(conn, have->pool);
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!pool || virStoragePoolGetUUID(pool, uuid) < 0 ||
        replAccessVol(conn, uuid, have->volume, replVirt.StorageVolDownloadEnsureACL) < 0) {
        replTakeError(err);
        return NULL;
    }
    replUuidFormat(uuid, uuidstr);
    return replRegionAnyDir(uuidstr, err);
}

/* An inventory in the pool @entry of another host: it is small, and read at once. */
static ReplBundle *
replHaveFetch(ReplConn *conn, const ReplPeerPoolEntry *entry, const ReplHave *have, GError **err)
{
    const ReplRequest asIs = {.sourceIs = REPL_SOURCE_IS_IMAGE};
    g_autoptr(ReplSource) source = NULL;
    g_autoptr(ReplReader) reader = NULL;
    g_autoptr(ReplBundle) bundle = NULL;
    const ReplSourceFacts *facts;
    ReplBundleFile file = {.fd = -1, .what = have->volume};
    int module;

    if (replRemoteMayVol(conn, entry, have->volume, replVirt.StorageVolDownloadEnsureACL) < 0) {
        replTakeError(err);
        return NULL;
    }
    if ((module = replPeerHasModule(entry, err)) <= 0) {
        if (module == 0)
            replErrorSet(err, VIR_ERR_NO_SUPPORT,
                         _("Pool '%s' of <replication:have> is on a host without the module"), have->pool);
        return NULL;
    }
    source = replEndpointSource(entry->pool->def->uuid, have->volume, REPL_SOURCE_IS_IMAGE);
    if (replSourceHold(source, err) < 0 || replSourceDescribe(source, &asIs, &facts, err) < 0 ||
        !(reader = replSourceOpenLayer(source, 0, err)))
        return NULL;
    file.reader = reader;
    file.size_bytes = facts->layers[0].size_bytes;
    if (!(bundle = replBundleOpen(&file, err)) || replBundleIsInventory(bundle))
        return g_steal_pointer(&bundle);
    replErrorSet(err, VIR_ERR_NO_SUPPORT,
                 _("'%s' in <replication:have> is on another host and no inventory: write one there"),
                 have->volume);
    return NULL;
}

/* A bundle in a pool of this host. Returns 0, or -1 with @err set. */
static int
replHaveHere(ReplConn *conn, const ReplHave *have, ReplHaveFile *file, GError **err)
{
    g_autoptr(ReplPoolDir) dir = replHavePool(conn, have, err);

    file->fd = dir ? replPoolDirOpen(dir, have->volume, err) : -1;
    file->file = replBundleFileOf(file->fd, file->volume);
    return file->fd >= 0 && (file->bundle = replBundleOpen(&file->file, err)) ? 0 : -1;
}

static ReplHaveFile *
replHaveOpen(ReplConn *conn, const ReplHave *have, GError **err)
{
    g_autoptr(ReplPeerPoolEntry) entry = replPeerPoolsFindName(have->pool);
    g_autoptr(ReplHaveFile) file = g_new0(ReplHaveFile, 1);

    file->volume = g_strdup(have->volume);
    file->fd = -1;
    if (entry ? !(file->bundle = replHaveFetch(conn, entry, have, err))
              : replHaveHere(conn, have, file, err) < 0)
        return NULL;
    return g_steal_pointer(&file);
}

GPtrArray *
replHavesOpen(const ReplRequest *request, GError **err)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)replHaveFileFree);
    g_autoptr(ReplConn) conn = NULL;

    if (request->have->len > 0 && !(conn = replVirt.GetConnectStorage())) {
        replTakeError(err);
        return NULL;
    }
    for (guint i = 0; i < request->have->len; i++) {
        ReplHaveFile *file = replHaveOpen(conn, g_ptr_array_index(request->have, i), err);

        if (!file)
            return NULL;
        g_ptr_array_add(files, file);
    }
    return g_steal_pointer(&files);
}

static gboolean
replHaveFits(const ReplBundleLayer *has, const ReplBundleLayer *layer)
{
    return has->format == layer->format && has->size_bytes == layer->size_bytes &&
           has->virtualSize_bytes == layer->virtualSize_bytes;
}

gboolean
replHaveMayHold(const ReplHaveFile *have, const ReplBundleLayer *layer)
{
    for (guint i = 0; i < have->bundle->layers->len; i++) {
        if (replHaveFits(replBundleLayer(have->bundle, i), layer))
            return TRUE;
    }
    return FALSE;
}

/* The digest that an inventory tells, or that of the layer in a bundle, which is read once for it. */
static int
replHaveDigest(ReplHaveFile *have, guint index, int (*proceed)(void *opaque, guint64 bytes, GError **err),
               void *opaque, GError **err)
{
    ReplBundleLayer *layer = replBundleLayer(have->bundle, index);
    const ReplContent content = {.volume = layer->volume,
                                 .format = layer->format,
                                 .size_bytes = layer->size_bytes,
                                 .proceed = proceed,
                                 .opaque = opaque};
    g_autoptr(ReplReader) reader = NULL;
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];

    if (layer->content)
        return 0;
    if (!(reader = replBundleReaderNew(have->bundle, index, &have->file, err)) ||
        replContentDigest(reader, &content, digest, err) < 0)
        return -1;
    layer->content = g_strdup(digest);
    return 0;
}

int
replHaveHolds(ReplHaveFile *have, const ReplBundleLayer *layer,
              int (*proceed)(void *opaque, guint64 bytes, GError **err), void *opaque, GError **err)
{
    for (guint i = 0; i < have->bundle->layers->len; i++) {
        const ReplBundleLayer *has = replBundleLayer(have->bundle, i);

        if (!replHaveFits(has, layer))
            continue;
        if (replHaveDigest(have, i, proceed, opaque, err) < 0)
            return -1;
        if (g_str_equal(has->content, layer->content))
            return 1;
    }
    return 0;
}
