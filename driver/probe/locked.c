/*
 * locked.c: files that some process has locked
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/locked.h"

#include <stdio.h>
#include <string.h>

#include "base/lock.h"

/* "1: OFDLCK ADVISORY  READ -1 fd:01:12345 100 101": the inode is what stands behind the second colon of the
 * device. */
static gboolean
replLockedParse(const char *line, guint64 *ino)
{
    unsigned int major, minor;
    unsigned long long number;
    const char *at = strchr(line, ':');
    int words;

    if (!at)
        return FALSE;
    at++;
    if (*at == ' ' && at[1] == '-' && at[2] == '>') /* one that waits for a lock */
        at += 3;
    for (words = 0; words < 4; words++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    if (sscanf(at, " %x:%x:%llu", &major, &minor, &number) != 3)
        return FALSE;
    *ino = number;
    return TRUE;
}

static GHashTable *
replLockedRead(void)
{
    GHashTable *inodes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    guint64 ino;

    while (locks && fgets(line, sizeof(line), locks)) {
        if (replLockedParse(line, &ino))
            g_hash_table_add(inodes, g_memdup2(&ino, sizeof(ino)));
    }
    if (locks)
        fclose(locks);
    return inodes;
}

GHashTable *
replLockedInodes(gint64 maxAge_us)
{
    static ReplLock lock =
        REPL_LOCK_INIT; /* guards these two; held while they are read, so that callers share one reading */
    static GHashTable *known;
    static gint64 known_us;

    REPL_GUARD(&lock);
    if (!known || maxAge_us == 0 || g_get_monotonic_time() - known_us > maxAge_us) {
        g_clear_pointer(&known, g_hash_table_unref);
        known_us = g_get_monotonic_time();
        known = replLockedRead();
    }
    return g_hash_table_ref(known);
}
