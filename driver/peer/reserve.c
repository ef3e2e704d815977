/*
 * reserve.c: names and UUIDs that are being given to pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/reserve.h"

#include "base/lock.h"

/* Guards the table: name or UUID -> how many stock definitions are under way, -1: one of ours is. */
static ReplLock replReserveLock = REPL_LOCK_INIT;
static GHashTable *replReserveTable;

/* A name is told from a UUID in the table by what stands before it: no name has a '/'. */
static char *
replReserveName(const char *name)
{
    return g_strconcat("/", name, NULL);
}

static int
replReserveCount(const char *key)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(replReserveTable, key));
}

static gboolean
replReserveIsFree(const char *key, gboolean ours)
{
    return ours ? replReserveCount(key) == 0 : replReserveCount(key) >= 0;
}

static void
replReserveSet(const char *key, int count)
{
    if (count)
        g_hash_table_insert(replReserveTable, g_strdup(key), GINT_TO_POINTER(count));
    else
        g_hash_table_remove(replReserveTable, key);
}

gboolean
replReserveTake(const char *name, const char *uuid, gboolean ours)
{
    g_autofree char *key = replReserveName(name);

    REPL_GUARD(&replReserveLock);
    if (!replReserveTable)
        replReserveTable = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!replReserveIsFree(key, ours) || (uuid && !replReserveIsFree(uuid, ours)))
        return FALSE;
    replReserveSet(key, ours ? -1 : replReserveCount(key) + 1);
    if (uuid)
        replReserveSet(uuid, ours ? -1 : replReserveCount(uuid) + 1);
    return TRUE;
}

void
replReserveGive(const char *name, const char *uuid, gboolean ours)
{
    g_autofree char *key = replReserveName(name);

    REPL_GUARD(&replReserveLock);
    replReserveSet(key, ours ? 0 : replReserveCount(key) - 1);
    if (uuid)
        replReserveSet(uuid, ours ? 0 : replReserveCount(uuid) - 1);
}
