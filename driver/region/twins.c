/*
 * twins.c: two region pools must not be one directory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/twins.h"

#include "base/lock.h"

/* Guards the table. */
static ReplLock replTwinsLock = REPL_LOCK_INIT;
static GHashTable *replTwins; /* "dev:ino" of a directory -> UUID of the pool that has it */

gboolean
replTwinsTakeDir(const ReplPoolDir *dir, gboolean (*isThere)(const char *poolUuid, const ReplPoolDir *dir),
                 char **other)
{
    g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, dir->dev, dir->ino);
    g_autofree char *was = NULL; /* the owner that is not there any more */

    for (;;) {
        g_autofree char *owner = NULL;

        replLockTake(&replTwinsLock);
        if (!replTwins)
            replTwins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        owner = g_strdup(g_hash_table_lookup(replTwins, key));
        if (!owner || g_strcmp0(owner, was) == 0)
            g_hash_table_replace(replTwins, g_strdup(key), g_strdup(dir->uuid));
        replLockDrop(&replTwinsLock);
        if (!owner || g_strcmp0(owner, was) == 0 || g_str_equal(owner, dir->uuid))
            return TRUE;
        if (isThere(owner, dir)) {
            *other = g_steal_pointer(&owner);
            return FALSE;
        }
        g_free(was);
        was = g_steal_pointer(&owner);
    }
}
