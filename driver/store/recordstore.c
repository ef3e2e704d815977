/*
 * recordstore.c: one directory of records of one kind
 *
 * Nothing is read or written with the lock held, so a slow disk does not hold up other threads. Two threads
 * that load one file at once both keep what they read under the identity from before they read: if
 * it was an older one, the next look finds another identity and reads again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/recordstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/files.h"
#include "store/text.h"

/* A file is taken for settled when it was this old as it was read: coarse time stamps (some file
 * systems: 1 s) cannot hide a later change then. */
#define REPL_RECORD_STORE_SETTLED_ns (G_GINT64_CONSTANT(1000000000) + 10000000)

struct _ReplRecordStore {
    /* fixed after creation */
    int dirFd;
    const ReplRecordKind *kind;

    ReplLock lock;       /* guards entries and what is in it */
    GHashTable *entries; /* file name -> ReplRecordEntry */
};

/* What was found in a file. Neither record nor error: it was damaged and could not be moved aside.
 */
typedef struct {
    ReplFileIdentity seen;
    gboolean settled;
    gpointer record;
    GError *error;
    GDestroyNotify free;
} ReplRecordEntry;

static void
replRecordEntryFree(gpointer opaque)
{
    ReplRecordEntry *entry = opaque;

    if (entry->record)
        entry->free(entry->record);
    g_clear_error(&entry->error);
    g_free(entry);
}

ReplRecordStore *
replRecordStoreNew(int dirFd, const ReplRecordKind *kind)
{
    ReplRecordStore *store = g_new0(ReplRecordStore, 1);

    store->dirFd = dirFd;
    store->kind = kind;
    replLockInit(&store->lock);
    store->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replRecordEntryFree);
    return store;
}

void
replRecordStoreFree(ReplRecordStore *store)
{
    if (!store)
        return;
    g_hash_table_unref(store->entries);
    replLockClear(&store->lock);
    g_free(store);
}

static void
replRecordStoreForget(ReplRecordStore *store, const char *file)
{
    replLockTake(&store->lock);
    g_hash_table_remove(store->entries, file);
    replLockDrop(&store->lock);
}

/* What the directory says of @file now: 1, 0 when there is none, -1 with @err set. @regular may be
 * NULL. */
static int
replRecordStoreLook(ReplRecordStore *store, const char *file, ReplFileIdentity *now, gboolean *regular,
                    GError **err)
{
    struct stat st;

    if (fstatat(store->dirFd, file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        replErrorSetSystem(err, errno, _("Cannot look at the %s record '%s'"), store->kind->kind, file);
        return -1;
    }
    replIdentityOfStat(&st, now);
    if (regular)
        *regular = S_ISREG(st.st_mode);
    return 1;
}

/* Renames a damaged record, so that an administrator can look at it; unless it is another file by now. */
static void
replRecordStoreMoveAside(ReplRecordStore *store, const char *file, const ReplFileIdentity *seen,
                         const char *why)
{
    g_autofree char *aside = g_strdup_printf("%s.bad", file);
    ReplFileIdentity now;
    gboolean moved;

    if (replRecordStoreLook(store, file, &now, NULL, NULL) != 1 || !replFileIdentityEqual(seen, &now))
        return;
    moved = renameat(store->dirFd, file, store->dirFd, aside) == 0;
    replWarn(moved ? _("The %s record '%s' is damaged (%s) and was renamed to '%s'")
                   : _("The %s record '%s' is damaged (%s) and could not be renamed to '%s'"),
             store->kind->kind, file, why, aside);
}

/* Reads @file, which was @entry->seen before. Returns 0 with the entry filled, or -1 with @err set
 * when it cannot be read for now. */
static int
replRecordStoreLoad(ReplRecordStore *store, const char *file, ReplRecordEntry *entry, GError **err)
{
    g_autofree char *data = NULL;
    g_autoptr(GKeyFile) keys = NULL;
    g_autoptr(GError) why = NULL;
    gsize len;

    entry->settled = MAX(entry->seen.mtime_ns, entry->seen.ctime_ns) <
                     g_get_real_time() * 1000 - REPL_RECORD_STORE_SETTLED_ns;
    if (!(data = replReadLimited(store->dirFd, file, store->kind->max_bytes, &len, &why)) &&
        !g_error_matches(why, REPL_ERROR, VIR_ERR_OPERATION_INVALID)) {
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    if (data && (keys = replTextUnseal(data, len, store->kind->kind, &why)))
        entry->record = store->kind->decode(keys, file, &why);
    if (g_error_matches(why, REPL_ERROR, VIR_ERR_NO_SUPPORT))
        entry->error = g_steal_pointer(&why);
    else if (!entry->record)
        replRecordStoreMoveAside(store, file, &entry->seen, why ? why->message : _("no reason given"));
    return 0;
}

/* Brings the entry of @file up to date. 1: there is one, locked (the caller unlocks the store); 0:
 * no such file; -1 with @err set. */
static int
replRecordStoreFind(ReplRecordStore *store, const char *file, ReplRecordEntry **found, GError **err)
{
    ReplRecordEntry *entry;
    ReplFileIdentity now;
    gboolean regular = FALSE;
    int there = replRecordStoreLook(store, file, &now, &regular, err);

    if (there <= 0) {
        replRecordStoreForget(store, file);
        return there;
    }
    replLockTake(&store->lock);
    entry = g_hash_table_lookup(store->entries, file);
    if (entry && entry->settled && replFileIdentityEqual(&entry->seen, &now)) {
        *found = entry;
        return 1;
    }
    replLockDrop(&store->lock);

    entry = g_new0(ReplRecordEntry, 1);
    entry->seen = now;
    entry->free = store->kind->free;
    if (!regular) {
        replRecordStoreMoveAside(store, file, &now, _("it is not a regular file"));
    } else if (replRecordStoreLoad(store, file, entry, err) < 0) {
        replRecordEntryFree(entry);
        return -1;
    }
    replLockTake(&store->lock);
    g_hash_table_replace(store->entries, g_strdup(file), entry);
    *found = entry;
    return 1;
}

gpointer
replRecordStoreGet(ReplRecordStore *store, const char *file, GError **err)
{
    g_autoptr(GError) why = NULL;
    ReplRecordEntry *entry;
    gpointer copy = NULL;
    int there = replRecordStoreFind(store, file, &entry, &why);

    if (there == 1) {
        if (entry->record)
            copy = store->kind->copy(entry->record);
        else if (entry->error)
            g_propagate_error(err, g_error_copy(entry->error));
        replLockDrop(&store->lock);
    } else if (there < 0 && !g_error_matches(why, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL)) {
        /* Not when another thread has dropped it between our look and our read. */
        g_propagate_error(err, g_steal_pointer(&why));
    }
    return copy;
}

int
replRecordStorePut(ReplRecordStore *store, const char *file, GKeyFile *keys, GError **err)
{
    g_autofree char *data = NULL;
    g_autoptr(GKeyFile) back = NULL;
    g_autoptr(GError) why = NULL;
    gpointer record = NULL;
    gsize len;

    if (!(data = replTextSeal(keys, store->kind->kind, store->kind->max_bytes, &len, err)))
        return -1;
    if ((back = replTextUnseal(data, len, store->kind->kind, &why)))
        record = store->kind->decode(back, file, &why);
    if (!record) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A record of kind '%s' cannot be kept: %s"),
                     store->kind->kind, why ? why->message : _("no reason given"));
        return -1;
    }
    store->kind->free(record);
    if (replWriteDurable(store->dirFd, file, data, len, err) < 0)
        return -1;
    replRecordStoreForget(store, file);
    return 0;
}

int
replRecordStoreDrop(ReplRecordStore *store, const char *file, GError **err)
{
    int gone = unlinkat(store->dirFd, file, 0);

    replRecordStoreForget(store, file);
    if (gone < 0 && errno == ENOENT)
        return 0;
    if (gone < 0 || fsync(store->dirFd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot remove the %s record '%s'"), store->kind->kind, file);
        return -1;
    }
    return 0;
}

int
replRecordStoreEach(ReplRecordStore *store,
                    gboolean (*visit)(const char *file, gconstpointer record, void *opaque), void *opaque,
                    guint *unread, GError **err)
{
    g_autoptr(GPtrArray) files = replDirList(store->dirFd, store->kind->isFile, err);
    gboolean more = TRUE;
    guint i;

    if (unread)
        *unread = 0;
    if (!files)
        return -1;
    for (i = 0; i < files->len && more; i++) {
        const char *file = g_ptr_array_index(files, i);
        g_autoptr(GError) why = NULL;
        ReplRecordEntry *entry = NULL;
        int there = replRecordStoreFind(store, file, &entry, &why);
        gboolean blocked = there < 0 && !g_error_matches(why, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL);

        if (there == 1) {
            blocked = entry->error != NULL;
            if (entry->record)
                more = visit(file, entry->record, opaque);
            replLockDrop(&store->lock);
        }
        if (blocked && unread)
            (*unread)++;
    }
    return 0;
}
