/*
 * graph.h: which volume needs which, over all pools of a set
 *
 * A graph is a picture of one moment, made by listing the directories and asking the header cache; it is
 * immutable and may be used from any thread. Everything that QEMU would follow counts as needing, also
 * what a chain is not allowed to do (other regions, symbolic links): a guard must rather hold too much.
 * Protocol and json: backing names are not seen, nor are backing files of formats other than qcow2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/cache.h"

typedef struct ReplGraphNode ReplGraphNode;

/* A volume: a regular file in a pool's directory. */
struct ReplGraphNode {
    const ReplPoolDir *pool;
    char *volume;
    guint64 dev, ino;
    guint64 allocated_bytes;
    ReplHead *head;               /* NULL: cannot be read */
    const ReplGraphNode *backing; /* NULL: none, or none in the set */
    GPtrArray *overlays;          /* of ReplGraphNode that this file backs; shared by its hard links */
};

typedef struct ReplGraph ReplGraph;

/* Scans all pools of @set. A directory that cannot be listed is left out with a log line, except that
 * of @must (NULL: none), which makes it fail: NULL with @err set. */
ReplGraph *
replGraphScan(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must, GError **err);

void
replGraphFree(ReplGraph *graph);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplGraph, replGraphFree)

/* Borrowed; NULL: no such volume. */
const ReplGraphNode *
replGraphFind(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* The volumes, in whatever pool, whose backing file @volume is: of const ReplGraphNode, borrowed from the
 * graph, in order of pool and name; empty when there is none. In a loop nobody needs anybody, or none of
 * its volumes could ever be deleted. */
GPtrArray *
replGraphDependents(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* The names of @nodes for a message: "a.qcow2, b.qcow2 and 3 more", with the pool's name in front where
 * it is not @pool ("shanghai/c.qcow2"). */
char *
replGraphNames(const GPtrArray *nodes, const ReplPoolDir *pool);

/* The volumes below @volume, the nearest first, NULL-terminated; ends where the chain leaves the set. */
char **
replGraphBackingChain(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* The layers of @volume that nothing else needs, the nearest first: of const ReplGraphNode, borrowed. */
GPtrArray *
replGraphOrphans(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume);

/* What counts against the quota of @pool: images are the volumes that no other one needs, snapshots
 * those that some other one does, bytes the allocated bytes. */
ReplAmounts
replGraphUsage(const ReplGraph *graph, const ReplPoolDir *pool);

/* The names of the layers below @volume as replGraphBackingChain() has them, found by following the one
 * chain: a stat call for each layer, and no look at the rest of the pool. Confined to the region of
 * @pool; ends quietly at what it cannot follow. Never NULL. */
char **
replChainNames(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *pool,
               const char *volume);
