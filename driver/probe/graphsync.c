/*
 * graphsync.c: a graph is brought up to date
 *
 * What was touched is looked at, and nothing else: a pool of 10,000 volumes in which nothing happened costs a read of
 * no events. A directory that cannot be watched is looked at as a whole each time. Files that are locked are looked at,
 * too (see graph.h), since QEMU may write them by ways that give no events.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/graphpriv.h"

#include "base/log.h"
#include "probe/locked.h"
#include "store/files.h"

#define REPL_GRAPH_RECENTLY_us G_USEC_PER_SEC

/* Lets go of the pools of the last set, and takes those of this one. Returns whether directories came or went. */
static gboolean
replGraphTakePools(ReplGraph *graph, const ReplPoolSet *set, const ReplPoolDir *must)
{
    gboolean changed = FALSE;
    guint rank = 0;
    guint i;

    for (i = 0; i < graph->dirs->len; i++)
        ((ReplGraphDir *)g_ptr_array_index(graph->dirs, i))->pool = NULL;
    for (i = must ? 0 : 1; i <= set->pools->len; i++) {
        const ReplPoolDir *pool = i == 0 ? must : g_ptr_array_index(set->pools, i - 1);
        ReplGraphDir *dir = replGraphDirFind(graph, pool->dev, pool->ino);

        if (!dir) {
            dir = replGraphDirAdd(graph, pool);
            changed = TRUE;
        } else if (dir->pool) {
            continue;
        }
        dir->pool = pool;
        dir->rank = rank++;
    }
    for (i = graph->dirs->len; i-- > 0;) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);

        if (!dir->pool) {
            replGraphDirRemove(graph, dir);
            changed = TRUE;
        }
    }
    return changed;
}

static void
replGraphTouched(int number, const char *name, void *opaque)
{
    ReplGraph *graph = opaque;
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);

        if (number >= 0 && dir->watch != number)
            continue;
        if (name) {
            if (replIsVolumeName(name))
                g_hash_table_add(dir->dirty, g_strdup(name));
            continue;
        }
        dir->stale = TRUE;
        if (number >= 0) {
            replWatchRemove(graph->watch, number);
            dir->watch = replWatchAdd(graph->watch, dir->pool->dirFd);
        }
    }
}

/* Files that a process has locked are as good as touched. */
static void
replGraphTouchLocked(ReplGraph *graph, gint64 maxAge_us)
{
    g_autoptr(GHashTable) inodes = replLockedInodes(maxAge_us);
    GHashTableIter iter;
    gpointer key;
    guint i, k;

    g_hash_table_iter_init(&iter, inodes);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        for (i = 0; i < graph->dirs->len; i++) {
            const ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);
            ReplGraphFile wanted = {.dev = dir->dev, .ino = *(guint64 *)key};
            const ReplGraphFile *file = g_hash_table_lookup(graph->files, &wanted);

            for (k = 0; file && k < file->nodes->len; k++) {
                const ReplGraphNode *node = g_ptr_array_index(file->nodes, k);

                g_hash_table_add(node->dir->dirty, g_strdup(node->volume));
            }
        }
    }
}

/* What is written to a file under one of its names is told of that name alone. */
static void
replGraphTouchLinked(ReplGraph *graph)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, graph->linked);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const ReplGraphNode *node = key;

        g_hash_table_add(node->dir->dirty, g_strdup(node->volume));
    }
}

static void
replGraphLookAll(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, GHashTable *names)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        replGraphLook(graph, cache, dir, key);
}

static void
replGraphAddNames(GHashTable *names, GHashTable *from)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_hash_table_add(names, g_strdup(key));
}

/* Looks at all that is there now, and all that was there. */
static int
replGraphLookThrough(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, GError **err)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) listed = replDirList(dir->pool->dirFd, replIsVolumeName, err);
    guint i;

    g_hash_table_remove_all(dir->dirty);
    replGraphAddNames(names, dir->nodes);
    replGraphAddNames(names, dir->links);
    for (i = 0; listed && i < listed->len; i++)
        g_hash_table_add(names, g_strdup(g_ptr_array_index(listed, i)));
    replGraphLookAll(graph, cache, dir, names);
    dir->stale = !listed;
    return listed ? 0 : -1;
}

static int
replGraphSyncDir(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, GError **err)
{
    g_autoptr(GHashTable) dirty = NULL;

    if (dir->stale || dir->watch < 0)
        return replGraphLookThrough(graph, cache, dir, err);
    if (g_hash_table_size(dir->dirty) == 0)
        return 0;
    dirty = dir->dirty;
    dir->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    replGraphLookAll(graph, cache, dir, dirty);
    return 0;
}

int
replGraphSync(ReplGraph *graph, ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must,
              ReplGraphLocked locked, GError **err)
{
    gboolean relink = replGraphTakePools(graph, set, must);
    guint i;

    replWatchRead(graph->watch, replGraphTouched, graph);
    if (locked != REPL_GRAPH_CLOSED)
        replGraphTouchLocked(graph, locked == REPL_GRAPH_NOW ? 0 : REPL_GRAPH_RECENTLY_us);
    replGraphTouchLinked(graph);
    for (i = 0; i < graph->dirs->len; i++) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);
        g_autoptr(GError) why = NULL;

        relink = relink || !replGraphPlacesHold(dir);
        if (replGraphSyncDir(graph, cache, dir, &why) == 0)
            continue;
        if (must && dir->dev == must->dev && dir->ino == must->ino) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        replWarn("storage pool '%s' is left out when looking for backing files: %s", dir->pool->name,
                 why->message);
    }
    if (relink)
        replGraphRelink(graph);
    return 0;
}
