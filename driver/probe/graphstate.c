/*
 * graphstate.c: nodes, files and wishes of a graph, as entries of directories come, change and go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/graphpriv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "probe/backing.h"
#include "store/files.h"

/* A file that changed less than this ago can change again without its times showing it. */
#define REPL_GRAPH_RACY_ns (2 * G_GINT64_CONSTANT(1000000000))

/* --- files: nodes that are one --- */

/* Whether another file wants one of the names of @file, followed by the counts of its directories. */
static void
replGraphRecount(ReplGraphFile *file)
{
    gboolean isLayer = FALSE;
    guint i;

    for (i = 0; !isLayer && i < file->nodes->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(file->nodes, i);
        GHashTable *wanting = g_hash_table_lookup(node->dir->wants, node->volume);
        GHashTableIter iter;
        gpointer key;

        if (!wanting)
            continue;
        g_hash_table_iter_init(&iter, wanting);
        /* Skip a file that is its own backing file: no other volume needs it. */
        while (!isLayer && g_hash_table_iter_next(&iter, &key, NULL))
            isLayer = ((ReplGraphNode *)key)->file != file;
    }
    if (isLayer == file->isLayer)
        return;
    file->isLayer = isLayer;
    for (i = 0; i < file->nodes->len; i++) {
        const ReplGraphNode *node = g_ptr_array_index(file->nodes, i);

        node->dir->layers += isLayer ? 1 : -1;
    }
}

static void
replGraphJoinFile(ReplGraph *graph, ReplGraphNode *node, const struct stat *st)
{
    ReplGraphFile key = {.dev = st->st_dev, .ino = st->st_ino};
    ReplGraphFile *file = g_hash_table_lookup(graph->files, &key);
    guint i;

    if (!file) {
        file = g_new0(ReplGraphFile, 1);
        file->dev = st->st_dev;
        file->ino = st->st_ino;
        file->nodes = g_ptr_array_new();
        g_hash_table_add(graph->files, file);
    }
    g_ptr_array_add(file->nodes, node);
    node->file = file;
    if (file->isLayer)
        node->dir->layers++;
    for (i = 0; st->st_nlink > 1 && i < file->nodes->len; i++)
        g_hash_table_add(graph->linked, g_ptr_array_index(file->nodes, i));
}

static void
replGraphLeaveFile(ReplGraph *graph, ReplGraphNode *node)
{
    ReplGraphFile *file = node->file;

    if (file->isLayer)
        node->dir->layers--;
    g_ptr_array_remove_fast(file->nodes, node);
    node->file = NULL;
    if (file->nodes->len > 0)
        replGraphRecount(file);
    else
        g_hash_table_remove(graph->files, file);
}

/* --- wishes --- */

static ReplGraphFolder *
replGraphFolder(ReplGraphDir *dir, const char *part)
{
    ReplGraphFolder *folder = g_hash_table_lookup(dir->folders, part);
    struct stat st;

    if (folder)
        return folder;
    folder = g_new0(ReplGraphFolder, 1);
    folder->part = g_strdup(part);
    if (fstatat(dir->pool->dirFd, part, &st, AT_NO_AUTOMOUNT) == 0 && S_ISDIR(st.st_mode)) {
        folder->dev = st.st_dev;
        folder->ino = st.st_ino;
    }
    g_hash_table_insert(dir->folders, folder->part, folder);
    return folder;
}

gboolean
replGraphPlacesHold(ReplGraphDir *dir)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, dir->folders);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const ReplGraphFolder *folder = value;
        struct stat st = {0};

        if (fstatat(dir->pool->dirFd, folder->part, &st, AT_NO_AUTOMOUNT) < 0 && errno != ENOENT &&
            errno != ENOTDIR)
            continue;
        if (!S_ISDIR(st.st_mode))
            st.st_dev = st.st_ino = 0;
        if (st.st_dev != folder->dev || st.st_ino != folder->ino)
            return FALSE;
    }
    return TRUE;
}

/* The directory of the set that the backing name leads into, and the name there; NULL: none. */
static ReplGraphDir *
replGraphWanted(const ReplGraph *graph, ReplGraphDir *dir, const char *backing, const char **name)
{
    const char *slash = strrchr(backing, '/');
    g_autofree char *part = NULL;
    const ReplGraphFolder *folder;

    *name = slash ? slash + 1 : backing;
    if (!replIsVolumeName(*name))
        return NULL;
    if (!slash)
        return dir;
    part = slash == backing ? g_strdup("/") : g_strndup(backing, slash - backing);
    folder = replGraphFolder(dir, part);
    return folder->ino ? replGraphDirFind(graph, folder->dev, folder->ino) : NULL;
}

/* The wish at a name has changed: so may have who is a layer. */
static void
replGraphRecountAt(ReplGraphDir *dir, const char *name)
{
    const ReplGraphNode *node = g_hash_table_lookup(dir->nodes, name);

    if (node)
        replGraphRecount(node->file);
}

static void
replGraphWish(ReplGraph *graph, ReplGraphNode *node)
{
    const char *backing = node->head ? node->head->backing : NULL;
    GHashTable *wanting;
    const char *name;

    if (!backing || replBackingHasProtocol(backing))
        return;
    if (!(node->wantDir = replGraphWanted(graph, node->dir, backing, &name))) {
        g_hash_table_add(graph->odd, node);
        return;
    }
    node->wantName = g_strdup(name);
    if (!(wanting = g_hash_table_lookup(node->wantDir->wants, name))) {
        wanting = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(node->wantDir->wants, g_strdup(name), wanting);
    }
    g_hash_table_add(wanting, node);
    replGraphRecountAt(node->wantDir, name);
}

static void
replGraphUnwish(ReplGraph *graph, ReplGraphNode *node)
{
    g_autofree char *name = g_steal_pointer(&node->wantName);
    ReplGraphDir *dir = g_steal_pointer(&node->wantDir);
    GHashTable *wanting;

    g_hash_table_remove(graph->odd, node);
    if (!dir)
        return;
    wanting = g_hash_table_lookup(dir->wants, name);
    g_hash_table_remove(wanting, node);
    if (g_hash_table_size(wanting) == 0)
        g_hash_table_remove(dir->wants, name);
    replGraphRecountAt(dir, name);
}

/* --- sizes --- */

static void
replGraphJoinSize(ReplGraphNode *node)
{
    GHashTable *sizes = node->dir->sizes;
    GHashTable *nodes = g_hash_table_lookup(sizes, &node->identity.size_bytes);

    if (!nodes) {
        nodes = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(sizes, g_memdup2(&node->identity.size_bytes, sizeof(guint64)), nodes);
    }
    g_hash_table_add(nodes, node);
}

static void
replGraphLeaveSize(ReplGraphNode *node)
{
    GHashTable *nodes = g_hash_table_lookup(node->dir->sizes, &node->identity.size_bytes);

    g_hash_table_remove(nodes, node);
    if (g_hash_table_size(nodes) == 0)
        g_hash_table_remove(node->dir->sizes, &node->identity.size_bytes);
}

/* --- nodes --- */

static void
replGraphNodeFree(gpointer opaque)
{
    ReplGraphNode *node = opaque;

    g_free(node->volume);
    g_free(node->wantName);
    replHeadUnref(node->head);
    g_free(node);
}

static void
replGraphRemove(ReplGraph *graph, ReplGraphDir *dir, const char *name)
{
    ReplGraphNode *node = g_hash_table_lookup(dir->nodes, name);

    g_hash_table_remove(dir->links, name);
    if (!node)
        return;
    replGraphUnwish(graph, node);
    g_hash_table_remove(graph->linked, node);
    replGraphLeaveSize(node);
    dir->bytes -= node->allocated_bytes;
    replGraphLeaveFile(graph, node);
    g_hash_table_remove(dir->nodes, name);
}

/* Whether what failed with @errnum may work a moment later. A file that may not be read at all (NFS does that to root) is no
 * reason to hold up a whole region. */
static gboolean
replGraphMayPass(int errnum)
{
    static const int passing[] = {EIO, ENOMEM, EMFILE, ENFILE, ESTALE, ETIMEDOUT, EINTR, EAGAIN};

    for (gsize i = 0; i < G_N_ELEMENTS(passing); i++) {
        if (errnum == passing[i])
            return TRUE;
    }
    return FALSE;
}

/* @known: the header that the file had when it was last looked at, or NULL; kept while the file cannot be read. */
static void
replGraphInsert(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, const char *name,
                const struct stat *st, ReplHead *known)
{
    ReplGraphNode *node = g_new0(ReplGraphNode, 1);
    g_autoptr(GError) err = NULL;

    node->dir = dir;
    node->volume = g_strdup(name);
    replIdentityOfStat(st, &node->identity);
    node->born_ns = replFileBorn_ns(dir->pool->dirFd, name);
    node->settled =
        MAX(node->identity.mtime_ns, node->identity.ctime_ns) < g_get_real_time() * 1000 - REPL_GRAPH_RACY_ns;
    node->allocated_bytes = (guint64)st->st_blocks * 512;
    if (!(node->head = replGraphCacheHead(cache, dir->pool, name, st, &err))) {
        replDebug("%s", err->message);
        g_hash_table_add(dir->dirty, g_strdup(name)); /* to be tried again */
        if (known && g_error_matches(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR))
            node->head = replHeadRef(known);
        else if (replGraphMayPass(replErrorErrno(err)))
            g_hash_table_add(dir->unseen, g_strdup(name));
    }
    dir->bytes += node->allocated_bytes;
    g_hash_table_insert(dir->nodes, node->volume, node);
    replGraphJoinSize(node);
    replGraphJoinFile(graph, node, st);
    replGraphRecount(node->file);
    replGraphWish(graph, node);
}

void
replGraphLook(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, const char *name)
{
    ReplGraphNode *node = g_hash_table_lookup(dir->nodes, name);
    g_autoptr(ReplHead) known = NULL;
    ReplFileIdentity now;
    struct stat st;

    if (fstatat(dir->pool->dirFd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
        st.st_mode = 0;
        if (errno != ENOENT) {
            if (!node && replGraphMayPass(errno))
                g_hash_table_add(dir->unseen, g_strdup(name));
            g_hash_table_add(dir->dirty, g_strdup(name));
            return;
        }
    }
    g_hash_table_remove(dir->unseen, name);
    replIdentityOfStat(&st, &now);
    if (node && S_ISREG(st.st_mode) && node->settled && node->head && node->file->dev == (guint64)st.st_dev &&
        replFileIdentityEqual(&node->identity, &now)) {
        dir->bytes += (guint64)st.st_blocks * 512 - node->allocated_bytes;
        node->allocated_bytes = (guint64)st.st_blocks * 512;
        return;
    }
    if (node && node->head && node->file->dev == (guint64)st.st_dev && node->file->ino == (guint64)st.st_ino)
        known = replHeadRef(node->head);
    replGraphRemove(graph, dir, name);
    if (S_ISREG(st.st_mode))
        replGraphInsert(graph, cache, dir, name, &st, known);
    else if (S_ISLNK(st.st_mode))
        g_hash_table_add(dir->links, g_strdup(name));
}

void
replGraphRelink(ReplGraph *graph)
{
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, dir->nodes);
        while (g_hash_table_iter_next(&iter, NULL, &value))
            replGraphUnwish(graph, value);
        g_hash_table_remove_all(dir->folders);
        g_hash_table_iter_init(&iter, dir->nodes);
        while (g_hash_table_iter_next(&iter, NULL, &value))
            replGraphWish(graph, value);
    }
}

/* --- directories --- */

ReplGraphDir *
replGraphDirFind(const ReplGraph *graph, guint64 dev, guint64 ino)
{
    guint i;

    for (i = 0; i < graph->dirs->len; i++) {
        ReplGraphDir *dir = g_ptr_array_index(graph->dirs, i);

        if (dir->dev == dev && dir->ino == ino)
            return dir;
    }
    return NULL;
}

static void
replGraphFolderFree(gpointer opaque)
{
    ReplGraphFolder *folder = opaque;

    g_free(folder->part);
    g_free(folder);
}

ReplGraphDir *
replGraphDirAdd(ReplGraph *graph, const ReplPoolDir *pool)
{
    ReplGraphDir *dir = g_new0(ReplGraphDir, 1);

    dir->dev = pool->dev;
    dir->ino = pool->ino;
    dir->pool = pool;
    dir->stale = TRUE;
    /* Before it is listed: what happens meanwhile is noted. */
    dir->watch = replWatchAdd(graph->watch, pool->dirFd);
    dir->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replGraphNodeFree);
    dir->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    dir->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    dir->unseen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    dir->wants = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
    dir->folders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, replGraphFolderFree);
    dir->sizes =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_hash_table_unref);
    g_ptr_array_add(graph->dirs, dir);
    return dir;
}

/* Those of other directories that want names of this one are odd from now on, until they are linked anew. */
static void
replGraphDirUnwant(ReplGraph *graph, ReplGraphDir *dir)
{
    GHashTableIter iter, inner;
    gpointer value, key;

    g_hash_table_iter_init(&iter, dir->wants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_hash_table_iter_init(&inner, value);
        while (g_hash_table_iter_next(&inner, &key, NULL)) {
            ReplGraphNode *node = key;

            node->wantDir = NULL;
            g_clear_pointer(&node->wantName, g_free);
            g_hash_table_add(graph->odd, node);
        }
    }
    g_hash_table_remove_all(dir->wants);
}

void
replGraphDirRemove(ReplGraph *graph, ReplGraphDir *dir)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;
    guint i;

    replWatchRemove(graph->watch, dir->watch);
    g_hash_table_iter_init(&iter, dir->nodes);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(names, g_strdup(key));
    for (i = 0; i < names->len; i++)
        replGraphRemove(graph, dir, g_ptr_array_index(names, i));
    replGraphDirUnwant(graph, dir);
    g_hash_table_unref(dir->nodes);
    g_hash_table_unref(dir->links);
    g_hash_table_unref(dir->dirty);
    g_hash_table_unref(dir->unseen);
    g_hash_table_unref(dir->wants);
    g_hash_table_unref(dir->folders);
    g_hash_table_unref(dir->sizes);
    g_ptr_array_remove(graph->dirs, dir);
    g_free(dir);
}

ReplGraphFile *
replGraphFollow(const ReplGraph *graph, const ReplGraphDir *dir, const char *path)
{
    ReplGraphFile key = {0};
    struct stat st;

    if (fstatat(dir->pool->dirFd, path, &st, AT_NO_AUTOMOUNT) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    key.dev = st.st_dev;
    key.ino = st.st_ino;
    return g_hash_table_lookup(graph->files, &key);
}
