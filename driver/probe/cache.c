/*
 * cache.c: what the headers of volumes say, kept for as long as the files stay unchanged
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/cache.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "probe/foreign.h"
#include "qcow2/header.h"
#include "store/files.h"

/* A file that changed less than this ago can change again without its times showing it: twice the
 * granularity of the coarsest clocks in use (a second, old NFS servers). */
#define REPL_RACY_NS (2 * G_GINT64_CONSTANT(1000000000))

typedef struct {
    ReplFileIdentity identity; /* hashed by device and inode, believed while all of it is equal */
    ReplHead *head;
    GList link; /* in the queue, the most recently used first; data is the entry */
} ReplCacheEntry;

struct ReplGraphCache {
    ReplLock lock;       /* guards all below */
    GHashTable *entries; /* of ReplCacheEntry, a set */
    GQueue used;
    guint maxEntries;
    void *kept;
    GDestroyNotify freeKept;
};

static void
replHeadClear(gpointer opaque)
{
    ReplHead *head = opaque;

    g_free(head->backing);
    g_free(head->backingFormat);
}

ReplHead *
replHeadRef(ReplHead *head)
{
    return g_atomic_rc_box_acquire(head);
}

void
replHeadUnref(ReplHead *head)
{
    if (head)
        g_atomic_rc_box_release_full(head, replHeadClear);
}

/* Takes over what the qcow2 header of @fd says. */
static int
replHeadTakeQcow2(ReplHead *head, int fd, const char *what, GError **err)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(ReplQcow2Header) qcow2 = replQcow2HeaderRead(fd, what, &local);

    if (!qcow2 && g_error_matches(local, REPL_ERROR, VIR_ERR_SYSTEM_ERROR)) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    if (!qcow2) {
        head->malformed = TRUE;
        return 0;
    }
    head->encrypted = qcow2->cryptMethod != 0;
    head->snapshotCount = qcow2->snapshotCount;
    head->virtualSize_bytes = qcow2->virtualSize_bytes;
    head->backing = g_steal_pointer(&qcow2->backing);
    head->backingFormat = g_steal_pointer(&qcow2->backingFormat);
    return 0;
}

/* Formats that are only read to be converted; one that cannot be is malformed to us. */
static int
replHeadTakeForeign(ReplHead *head, int fd, const char *what, GError **err)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(ReplForeign) foreign = replForeignRead(fd, head->format, what, &local);

    if (!foreign && g_error_matches(local, REPL_ERROR, VIR_ERR_SYSTEM_ERROR)) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    if (!foreign) {
        head->malformed = TRUE;
        return 0;
    }
    head->virtualSize_bytes = foreign->virtualSize_bytes;
    head->backing = g_steal_pointer(&foreign->backing);
    head->backingFormat = g_strdup(foreign->backingFormat);
    return 0;
}

ReplHead *
replHeadRead(int fd, const char *what, GError **err)
{
    g_autoptr(ReplHead) head = g_atomic_rc_box_new0(ReplHead);
    struct stat st;

    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return NULL;
    }
    if (replFormatProbe(fd, what, &head->format, err) < 0)
        return NULL;
    if (head->format == REPL_FORMAT_QCOW2 && replHeadTakeQcow2(head, fd, what, err) < 0)
        return NULL;
    if (replIsForeign(head->format) && replHeadTakeForeign(head, fd, what, err) < 0)
        return NULL;
    if (head->format == REPL_FORMAT_RAW)
        head->virtualSize_bytes = st.st_size;
    if (head->format == REPL_FORMAT_LUKS)
        head->encrypted = TRUE;
    return g_steal_pointer(&head);
}

static guint
replCacheEntryHash(gconstpointer opaque)
{
    const ReplCacheEntry *entry = opaque;
    guint64 mixed = entry->identity.ino * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) ^ entry->identity.dev;

    return mixed ^ (mixed >> 32);
}

static gboolean
replCacheEntryEqual(gconstpointer a, gconstpointer b)
{
    const ReplCacheEntry *x = a;
    const ReplCacheEntry *y = b;

    return x->identity.dev == y->identity.dev && x->identity.ino == y->identity.ino;
}

static void
replCacheEntryFree(gpointer opaque)
{
    ReplCacheEntry *entry = opaque;

    replHeadUnref(entry->head);
    g_free(entry);
}

ReplGraphCache *
replGraphCacheNew(guint maxEntries)
{
    ReplGraphCache *cache = g_new0(ReplGraphCache, 1);

    replLockInit(&cache->lock);
    g_queue_init(&cache->used);
    cache->maxEntries = MAX(maxEntries, 1);
    cache->entries = g_hash_table_new_full(replCacheEntryHash, replCacheEntryEqual, replCacheEntryFree, NULL);
    return cache;
}

void
replGraphCacheFree(ReplGraphCache *cache)
{
    if (!cache)
        return;
    if (cache->kept)
        cache->freeKept(cache->kept);
    /* The links are parts of the entries. */
    g_hash_table_unref(cache->entries);
    replLockClear(&cache->lock);
    g_free(cache);
}

/* Called with the lock held. */
static void
replGraphCacheDrop(ReplGraphCache *cache, ReplCacheEntry *entry)
{
    g_queue_unlink(&cache->used, &entry->link);
    g_hash_table_remove(cache->entries, entry);
}

static ReplHead *
replGraphCacheLookup(ReplGraphCache *cache, const ReplFileIdentity *identity)
{
    ReplCacheEntry key = {.identity = *identity};
    ReplHead *head = NULL;
    ReplCacheEntry *entry;

    replLockTake(&cache->lock);
    entry = g_hash_table_lookup(cache->entries, &key);
    if (entry && replFileIdentityEqual(&entry->identity, identity)) {
        g_queue_unlink(&cache->used, &entry->link);
        g_queue_push_head_link(&cache->used, &entry->link);
        head = replHeadRef(entry->head);
    }
    replLockDrop(&cache->lock);
    return head;
}

static void
replGraphCacheStore(ReplGraphCache *cache, const ReplFileIdentity *identity, ReplHead *head)
{
    ReplCacheEntry *entry = g_new0(ReplCacheEntry, 1);
    ReplCacheEntry *old;

    entry->identity = *identity;
    entry->head = replHeadRef(head);
    entry->link.data = entry;
    replLockTake(&cache->lock);
    if ((old = g_hash_table_lookup(cache->entries, entry)))
        replGraphCacheDrop(cache, old);
    while (g_hash_table_size(cache->entries) >= cache->maxEntries)
        replGraphCacheDrop(cache, g_queue_peek_tail(&cache->used));
    g_hash_table_add(cache->entries, entry);
    g_queue_push_head_link(&cache->used, &entry->link);
    replLockDrop(&cache->lock);
}

/* Whether a change after the moment it was read at would show in the times of the file. */
static gboolean
replIsSettled(const ReplFileIdentity *identity)
{
    gint64 now_ns = g_get_real_time() * 1000;

    return identity->ctime_ns < now_ns - REPL_RACY_NS && identity->mtime_ns < now_ns - REPL_RACY_NS;
}

ReplHead *
replGraphCacheHead(ReplGraphCache *cache, const ReplPoolDir *pool, const char *name, const struct stat *st,
                   GError **err)
{
    g_auto(ReplFd) fd = -1;
    ReplFileIdentity identity;
    struct stat opened;
    ReplHead *head;
    gboolean settled;

    replIdentityOfStat(st, &identity);
    if ((head = replGraphCacheLookup(cache, &identity)))
        return head;
    if ((fd = replPoolDirOpen(pool, name, err)) < 0)
        return NULL;
    if (fstat(fd, &opened) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s' of storage pool '%s'"), name, pool->name);
        return NULL;
    }
    replIdentityOfStat(&opened, &identity);
    settled = replIsSettled(&identity);
    head = replHeadRead(fd, name, err);
    if (head && settled)
        replGraphCacheStore(cache, &identity, head);
    return head;
}

void *
replGraphCacheKept(ReplGraphCache *cache, void *(*make)(void), GDestroyNotify free)
{
    void *kept;

    replLockTake(&cache->lock);
    if (!cache->kept) {
        cache->kept = make();
        cache->freeKept = free;
    }
    kept = cache->kept;
    replLockDrop(&cache->lock);
    return kept;
}
