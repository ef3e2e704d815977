/*
 * local_basis.c: which volumes of the pool are likely to have blocks of what another host sends
 *
 * These are volumes with the name of one of its layers, the image itself and replicas of it, and the layers
 * of all of these.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/log.h"
#include "endpoint/localpriv.h"
#include "probe/graph.h"
#include "service/service.h"
#include "store/files.h"
#include "store/record.h"
#include "virt/access.h"

/* Each has an open file. */
#define REPL_LOCAL_BASIS_FILES 16

/* Names, in the order in which they are looked at. */
typedef struct {
    ReplLocalTarget *target;
    const ReplSourceFacts *facts;
    ReplGraph *graph;
    GPtrArray *names;
} ReplLocalKin;

static gboolean
replLocalIsKin(const ReplLocalKin *kin, const char *name)
{
    g_autoptr(ReplImage) image = NULL;

    for (guint i = 0; i < kin->facts->layerCount; i++) {
        if (g_str_equal(kin->facts->layers[i].volume, name))
            return TRUE;
    }
    image = replRecordLoad(kin->target->staging, name, NULL);
    return image && (g_strcmp0(image->id, kin->facts->image->id) == 0 ||
                     g_strcmp0(image->source.id, kin->facts->image->id) == 0);
}

static void
replLocalAddKin(ReplLocalKin *kin, const char *name)
{
    if (kin->names->len < REPL_LOCAL_BASIS_FILES &&
        !g_ptr_array_find_with_equal_func(kin->names, name, g_str_equal, NULL))
        g_ptr_array_add(kin->names, g_strdup(name));
}

/* Returns the names, of char *. */
static GPtrArray *
replLocalKinNames(ReplLocalTarget *target, const ReplSourceFacts *facts, ReplGraph *graph)
{
    g_autoptr(GPtrArray) all = replDirList(target->dir->dirFd, replIsVolumeName, NULL);
    ReplLocalKin kin = {target, facts, graph, g_ptr_array_new_with_free_func(g_free)};

    for (guint i = 0; all && i < all->len; i++) {
        const char *name = g_ptr_array_index(all, i);
        g_auto(GStrv) below = NULL;

        if (!replLocalIsKin(&kin, name))
            continue;
        replLocalAddKin(&kin, name);
        below = replGraphBackingChain(graph, target->dir, name);
        for (guint k = 0; below[k]; k++)
            replLocalAddKin(&kin, below[k]);
    }
    return kin.names;
}

static void
replLocalAddBasis(ReplLocalTarget *target, const ReplGraph *graph, ReplBasis *basis, const char *name)
{
    g_autoptr(GPtrArray) overlays = replGraphDependents(graph, target->dir, name);
    g_auto(ReplFd) fd = replPoolDirOpen(target->dir, name, NULL);
    const ReplSummed file = {target->dir, name, fd, overlays->len > 0};

    if (fd >= 0)
        replBasisAdd(basis, &file, replLocalStops, target);
}

static ReplBasis *
replLocalBasis(ReplLocalTarget *target)
{
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), target->set, target->dir, REPL_GRAPH_RECENTLY, NULL);
    g_autoptr(GPtrArray) names = graph ? replLocalKinNames(target, target->source, graph) : NULL;
    g_autoptr(GPtrArray) own = replLocalOwn(target);
    g_autoptr(ReplBasis) basis = replBasisNew();
    g_autoptr(ReplConn) conn = NULL;

    for (guint i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (replLocalMayUse(target, own, name, &conn))
            replLocalAddBasis(target, graph, basis, name);
    }
    return replBasisSeal(basis) ? g_steal_pointer(&basis) : NULL;
}

ReplWriter *
replLocalOnBasis(ReplLocalTarget *target, ReplSource *source, guint layer, ReplWriter *writer, gboolean dirty)
{
    if (replSourceChain(source) || !source->ops->digests)
        return writer;
    if (!target->hasBasis)
        target->basis = replLocalBasis(target);
    target->hasBasis = TRUE;
    if (!target->basis)
        return writer;
    return replBasisWriter(target->basis, writer, source, layer, target->source->layers[layer].size_bytes,
                           dirty);
}
