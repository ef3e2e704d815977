/*
 * graph.h: which volume needs which, over all pools of a set
 *
 * A graph is kept with the header cache. Each time it is asked for, only the volumes that were touched since
 * are looked at, so that the size of a pool does not count. It is locked from replGraphScan() to
 * replGraphFree(), and shows one moment until then; the thread that holds it may ask for it again, and gets
 * the same picture, however it asks. Everything that QEMU would follow counts as needing, also what a chain is not allowed to
 * do (other regions, symbolic links): a guard must rather hold too much. Protocol and json: backing names are
 * not seen, nor are backing files of formats other than qcow2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/cache.h"
#include "store/files.h"

/* A volume: a regular file in a pool's directory. */
typedef struct ReplGraphNode ReplGraphNode;

typedef struct ReplGraph ReplGraph;

/* QEMU may write to an image that it has open by ways that give no events: such images are locked, and are looked at anew. But
 * to learn which files are locked the kernel stops all locking of the host for a moment (10 ms and more), so: */
typedef enum {
    REPL_GRAPH_NOW,      /* for a decision: those that are locked at this moment */
    REPL_GRAPH_RECENTLY, /* for what is shown: those that were locked a second ago */
    REPL_GRAPH_CLOSED,   /* for who does not care about open images: none */
} ReplGraphLocked;

/* Looks at all pools of @set, which must outlive the graph. A directory that cannot be listed is left out with a log
 * line, except that of @must (NULL: none), which makes it fail: NULL with @err set. */
ReplGraph *
replGraphScan(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must, ReplGraphLocked locked,
              GError **err);

void
replGraphFree(ReplGraph *graph);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplGraph, replGraphFree)

/* The next graph looks at every volume anew. */
void
replGraphRefresh(ReplGraphCache *cache);

/* Borrowed; NULL: no such volume. */
const ReplGraphNode *
replGraphFind(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* Borrowed from the set. */
const ReplPoolDir *
replGraphNodePool(const ReplGraphNode *node);

const char *
replGraphNodeVolume(const ReplGraphNode *node);

/* The file as it was when the graph was brought up to date. */
void
replGraphNodeLook(const ReplGraphNode *node, ReplFileLook *look);

/* Allocated. */
guint64
replGraphNodeBytes(const ReplGraphNode *node);

/* Whether another volume, in any pool, needs it. */
gboolean
replGraphIsLayer(ReplGraph *graph, const ReplGraphNode *node);

/* The volumes, in any pool, whose backing file @volume is: of const ReplGraphNode, borrowed from the
 * graph, in order of pool and name; empty when there is none. In a loop nobody needs anybody, or none of
 * its volumes could ever be deleted. */
GPtrArray *
replGraphDependents(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* A volume other than @volume, in a pool of its region, that could not be read yet for a reason that may pass: whether it needs
 * @volume is not known. Borrowed, with its pool in *@where; NULL: there is none. */
const char *
replGraphUnseen(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume,
                const ReplPoolDir **where);

/* The names of @nodes for a message: "a.qcow2, b.qcow2 and 3 more", with the pool's name in front where
 * it is not @pool ("shanghai/c.qcow2"). */
char *
replGraphNames(const GPtrArray *nodes, const ReplPoolDir *pool);

/* The volume that @node needs as its backing file, in any pool; borrowed, NULL: none. */
const char *
replGraphNearest(const ReplGraph *graph, const ReplGraphNode *node);

/* The volumes below @volume, the nearest first, NULL-terminated; ends where the chain leaves the set. */
char **
replGraphBackingChain(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* The layers of @volume that nothing else needs, the nearest first: of const ReplGraphNode, borrowed. */
GPtrArray *
replGraphOrphans(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* The names of the volumes of @pool whose files have @size_bytes bytes: of char *, in order; the caller frees it. */
GPtrArray *
replGraphSized(const ReplGraph *graph, const ReplPoolDir *pool, guint64 size_bytes);

/* What counts against the quota of @pool: images are the volumes that no other one needs, snapshots
 * those that some other one does, bytes the allocated bytes. */
ReplAmounts
replGraphUsage(ReplGraph *graph, const ReplPoolDir *pool);

/* The names of the layers below @volume as replGraphBackingChain() has them, found by following the one
 * chain: a stat call for each layer, and no look at the rest of the pool. Confined to the region of
 * @pool; ends quietly at what it cannot follow. Never NULL. */
char **
replChainNames(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *pool, const char *volume);
