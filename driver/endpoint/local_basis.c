/*
 * local_basis.c: which volumes of the pool are likely to have blocks of what another host sends
 *
 * These are volumes with the name of one of its layers, the image itself, replicas of it and of what had its name before, and the
 * layers of all of these. Digests of volumes are kept, and making them reads a volume as a whole: they are made for the
 * names of the layers and for the newest replica, the others are used where they have them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "endpoint/localpriv.h"
#include "probe/graph.h"
#include "service/service.h"
#include "store/files.h"
#include "store/record.h"
#include "virt/access.h"

/* Each has an open file. */
#define REPL_LOCAL_BASIS_FILES 16

/* A volume to look at. */
typedef struct {
    char *name;
    gint64 mtime_ns; /* of its file, 0: not asked */
    gboolean named;  /* as a layer of the image */
    gboolean make;   /* its digests */
} ReplLocalKin;

static void
replLocalKinFree(gpointer opaque)
{
    ReplLocalKin *kin = opaque;

    g_free(kin->name);
    g_free(kin);
}

static gboolean
replLocalIsNamed(const ReplSourceFacts *facts, const char *name)
{
    for (guint i = 0; i < facts->layerCount; i++) {
        if (g_str_equal(facts->layers[i].volume, name))
            return TRUE;
    }
    return FALSE;
}

/* Whether the record says that the volume is the image or was made from it, or from what had its name then: an image that is
 * rebuilt has another id. */
static gboolean
replLocalIsReplica(const ReplLocalTarget *target, const ReplSourceFacts *facts, const char *name)
{
    g_autoptr(ReplImage) image = replRecordLoad(target->staging, name, NULL);

    return image && (g_strcmp0(image->id, facts->image->id) == 0 ||
                     g_strcmp0(image->source.id, facts->image->id) == 0 ||
                     (g_strcmp0(image->source.volume, facts->volume) == 0 &&
                      g_strcmp0(image->source.region, facts->label->name) == 0));
}

static gint64
replLocalMtime_ns(const ReplLocalTarget *target, const char *name)
{
    ReplFileIdentity identity;
    struct stat st;

    if (fstatat(target->dir->dirFd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return 0;
    replIdentityOfStat(&st, &identity);
    return identity.mtime_ns;
}

/* Those with a layer's name first, then the newest. */
static gint
replLocalKinOrder(gconstpointer a, gconstpointer b)
{
    const ReplLocalKin *left = *(ReplLocalKin *const *)a;
    const ReplLocalKin *right = *(ReplLocalKin *const *)b;

    if (left->named != right->named)
        return left->named ? -1 : 1;
    return left->mtime_ns > right->mtime_ns ? -1 : left->mtime_ns < right->mtime_ns;
}

/* The image's kin without their layers, of ReplLocalKin, in order: none that a job makes, this one included. */
static GPtrArray *
replLocalKinHeads(ReplLocalTarget *target, const ReplSourceFacts *facts)
{
    g_autoptr(GPtrArray) all = replDirList(target->dir->dirFd, replIsVolumeName, NULL);
    g_autoptr(GPtrArray) own = replLocalOwn(target);
    g_autoptr(ReplConn) conn = NULL;
    GPtrArray *heads = g_ptr_array_new_with_free_func(replLocalKinFree);

    for (guint i = 0; all && i < all->len; i++) {
        const char *name = g_ptr_array_index(all, i);
        ReplLocalKin kin = {.named = replLocalIsNamed(facts, name)};

        if ((!kin.named && !replLocalIsReplica(target, facts, name)) ||
            !replLocalMayUse(target, own, name, &conn))
            continue;
        kin.name = g_strdup(name);
        kin.mtime_ns = replLocalMtime_ns(target, name);
        g_ptr_array_add(heads, g_memdup2(&kin, sizeof(kin)));
    }
    g_ptr_array_sort(heads, replLocalKinOrder);
    return heads;
}

static void
replLocalAddKin(GPtrArray *kin, const char *name, gboolean make)
{
    ReplLocalKin *added;

    for (guint i = 0; i < kin->len; i++) {
        ReplLocalKin *there = g_ptr_array_index(kin, i);

        if (!g_str_equal(there->name, name))
            continue;
        there->make = there->make || make;
        return;
    }
    if (kin->len >= REPL_LOCAL_BASIS_FILES)
        return;
    added = g_new0(ReplLocalKin, 1);
    added->name = g_strdup(name);
    added->make = make;
    g_ptr_array_add(kin, added);
}

/* What to look at, of ReplLocalKin. */
static GPtrArray *
replLocalKin(ReplLocalTarget *target, const ReplSourceFacts *facts, const ReplGraph *graph)
{
    g_autoptr(GPtrArray) heads = replLocalKinHeads(target, facts);
    GPtrArray *kin = g_ptr_array_new_with_free_func(replLocalKinFree);
    gboolean newest = TRUE;

    for (guint i = 0; i < heads->len; i++) {
        const ReplLocalKin *head = g_ptr_array_index(heads, i);
        g_auto(GStrv) below = replGraphBackingChain(graph, target->dir, head->name);
        gboolean make = head->named || newest;

        newest = newest && head->named;
        replLocalAddKin(kin, head->name, make);
        for (guint k = 0; below[k]; k++)
            replLocalAddKin(kin, below[k], make);
    }
    return kin;
}

static void
replLocalAddBasis(ReplLocalTarget *target, const ReplGraph *graph, ReplBasis *basis, const ReplLocalKin *kin)
{
    g_autoptr(GPtrArray) overlays = replGraphDependents(graph, target->dir, kin->name);
    g_auto(ReplFd) fd = replPoolDirOpen(target->dir, kin->name, NULL);
    const ReplSummed file = {target->dir, kin->name, fd, overlays->len > 0};

    if (fd >= 0)
        replBasisAdd(basis, &file, kin->make, replLocalStops, target);
}

static ReplBasis *
replLocalBasis(ReplLocalTarget *target)
{
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), target->set, target->dir, REPL_GRAPH_RECENTLY, NULL);
    g_autoptr(GPtrArray) all = graph ? replLocalKin(target, target->source, graph) : NULL;
    g_autoptr(GPtrArray) own = replLocalOwn(target);
    g_autoptr(ReplBasis) basis = replBasisNew();
    g_autoptr(ReplConn) conn = NULL;

    for (guint i = 0; all && i < all->len; i++) {
        const ReplLocalKin *kin = g_ptr_array_index(all, i);

        if (replLocalMayUse(target, own, kin->name, &conn))
            replLocalAddBasis(target, graph, basis, kin);
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
