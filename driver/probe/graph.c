/*
 * graph.c: which volume needs which, over all pools of a set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/graph.h"

#include <string.h>

#include "base/i18n.h"
#include "probe/chain.h"
#include "probe/graphpriv.h"

/* Names in a message at most. */
#define REPL_GRAPH_NAMES_MAX 5

/* --- its life --- */

static guint
replFileHash(gconstpointer opaque)
{
    const ReplGraphFile *file = opaque;
    guint64 mixed = file->ino * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) ^ file->dev;

    return mixed ^ (mixed >> 32);
}

static gboolean
replFileEqual(gconstpointer a, gconstpointer b)
{
    const ReplGraphFile *x = a;
    const ReplGraphFile *y = b;

    return x->dev == y->dev && x->ino == y->ino;
}

static void
replFileFree(gpointer opaque)
{
    ReplGraphFile *file = opaque;

    g_ptr_array_unref(file->nodes);
    g_free(file);
}

static void *
replGraphMake(void)
{
    ReplGraph *graph = g_new0(ReplGraph, 1);

    replLockInitRecursive(&graph->lock);
    graph->watch = replWatchNew();
    graph->dirs = g_ptr_array_new();
    graph->files = g_hash_table_new_full(replFileHash, replFileEqual, replFileFree, NULL);
    graph->odd = g_hash_table_new(NULL, NULL);
    graph->linked = g_hash_table_new(NULL, NULL);
    return graph;
}

static void
replGraphDestroy(gpointer opaque)
{
    ReplGraph *graph = opaque;

    while (graph->dirs->len > 0)
        replGraphDirRemove(graph, g_ptr_array_index(graph->dirs, graph->dirs->len - 1));
    replWatchFree(graph->watch);
    g_hash_table_unref(graph->odd);
    g_hash_table_unref(graph->linked);
    g_hash_table_unref(graph->files);
    g_clear_pointer(&graph->hidden, g_hash_table_unref);
    g_ptr_array_unref(graph->dirs);
    replLockClear(&graph->lock);
    g_free(graph);
}

ReplGraph *
replGraphScan(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must, ReplGraphLocked locked,
              GError **err)
{
    ReplGraph *graph = replGraphCacheKept(cache, replGraphMake, replGraphDestroy);

    replLockTake(&graph->lock);
    if (graph->depth == 0 && replGraphSync(graph, cache, set, must, locked, err) < 0) {
        replLockDrop(&graph->lock);
        return NULL;
    }
    if (graph->depth++ == 0)
        g_clear_pointer(&graph->hidden, g_hash_table_unref);
    return graph;
}

void
replGraphFree(ReplGraph *graph)
{
    if (!graph)
        return;
    graph->depth--;
    replLockDrop(&graph->lock);
}

void
replGraphRefresh(ReplGraphCache *cache)
{
    ReplGraph *graph = replGraphCacheKept(cache, replGraphMake, replGraphDestroy);
    guint i;

    replLockTake(&graph->lock);
    for (i = 0; i < graph->dirs->len; i++)
        ((ReplGraphDir *)g_ptr_array_index(graph->dirs, i))->stale = TRUE;
    replLockDrop(&graph->lock);
}

/* --- looking --- */

const ReplGraphNode *
replGraphFind(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    const ReplGraphDir *dir = replGraphDirFind(graph, pool->dev, pool->ino);

    return dir ? g_hash_table_lookup(dir->nodes, volume) : NULL;
}

const ReplPoolDir *
replGraphNodePool(const ReplGraphNode *node)
{
    return node->dir->pool;
}

const char *
replGraphNodeVolume(const ReplGraphNode *node)
{
    return node->volume;
}

void
replGraphNodeLook(const ReplGraphNode *node, ReplFileLook *look)
{
    look->identity = node->identity;
    look->born_ns = node->born_ns;
    look->isRegular = TRUE;
}

guint64
replGraphNodeBytes(const ReplGraphNode *node)
{
    return node->allocated_bytes;
}

static int
replNodeCompare(gconstpointer a, gconstpointer b)
{
    const ReplGraphNode *x = *(const ReplGraphNode *const *)a;
    const ReplGraphNode *y = *(const ReplGraphNode *const *)b;

    if (x->dir != y->dir)
        return x->dir->rank < y->dir->rank ? -1 : 1;
    return strcmp(x->volume, y->volume);
}

/* The name of a file that stands for it. */
static const ReplGraphNode *
replFileNode(const ReplGraphFile *file)
{
    const ReplGraphNode *first = NULL;
    guint i;

    for (i = 0; file && i < file->nodes->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(file->nodes, i);

        if (!first || replNodeCompare(&node, &first) < 0)
            first = node;
    }
    return first;
}

/* What backs @node; NULL: nothing, or nothing that is known. */
static const ReplGraphNode *
replGraphBacking(const ReplGraph *graph, const ReplGraphNode *node)
{
    const ReplGraphNode *backing = NULL;

    if (node->wantDir && !(backing = g_hash_table_lookup(node->wantDir->nodes, node->wantName)) &&
        g_hash_table_contains(node->wantDir->links, node->wantName))
        backing = replFileNode(replGraphFollow(graph, node->wantDir, node->wantName));
    if (g_hash_table_contains(graph->odd, node))
        backing = replFileNode(replGraphFollow(graph, node->dir, node->head->backing));
    return backing && backing->file != node->file ? backing : NULL;
}

static void
replGraphAddWanting(GPtrArray *nodes, const ReplGraphDir *dir, const char *name, const ReplGraphFile *file)
{
    GHashTable *wanting = g_hash_table_lookup(dir->wants, name);
    GHashTableIter iter;
    gpointer key;

    if (!wanting)
        return;
    g_hash_table_iter_init(&iter, wanting);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (((const ReplGraphNode *)key)->file != file)
            g_ptr_array_add(nodes, key);
    }
}

/* The names of links, and the nodes that are odd, which lead to a file when they are followed: @visit gets the file
 * and a node that wants it. */
static void
replGraphEachHidden(const ReplGraph *graph,
                    void (*visit)(ReplGraphFile *file, ReplGraphNode *node, void *opaque), void *opaque)
{
    GHashTableIter iter, inner;
    gpointer key, node;
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        const ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);

        g_hash_table_iter_init(&iter, dir->links);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
            GHashTable *wanting = g_hash_table_lookup(dir->wants, key);
            ReplGraphFile *file = wanting ? replGraphFollow(graph, dir, key) : NULL;

            if (!file)
                continue;
            g_hash_table_iter_init(&inner, wanting);
            while (g_hash_table_iter_next(&inner, &node, NULL))
                visit(file, node, opaque);
        }
    }
    g_hash_table_iter_init(&iter, graph->odd);
    while (g_hash_table_iter_next(&iter, &node, NULL)) {
        const ReplGraphNode *odd = node;
        ReplGraphFile *file = replGraphFollow(graph, odd->dir, odd->head->backing);

        if (file)
            visit(file, node, opaque);
    }
}

typedef struct {
    const ReplGraphFile *file;
    GPtrArray *nodes;
} ReplGraphGather;

static void
replGraphGather(ReplGraphFile *file, ReplGraphNode *node, void *opaque)
{
    ReplGraphGather *gather = opaque;

    if (file == gather->file && node->file != file)
        g_ptr_array_add(gather->nodes, node);
}

/* The nodes that have one of the names of @file as their backing file. */
static GPtrArray *
replGraphOverlays(const ReplGraph *graph, const ReplGraphFile *file)
{
    ReplGraphGather gather = {file, g_ptr_array_new()};
    guint i;

    for (i = 0; i < file->nodes->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(file->nodes, i);

        replGraphAddWanting(gather.nodes, node->dir, node->volume, file);
    }
    replGraphEachHidden(graph, replGraphGather, &gather);
    g_ptr_array_sort(gather.nodes, replNodeCompare);
    return gather.nodes;
}

static gboolean
replNodeIsFile(gconstpointer node, gconstpointer file)
{
    return ((const ReplGraphNode *)node)->file == file;
}

/* The nodes below @node, the nearest first, each file once: a loop ends it. */
static GPtrArray *
replGraphBelow(const ReplGraph *graph, const ReplGraphNode *node)
{
    GPtrArray *below = g_ptr_array_new();
    const ReplGraphNode *layer;

    for (layer = replGraphBacking(graph, node); layer && below->len < REPL_CHAIN_MAX;
         layer = replGraphBacking(graph, layer)) {
        if (layer->file == node->file ||
            g_ptr_array_find_with_equal_func(below, layer->file, replNodeIsFile, NULL))
            break;
        g_ptr_array_add(below, (gpointer)layer);
    }
    return below;
}

/* --- what is asked --- */

static int
replNameCompare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *
replGraphSized(const ReplGraph *graph, const ReplPoolDir *pool, guint64 size_bytes)
{
    const ReplGraphDir *dir = replGraphDirFind(graph, pool->dev, pool->ino);
    GHashTable *nodes = dir ? g_hash_table_lookup(dir->sizes, &size_bytes) : NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;

    if (!nodes)
        return names;
    g_hash_table_iter_init(&iter, nodes);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(names, g_strdup(((const ReplGraphNode *)key)->volume));
    g_ptr_array_sort(names, replNameCompare);
    return names;
}

GPtrArray *
replGraphDependents(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    const ReplGraphNode *node = replGraphFind(graph, pool, volume);
    g_autoptr(GPtrArray) overlays = node ? replGraphOverlays(graph, node->file) : NULL;
    GPtrArray *dependents = g_ptr_array_new();
    g_autoptr(GPtrArray) below = NULL;
    guint i;

    if (!overlays || overlays->len == 0)
        return dependents;
    below = replGraphBelow(graph, node);
    for (i = 0; i < overlays->len; i++) {
        ReplGraphNode *overlay = g_ptr_array_index(overlays, i);

        if (!g_ptr_array_find_with_equal_func(below, overlay->file, replNodeIsFile, NULL))
            g_ptr_array_add(dependents, overlay);
    }
    return dependents;
}

const char *
replGraphUnseen(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume,
                const ReplPoolDir **where)
{
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        const ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);
        gboolean same = dir->dev == pool->dev && dir->ino == pool->ino;
        GHashTableIter iter;
        gpointer name;

        if (!same && !replPoolDirSameRegion(dir->pool, pool))
            continue;
        g_hash_table_iter_init(&iter, dir->unseen);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            if (same && g_str_equal(name, volume))
                continue;
            *where = dir->pool;
            return name;
        }
    }
    return NULL;
}

char *
replGraphNames(const GPtrArray *nodes, const ReplPoolDir *pool)
{
    GString *text = g_string_new(NULL);
    guint i;

    for (i = 0; i < nodes->len && i < REPL_GRAPH_NAMES_MAX; i++) {
        const ReplGraphNode *node = g_ptr_array_index(nodes, i);

        g_string_append(text, i ? ", " : "");
        if (node->dir->dev != pool->dev || node->dir->ino != pool->ino)
            g_string_append_printf(text, "%s/", node->dir->pool->name);
        g_string_append(text, node->volume);
    }
    if (nodes->len > i) {
        g_string_append(text, " ");
        g_string_append_printf(text, dngettext(GETTEXT_PACKAGE, "and %u more", "and %u more", nodes->len - i),
                               nodes->len - i);
    }
    return g_string_free(text, FALSE);
}

const char *
replGraphNearest(const ReplGraph *graph, const ReplGraphNode *node)
{
    const ReplGraphNode *layer = replGraphBacking(graph, node);

    return layer && layer->file != node->file ? layer->volume : NULL;
}

char **
replGraphBackingChain(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume)
{
    GPtrArray *names = g_ptr_array_new();
    const ReplGraphNode *node = replGraphFind(graph, pool, volume);
    guint i;

    if (node) {
        g_autoptr(GPtrArray) below = replGraphBelow(graph, node);

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
    g_autoptr(GPtrArray) below = node ? replGraphBelow(graph, node) : NULL;
    guint i;

    for (i = 0; below && i < below->len; i++) {
        ReplGraphNode *layer = g_ptr_array_index(below, i);
        g_autoptr(GPtrArray) overlays = replGraphOverlays(graph, layer->file);

        /* One overlay is the layer above, which goes too; from here on all is needed otherwise. */
        if (overlays->len > 1)
            break;
        g_ptr_array_add(orphans, layer);
    }
    return orphans;
}

static void
replGraphNoteHidden(ReplGraphFile *file, ReplGraphNode *node, void *opaque)
{
    if (!file->isLayer && node->file != file)
        g_hash_table_add(opaque, file);
}

/* Files that only links and odd nodes need; looked for once as long as the graph is held. */
static GHashTable *
replGraphHidden(ReplGraph *graph)
{
    if (!graph->hidden) {
        graph->hidden = g_hash_table_new(NULL, NULL);
        replGraphEachHidden(graph, replGraphNoteHidden, graph->hidden);
    }
    return graph->hidden;
}

gboolean
replGraphIsLayer(ReplGraph *graph, const ReplGraphNode *node)
{
    return node->file->isLayer || g_hash_table_contains(replGraphHidden(graph), node->file);
}

ReplAmounts
replGraphUsage(ReplGraph *graph, const ReplPoolDir *pool)
{
    const ReplGraphDir *dir = replGraphDirFind(graph, pool->dev, pool->ino);
    ReplAmounts usage = {0, 0, 0};
    GHashTableIter iter;
    gpointer key;
    guint i;

    if (!dir)
        return usage;
    usage.snapshots = dir->layers;
    usage.bytes = dir->bytes;
    g_hash_table_iter_init(&iter, replGraphHidden(graph));
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const ReplGraphFile *file = key;

        for (i = 0; i < file->nodes->len; i++)
            usage.snapshots += ((const ReplGraphNode *)g_ptr_array_index(file->nodes, i))->dir == dir;
    }
    usage.images = g_hash_table_size(dir->nodes) - usage.snapshots;
    return usage;
}
