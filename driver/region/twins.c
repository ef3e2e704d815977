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

/* Makes the pool the owner if @was is (NULL: if nobody is). Returns the owner, which is the pool itself then. */
static char *
replTwinsTake(const char *key, const char *uuid, const char *was)
{
    REPL_GUARD(&replTwinsLock);
    const char *owner;

    if (!replTwins)
        replTwins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    owner = g_hash_table_lookup(replTwins, key);
    if (owner && g_strcmp0(owner, was) != 0)
        return g_strdup(owner);
    g_hash_table_replace(replTwins, g_strdup(key), g_strdup(uuid));
    return g_strdup(uuid);
}

gboolean
replTwinsTakeDir(const ReplPoolDir *dir, gboolean (*isThere)(const char *poolUuid, const ReplPoolDir *dir),
                 char **other)
{
    g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, dir->dev, dir->ino);
    g_autofree char *owner = replTwinsTake(key, dir->uuid, NULL);

    while (!g_str_equal(owner, dir->uuid)) {
        char *next;

        if (isThere(owner, dir)) {
            *other = g_steal_pointer(&owner);
            return FALSE;
        }
        next = replTwinsTake(key, dir->uuid, owner);
        g_free(owner);
        owner = next;
    }
    return TRUE;
}
