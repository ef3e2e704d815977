/*
 * present.c: which layers of a chain the target has already, by content, not by name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/present.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "probe/backing.h"
#include "probe/graph.h"
#include "store/files.h"
#include "store/imagelock.h"

/* One search. */
typedef struct {
    const ReplLayer *layer;
    const ReplLayer *next; /* the layer below, NULL: none */
    const ReplPoolDir *target;
    const char *below;
    const ReplPresentAsk *ask;
    gboolean stopped; /* by the caller */
    ReplFileIdentity found;
} ReplSearch;

static gboolean
replSearchIsUsable(const ReplSearch *search, const char *volume)
{
    return !search->ask || !search->ask->usable || search->ask->usable(search->ask->opaque, volume);
}

/* Whether the file of @st could be the layer as far as stat tells. */
static gboolean
replSearchFits(const ReplSearch *search, const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size == search->layer->st.st_size;
}

static gboolean
replSearchIsSource(const ReplSearch *search, const struct stat *st)
{
    return st->st_dev == search->layer->st.st_dev && st->st_ino == search->layer->st.st_ino;
}

/* Whether the backing reference of a candidate is that of the layer, carried over to the target. */
static gboolean
replSearchBackingFits(const ReplSearch *search, const char *volume, const ReplHead *head, gboolean isSource)
{
    g_autoptr(ReplPoolSet) none = replPoolSetNew();
    g_autofree char *entry = NULL;

    if (!search->next || !head->backing)
        return !search->next && !head->backing;
    if (!replBackingResolve(none, search->target, volume, head->backing, &entry, NULL) ||
        !g_str_equal(entry, search->below))
        return FALSE;
    /* In the source's own pool the layer is what it is, also without a stated format. */
    if (!head->backingFormat)
        return isSource;
    return g_str_equal(head->backingFormat, replFormatToString(search->next->format));
}

/* Opens @volume if it can stand for the layer as far as its header goes; -1 if not. What cannot be read
 * is no candidate, and no error. */
static int
replSearchOpen(const ReplSearch *search, const char *volume, struct stat *st)
{
    g_auto(ReplFd) fd = replPoolDirOpen(search->target, volume, NULL);
    g_autoptr(ReplHead) head = NULL;

    if (fd < 0 || fstat(fd, st) < 0 || !replSearchFits(search, st))
        return -1;
    /* The header above states that this layer is raw, even if its bytes look like another format. */
    if (search->layer->format == REPL_FORMAT_RAW)
        return replFdSteal(&fd);
    head = replHeadRead(fd, volume, NULL);
    if (!head || head->malformed || head->format != search->layer->format ||
        head->virtualSize_bytes != search->layer->virtualSize_bytes ||
        !replSearchBackingFits(search, volume, head, replSearchIsSource(search, st)))
        return -1;
    return replFdSteal(&fd);
}

/* Whether the record of @volume says that it was made from this very layer and both are unchanged. */
static gboolean
replSearchIsReplica(const ReplSearch *search, const char *volume, const struct stat *st)
{
    g_autoptr(ReplImage) image = NULL;
    ReplFileIdentity now;

    if (!search->ask || !search->ask->record || !(image = search->ask->record(search->ask->opaque, volume)))
        return FALSE;
    replIdentityOfStat(st, &now);
    return image->hasOrigin && g_strcmp0(image->originPool, search->layer->pool->uuid) == 0 &&
           replFileIdentityEqual(&image->origin, &search->layer->identity) &&
           replFileIdentityFits(&image->self, &now);
}

static int
replSearchProceed(void *opaque, guint64 bytes, GError **err)
{
    ReplSearch *search = opaque;

    if (search->ask && search->ask->proceed && search->ask->proceed(search->ask->opaque, bytes, err) < 0) {
        search->stopped = TRUE;
        return -1;
    }
    return 0;
}

/* The content: 1 the same, 0 not, -1 with @err set when the caller ends the search. A candidate that
 * cannot be read or changes meanwhile is none; a layer that cannot be read fails when it is copied. */
static int
replSearchCompare(ReplSearch *search, const char *volume, int fd, GError **err)
{
    const ReplSameWatch watch = {.proceed = replSearchProceed, .opaque = search};
    const ReplLayer *layer = search->layer;
    g_autoptr(GError) local = NULL;
    int ret;

    if (layer->qcow2)
        ret = replQcow2SameLayer(layer->fd, fd, layer->volume, volume, &watch, &local);
    else
        ret = replSameBytes(layer->fd, fd, layer->volume, volume, &watch, &local);
    if (ret >= 0)
        return ret;
    if (search->stopped) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    replDebug("volume '%s' is not looked at further: %s", volume, local->message);
    return 0;
}

/* Whether the name still leads to the file that was looked at, and that has not changed: reading takes its time, and a
 * descriptor reads on when its file is deleted. */
static gboolean
replSearchIsStill(ReplSearch *search, const char *volume, const struct stat *st)
{
    ReplFileIdentity now;
    struct stat again;

    if (fstatat(search->target->dirFd, volume, &again, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return FALSE;
    replIdentityOfStat(&again, &now);
    replIdentityOfStat(st, &search->found);
    return again.st_dev == st->st_dev && replFileIdentityEqual(&now, &search->found);
}

/* Looks at one candidate; @byContent says which of the two ways. */
static int
replSearchTry(ReplSearch *search, const char *volume, gboolean byContent, GError **err)
{
    g_auto(ReplFd) fd = -1;
    struct stat st;
    int ret;

    /* A volume that another process has open for writing may equal the layer now and differ a moment later. The lock ends with
     * the descriptor. */
    if ((fd = replSearchOpen(search, volume, &st)) < 0 || replImageLockRead(fd, volume, NULL) < 0)
        return 0;
    if (byContent)
        ret = replSearchCompare(search, volume, fd, err);
    else
        ret = replSearchIsSource(search, &st) || replSearchIsReplica(search, volume, &st);
    return ret > 0 ? replSearchIsStill(search, volume, &st) : ret;
}

GPtrArray *
replPresentSized(const ReplPresentAsk *ask, const ReplPoolDir *target, guint64 size_bytes, GError **err)
{
    g_autoptr(ReplGraph) graph = NULL;

    if (!ask || !ask->cache)
        return replDirList(target->dirFd, replIsVolumeName, err);
    graph = replGraphScan(ask->cache, ask->set, target, REPL_GRAPH_CLOSED, err);
    return graph ? replGraphSized(graph, target, size_bytes) : NULL;
}

/* Candidates by stat alone, one of the layer's own name first. */
static GPtrArray *
replSearchCandidates(const ReplSearch *search, GError **err)
{
    g_autoptr(GPtrArray) names =
        replPresentSized(search->ask, search->target, search->layer->st.st_size, err);
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(g_free);
    guint i;

    if (!names)
        return NULL;
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        struct stat st;

        if (fstatat(search->target->dirFd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
            !replSearchFits(search, &st) || !replSearchIsUsable(search, name))
            continue;
        g_ptr_array_insert(candidates, g_str_equal(name, search->layer->volume) ? 0 : -1, g_strdup(name));
    }
    return g_steal_pointer(&candidates);
}

int
replPresentFind(const ReplChain *chain, guint index, const ReplPoolDir *target, const char *below,
                const ReplPresentAsk *ask, char **volume, ReplFileIdentity *identity, GError **err)
{
    ReplSearch search = {
        .layer = replChainLayer(chain, index),
        .next = index + 1 < replChainEnd(chain, index) ? replChainLayer(chain, index + 1) : NULL,
        .target = target,
        .below = below,
        .ask = ask,
    };
    g_autoptr(GPtrArray) candidates = NULL;
    gboolean byContent;
    guint i;

    /* Nothing is learnt from an empty file: a replica's placeholder is one, too. */
    if (search.layer->st.st_size == 0 || (search.next && !below))
        return 0;
    if (!(candidates = replSearchCandidates(&search, err)))
        return -1;
    for (byContent = FALSE; byContent <= TRUE; byContent++) {
        for (i = 0; i < candidates->len; i++) {
            const char *name = g_ptr_array_index(candidates, i);
            int ret = replSearchTry(&search, name, byContent, err);

            if (ret > 0) {
                *volume = g_strdup(name);
                *identity = search.found;
            }
            if (ret != 0)
                return ret;
        }
    }
    return 0;
}
