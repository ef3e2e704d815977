/*
 * writes.c: volumes that a stock call or an upload is writing to
 *
 * libvirt does not say when an upload is over: its stream has a thread that holds the file open. So what was uploaded to
 * is remembered until no descriptor of this process is open for writing on it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/writes.h"

#include "base/lock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct {
    guint calls;     /* that have not returned */
    guint fresh;     /* of these, those that make the volume */
    gboolean goesOn; /* one that has may still write */
    guint begun;     /* counts calls, so that a look notices one that came and went meanwhile */
} ReplWrites;

/* Guards the table. */
static ReplLock replWritesLock = REPL_LOCK_INIT;
static GHashTable *replWrites; /* "pool UUID/volume" -> ReplWrites */

static char *
replWritesKey(const ReplRegion *region, const char *volume)
{
    return g_strdup_printf("%s/%s", region->uuidstr, volume);
}

void
replWritesBegin(const ReplRegion *region, const char *volume, gboolean fresh)
{
    char *key = replWritesKey(region, volume);
    ReplWrites *writes;

    replLockTake(&replWritesLock);
    if (!replWrites)
        replWrites = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if ((writes = g_hash_table_lookup(replWrites, key))) {
        g_free(key);
    } else {
        writes = g_new0(ReplWrites, 1);
        g_hash_table_insert(replWrites, key, writes);
    }
    writes->calls++;
    writes->fresh += fresh ? 1 : 0;
    writes->begun++;
    replLockDrop(&replWritesLock);
}

void
replWritesEnd(const ReplRegion *region, const char *volume, gboolean fresh, gboolean goesOn)
{
    g_autofree char *key = replWritesKey(region, volume);
    ReplWrites *writes;

    replLockTake(&replWritesLock);
    if ((writes = g_hash_table_lookup(replWrites, key))) {
        writes->calls--;
        writes->fresh -= fresh ? 1 : 0;
        writes->goesOn |= goesOn;
        if (writes->calls == 0 && !writes->goesOn)
            g_hash_table_remove(replWrites, key);
    }
    replLockDrop(&replWritesLock);
}

gboolean
replWritesMayHit(const ReplRegion *region, const char *volume)
{
    g_autofree char *key = NULL;
    const ReplWrites *writes;
    REPL_GUARD(&replWritesLock);

    if (!replWrites || g_hash_table_size(replWrites) == 0)
        return FALSE;
    key = replWritesKey(region, volume);
    writes = g_hash_table_lookup(replWrites, key);
    return writes && writes->calls > writes->fresh;
}

/* Whether this process has the file open for writing. Descriptors come and go meanwhile: the one that matters stays. */
static gboolean
replWritesHasOpen(const struct stat *file)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        int fd = atoi(name);
        int flags = fcntl(fd, F_GETFL);
        struct stat st;

        if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && fstat(fd, &st) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            return TRUE;
    }
    /* Without /proc this cannot be told. Say yes: better no image than half of one. */
    return !dir;
}

gboolean
replWritesIs(const ReplRegion *region, const char *volume)
{
    g_autofree char *key = NULL;
    ReplWrites *writes;
    struct stat st;
    gboolean busy = FALSE;
    gboolean known = FALSE;
    guint begun = 0;

    replLockTake(&replWritesLock);
    if (replWrites && g_hash_table_size(replWrites) > 0) {
        key = replWritesKey(region, volume);
        if ((writes = g_hash_table_lookup(replWrites, key))) {
            known = TRUE;
            busy = writes->calls > 0;
            begun = writes->begun;
        }
    }
    replLockDrop(&replWritesLock);
    if (!known || busy)
        return busy;
    if (region->dir && fstatat(region->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        replWritesHasOpen(&st))
        return TRUE;
    replLockTake(&replWritesLock);
    writes = g_hash_table_lookup(replWrites, key);
    if (writes && writes->calls == 0 && writes->begun == begun)
        g_hash_table_remove(replWrites, key);
    else
        busy = writes != NULL;
    replLockDrop(&replWritesLock);
    return busy;
}
