/*
 * graph.c: which volume needs which, over all pools of a set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/graph.h"

#include <fcntl.h>

#include "base/i18n.h"
#include "base/log.h"
#include "probe/backing.h"
#include "probe/chain.h"
#include "store/files.h"

/* Names in a message at most. */
#define REPL_GRAPH_NAMES_MAX 5

/* One directory, scanned once even if several pools of the set are in it. */
typedef struct {
    ReplPoolDir *pool;   /* a reference: the first such pool */
    GHashTable *volumes; /* name -> ReplGraphNode, owned */
    GPtrArray *order;    /* of the same nodes, by name */
} ReplGraphDir;

struct ReplGraph {
    GPtrArray *dirs;   /* of ReplGraphDir */
    GHashTable *files; /* the first node of each file, by (dev, ino) */
};

static guint
replNodeHash(gconstpointer opaque)
{
    const ReplGraphNode *node = opaque;
    guint64 mixed = node->ino * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) ^ node->dev;

    return mixed ^ (mixed >> 32);
}

static gboolean
replNodeEqual(gconstpointer a, gconstpointer b)
{
    const ReplGraphNode *x = a;
    const ReplGraphNode *y = b;

    return x->dev == y->dev && x->ino == y->ino;
}

static void
replNodeFree(gpointer opaque)
{
    ReplGraphNode *node = opaque;

    g_free(node->volume);
    replHeadUnref(node->head);
    g_ptr_array_unref(node->overlays);
    g_free(node);
}

static void
replGraphDirFree(gpointer opaque)
{
    ReplGraphDir *dir = opaque;

    g_hash_table_unref(dir->volumes);
    g_ptr_array_unref(dir->order);
    replPoolDirUnref(dir->pool);
    g_free(dir);
}

void
replGraphFree(ReplGraph *graph)
{
    if (!graph)
        return;
    g_hash_table_unref(graph->files);
    g_ptr_array_unref(graph->dirs);
    g_free(graph);
}

static ReplGraphDir *
replGraphFindDir(const ReplGraph *graph, guint64 dev, guint64 ino)
{
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);

        if (dir->pool->dev == dev && dir->pool->ino == ino)
            return dir;
    }
    return NULL;
}

/* Adds the entry @name if it is a volume; what vanishes meanwhile is none. */
static void
replGraphAddVolume(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, const char *name)
{
    g_autoptr(GError) local = NULL;
    ReplGraphNode *node, *twin;
    struct stat st;

    if (fstatat(dir->pool->dirFd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
        !S_ISREG(st.st_mode))
        return;
    node = g_new0(ReplGraphNode, 1);
    node->pool = dir->pool;
    node->volume = g_strdup(name);
    node->dev = st.st_dev;
    node->ino = st.st_ino;
    node->allocated_bytes = (guint64)st.st_blocks * 512;
    node->head = replGraphCacheHead(cache, dir->pool, name, &st, &local);
    if (!node->head)
        replDebug("%s", local->message);
    twin = g_hash_table_lookup(graph->files, node);
    node->overlays = twin ? g_ptr_array_ref(twin->overlays) : g_ptr_array_new();
    if (!twin)
        g_hash_table_add(graph->files, node);
    g_hash_table_insert(dir->volumes, node->volume, node);
    g_ptr_array_add(dir->order, node);
}

static int
replGraphAddDir(ReplGraph *graph, ReplGraphCache *cache, const ReplPoolDir *pool, GError **err)
{
    g_autoptr(GPtrArray) names = NULL;
    ReplGraphDir *dir;
    guint i;

    if (replGraphFindDir(graph, pool->dev, pool->ino))
        return 0;
    if (!(names = replDirList(pool->dirFd, replIsVolumeName, err)))
        return -1;
    dir = g_new0(ReplGraphDir, 1);
    dir->pool = replPoolDirRef(pool);
    dir->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replNodeFree);
    dir->order = g_ptr_array_sized_new(names->len);
    g_ptr_array_add(graph->dirs, dir);
    for (i = 0; i < names->len; i++)
        replGraphAddVolume(graph, cache, dir, g_ptr_array_index(names, i));
    return 0;
}

/* The file that the backing name of @node leads to, as QEMU would open it; NULL: none of ours. */
static ReplGraphNode *
replGraphResolve(const ReplGraph *graph, const ReplGraphDir *dir, const char *backing)
{
    ReplGraphNode key = {.volume = NULL};
    ReplGraphNode *node;
    struct stat st;

    if (replBackingHasProtocol(backing))
        return NULL;
    if ((node = g_hash_table_lookup(dir->volumes, backing)))
        return node;
    if (fstatat(dir->pool->dirFd, backing, &st, AT_NO_AUTOMOUNT) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    key.dev = st.st_dev;
    key.ino = st.st_ino;
    return g_hash_table_lookup(graph->files, &key);
}

static void
replGraphLink(ReplGraph *graph, const ReplGraphDir *dir)
{
    guint i;

    for (i = 0; i < dir->order->len; i++) {
        ReplGraphNode *node = g_ptr_array_index(dir->order, i);
        ReplGraphNode *backing;

        if (!node->head || !node->head->backing)
            continue;
        backing = replGraphResolve(graph, dir, node->head->backing);
        /* A file that is its own backing file needs nobody but itself. */
        if (!backing || replNodeEqual(backing, node))
            continue;
        node->backing = backing;
        g_ptr_array_add(backing->overlays, node);
    }
}

ReplGraph *
replGraphScan(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must, GError **err)
{
    g_autoptr(ReplGraph) graph = g_new0(ReplGraph, 1);
    guint i;

    graph->dirs = g_ptr_array_new_with_free_func(replGraphDirFree);
    graph->files = g_hash_table_new(replNodeHash, replNodeEqual);
    if (must && replGraphAddDir(graph, cache, must, err) < 0)
        return NULL;
    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(set->pools, i);
        g_autoptr(GError) local = NULL;

        if (replGraphAddDir(graph, cache, pool, &local) < 0)
            replWarn("storage pool '%s' is left out when looking for backing files: %s",
                     pool->name, local->message);
    }
    for (i = 0; i < graph->dirs->len; i++)
        replGraphLink(graph, g_ptr_array_index(graph->dirs, i));
    return g_steal_pointer(&graph);
}

const ReplGraphNode *
replGraphFind(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    const ReplGraphDir *dir = replGraphFindDir(graph, pool->dev, pool->ino);

    return dir ? g_hash_table_lookup(dir->volumes, volume) : NULL;
}

/* The nodes below @node, the nearest first, each file once: a loop ends it. */
static GPtrArray *
replGraphBelow(const ReplGraphNode *node)
{
    GPtrArray *below = g_ptr_array_new();
    const ReplGraphNode *layer;

    for (layer = node->backing; layer && below->len < REPL_CHAIN_MAX; layer = layer->backing) {
        if (replNodeEqual(layer, node) || g_ptr_array_find_with_equal_func(below, layer, replNodeEqual,
                                                                           NULL))
            break;
        g_ptr_array_add(below, (gpointer)layer);
    }
    return below;
}

GPtrArray *
replGraphDependents(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    GPtrArray *dependents = g_ptr_array_new();
    const ReplGraphNode *node = replGraphFind(graph, pool, volume);
    g_autoptr(GPtrArray) below = NULL;
    guint i;

    if (!node || node->overlays->len == 0)
        return dependents;
    below = replGraphBelow(node);
    for (i = 0; i < node->overlays->len; i++) {
        ReplGraphNode *overlay = g_ptr_array_index(node->overlays, i);

        if (!g_ptr_array_find_with_equal_func(below, overlay, replNodeEqual, NULL))
            g_ptr_array_add(dependents, overlay);
    }
    return dependents;
}

char *
replGraphNames(const GPtrArray *nodes, const ReplPoolDir *pool)
{
    GString *text = g_string_new(NULL);
    guint i;

    for (i = 0; i < nodes->len && i < REPL_GRAPH_NAMES_MAX; i++) {
        const ReplGraphNode *node = g_ptr_array_index(nodes, i);

        g_string_append(text, i ? ", " : "");
        if (node->pool->dev != pool->dev || node->pool->ino != pool->ino)
            g_string_append_printf(text, "%s/", node->pool->name);
        g_string_append(text, node->volume);
    }
    if (nodes->len > i) {
        g_string_append(text, " ");
        g_string_append_printf(text, dngettext(GETTEXT_PACKAGE, "and %u more", "and %u more",
                                               nodes->len - i), nodes->len - i);
    }
    return g_string_free(text, FALSE);
}

char **
replGraphBackingChain(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    GPtrArray *names = g_ptr_array_new();
    const ReplGraphNode *node = replGraphFind(graph, pool, volume);
    guint i;

    if (node) {
        g_autoptr(GPtrArray) below = replGraphBelow(node);

        for (i = 0; i < below->len; i++) {
            const ReplGraphNode *layer = g_ptr_array_index(below, i);

            g_ptr_array_add(names, g_strdup(layer->volume));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

GPtrArray *
replGraphOrphans(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    GPtrArray *orphans = g_ptr_array_new();
    const ReplGraphNode *node = replGraphFind(graph, pool, volume);
    g_autoptr(GPtrArray) below = NULL;
    guint i;

    if (!node)
        return orphans;
    below = replGraphBelow(node);
    for (i = 0; i < below->len; i++) {
        ReplGraphNode *layer = g_ptr_array_index(below, i);

        /* One overlay is the layer above, which goes too; from here on all is needed otherwise. */
        if (layer->overlays->len > 1)
            break;
        g_ptr_array_add(orphans, layer);
    }
    return orphans;
}

ReplAmounts
replGraphUsage(const ReplGraph *graph, const ReplPoolDir *pool)
{
    const ReplGraphDir *dir = replGraphFindDir(graph, pool->dev, pool->ino);
    ReplAmounts usage = {0, 0, 0};
    guint i;

    for (i = 0; dir && i < dir->order->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(dir->order, i);

        if (node->overlays->len > 0)
            usage.snapshots++;
        else
            usage.images++;
        usage.bytes += node->allocated_bytes;
    }
    return usage;
}
