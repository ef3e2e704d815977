/*
 * donors.c: which volumes may be asked for the blocks of a damaged image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/donors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "probe/chain.h"
#include "store/record.h"
#include "virt/access.h"

/* One layer of the image, with its record. */
typedef struct {
    const ReplLayer *layer; /* borrowed */
    ReplImage *own;         /* NULL: none */
} ReplDonorLayer;

typedef struct {
    GArray *layers; /* of ReplDonorLayer */
    ReplConn *conn;
    const ReplPoolDir *pool; /* that is looked at */
    GHashTable *names;       /* of its volumes: candidates */
    GHashTable *donors;
} ReplDonorSearch;

static void
donorLayerClear(gpointer opaque)
{
    replImageFree(((ReplDonorLayer *)opaque)->own);
}

static char *
donorKey(const ReplPoolDir *pool, const char *volume)
{
    return g_strdup_printf("%s/%s", pool->uuid, volume);
}

gboolean
replDonorsMay(GHashTable *donors, const ReplPoolDir *pool, const char *volume)
{
    g_autofree char *key = donors ? donorKey(pool, volume) : NULL;

    return !donors || g_hash_table_contains(donors, key);
}

static gboolean
donorIsKin(const ReplImage *image, const ReplDonorLayer *of)
{
    if (!image->hasOrigin || !image->originPool)
        return FALSE;
    if (g_str_equal(image->originPool, of->layer->pool->uuid) && image->origin.ino == of->layer->identity.ino)
        return TRUE;
    return of->own && of->own->hasOrigin && g_strcmp0(image->originPool, of->own->originPool) == 0 &&
           image->origin.ino == of->own->origin.ino;
}

static void
donorVisit(const char *volume, const ReplImage *image, void *opaque)
{
    ReplDonorSearch *search = opaque;
    guint i;

    for (i = 0; i < search->layers->len; i++) {
        if (donorIsKin(image, &g_array_index(search->layers, ReplDonorLayer, i)))
            g_hash_table_add(search->names, g_strdup(volume));
    }
}

/* The files of the pool that layers were copied from. */
static void
donorAddSources(ReplDonorSearch *search)
{
    g_auto(GStrv) names = replPoolDirTaken(search->pool, NULL);
    struct stat st;
    guint i, k;

    for (k = 0; names && names[k]; k++) {
        if (fstatat(search->pool->dirFd, names[k], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        for (i = 0; i < search->layers->len; i++) {
            const ReplImage *own = g_array_index(search->layers, ReplDonorLayer, i).own;

            if (own && own->hasOrigin && g_strcmp0(own->originPool, search->pool->uuid) == 0 &&
                own->origin.ino == (guint64)st.st_ino)
                g_hash_table_add(search->names, g_strdup(names[k]));
        }
    }
}

/* Keeps those that the caller may read. */
static void
donorAsk(ReplDonorSearch *search)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    GHashTableIter iter;
    gpointer name;
    struct stat st;

    if (!replUuidParse(search->pool->uuid, uuid))
        return;
    g_hash_table_iter_init(&iter, search->names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (fstatat(search->pool->dirFd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            replAccessVol(search->conn, uuid, name, replVirt.StorageVolDownloadEnsureACL) == 0)
            g_hash_table_add(search->donors, donorKey(search->pool, name));
    }
    virResetLastError();
}

static void
donorPool(ReplDonorSearch *search, const ReplPoolDir *pool)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(pool->uuid);
    g_autoptr(ReplStaging) staging = region && region->dir ? replRegionStaging(region, FALSE, NULL) : NULL;
    guint i;

    search->pool = pool;
    g_hash_table_remove_all(search->names);
    for (i = 0; i < search->layers->len; i++)
        g_hash_table_add(search->names,
                         g_strdup(g_array_index(search->layers, ReplDonorLayer, i).layer->volume));
    donorAddSources(search);
    if (staging)
        replRecordEach(staging, donorVisit, search, NULL);
    donorAsk(search);
}

static GArray *
donorLayers(const ReplChain *chain)
{
    GArray *layers = g_array_new(FALSE, TRUE, sizeof(ReplDonorLayer));
    guint i;

    g_array_set_clear_func(layers, donorLayerClear);
    for (i = 0; i < chain->layers->len; i++) {
        ReplDonorLayer layer = {replChainLayer(chain, i), NULL};
        g_autoptr(ReplRegion) region = replRegionOfUuidString(layer.layer->pool->uuid);
        g_autoptr(ReplStaging) staging =
            region && region->dir ? replRegionStaging(region, FALSE, NULL) : NULL;

        layer.own = staging ? replRecordLoad(staging, layer.layer->volume, NULL) : NULL;
        g_array_append_val(layers, layer);
    }
    return layers;
}

GHashTable *
replDonorsFind(const ReplRegion *region, const char *volume, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    g_autoptr(ReplPoolSet) own = replRegionsSet(region->label->name);
    const ReplPoolDir *ownDir = replPoolSetFindUuid(own, region->uuidstr);
    g_autoptr(ReplChain) chain = ownDir ? replChainOpen(own, ownDir, volume, err) : NULL;
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) layers = chain ? donorLayers(chain) : NULL;
    ReplDonorSearch search = {layers, conn, NULL, names, NULL};
    guint i;

    if (!chain || !conn || !dir) {
        if (err && !*err)
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return NULL;
    }
    search.donors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(set->pools, i);

        if (pool->label && g_str_equal(pool->label->project, region->label->project))
            donorPool(&search, pool);
    }
    return search.donors;
}
