/*
 * catalog.c: which image has which id, and which ones are shared
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/catalog.h"

#include "base/lock.h"

typedef struct {
    char *volume;
    char *id;
    GPtrArray *shares; /* of ReplShare; NULL: none */
} ReplCatalogEntry;

struct _ReplCatalog {
    ReplLock lock; /* guards all below; held while the records are listed */
    gboolean loaded;
    GHashTable *byVolume; /* volume -> ReplCatalogEntry, owned */
    GHashTable *byId;     /* id -> the same */
    GHashTable *shared;   /* a set of the same: those with shares */
};

static void
replCatalogEntryFree(gpointer opaque)
{
    ReplCatalogEntry *entry = opaque;

    g_free(entry->volume);
    g_free(entry->id);
    if (entry->shares)
        g_ptr_array_unref(entry->shares);
    g_free(entry);
}

ReplCatalog *
replCatalogNew(void)
{
    ReplCatalog *catalog = g_new0(ReplCatalog, 1);

    replLockInit(&catalog->lock);
    catalog->byVolume = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replCatalogEntryFree);
    catalog->byId = g_hash_table_new(g_str_hash, g_str_equal);
    catalog->shared = g_hash_table_new(NULL, NULL);
    return catalog;
}

void
replCatalogFree(ReplCatalog *catalog)
{
    if (!catalog)
        return;
    g_hash_table_unref(catalog->shared);
    g_hash_table_unref(catalog->byId);
    g_hash_table_unref(catalog->byVolume);
    replLockClear(&catalog->lock);
    g_free(catalog);
}

/* Called with the lock held. */
static void
replCatalogRemove(ReplCatalog *catalog, const char *volume)
{
    ReplCatalogEntry *entry = g_hash_table_lookup(catalog->byVolume, volume);

    if (!entry)
        return;
    if (g_hash_table_lookup(catalog->byId, entry->id) == entry)
        g_hash_table_remove(catalog->byId, entry->id);
    g_hash_table_remove(catalog->shared, entry);
    g_hash_table_remove(catalog->byVolume, volume);
}

/* Called with the lock held. */
static void
replCatalogAdd(ReplCatalog *catalog, const char *volume, const ReplImage *image)
{
    ReplCatalogEntry *entry = g_new0(ReplCatalogEntry, 1);
    guint i;

    entry->volume = g_strdup(volume);
    entry->id = g_strdup(image->id);
    if (image->shares->len > 0)
        entry->shares = g_ptr_array_new_with_free_func((GDestroyNotify)replShareFree);
    for (i = 0; i < image->shares->len; i++) {
        const ReplShare *share = g_ptr_array_index(image->shares, i);

        g_ptr_array_add(entry->shares, replShareNew(share->project, share->state));
    }
    replCatalogRemove(catalog, volume);
    g_hash_table_insert(catalog->byVolume, entry->volume, entry);
    /* With the key that lives as long as the entry. */
    g_hash_table_replace(catalog->byId, entry->id, entry);
    if (entry->shares)
        g_hash_table_add(catalog->shared, entry);
}

static void
replCatalogTake(const char *volume, const ReplImage *image, void *opaque)
{
    replCatalogAdd(opaque, volume, image);
}

int
replCatalogEnsure(ReplCatalog *catalog,
                  int (*load)(void (*take)(const char *volume, const ReplImage *image, void *opaque),
                              void *opaque, void *source),
                  void *source)
{
    int rc = 0;

    replLockTake(&catalog->lock);
    /* What could not be listed is asked for again. */
    if (!catalog->loaded && (rc = load(replCatalogTake, catalog, source)) == 0)
        catalog->loaded = TRUE;
    replLockDrop(&catalog->lock);
    return rc;
}

char *
replCatalogFind(ReplCatalog *catalog, const char *id)
{
    const ReplCatalogEntry *entry;
    char *volume;

    replLockTake(&catalog->lock);
    entry = g_hash_table_lookup(catalog->byId, id);
    volume = entry ? g_strdup(entry->volume) : NULL;
    replLockDrop(&catalog->lock);
    return volume;
}

void
replCatalogEachShare(ReplCatalog *catalog, ReplCatalogVisit visit, void *opaque)
{
    GHashTableIter iter;
    gpointer key;
    guint i;

    replLockTake(&catalog->lock);
    g_hash_table_iter_init(&iter, catalog->shared);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const ReplCatalogEntry *entry = key;

        for (i = 0; i < entry->shares->len; i++)
            visit(entry->volume, entry->id, g_ptr_array_index(entry->shares, i), opaque);
    }
    replLockDrop(&catalog->lock);
}

void
replCatalogReset(ReplCatalog *catalog)
{
    replLockTake(&catalog->lock);
    g_hash_table_remove_all(catalog->shared);
    g_hash_table_remove_all(catalog->byId);
    g_hash_table_remove_all(catalog->byVolume);
    catalog->loaded = FALSE;
    replLockDrop(&catalog->lock);
}

void
replCatalogNote(ReplCatalog *catalog, const char *volume, const ReplImage *image)
{
    replLockTake(&catalog->lock);
    if (catalog->loaded && image)
        replCatalogAdd(catalog, volume, image);
    else if (catalog->loaded)
        replCatalogRemove(catalog, volume);
    replLockDrop(&catalog->lock);
}
