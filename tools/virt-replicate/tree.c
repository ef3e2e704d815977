/*
 * tree.c: from where each region gets an image
 *
 * Each source that can send looks for the wanted region that is nearest to it; of all these pairs the nearest is
 * taken, and sources whose choice is gone look again. That is greedy, not the best tree there is, but it never
 * leaves a source idle while a region waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tree.h"

#define REPL_TREE_NONE G_MAXUINT

typedef struct {
    guint to;
    double distance;
} ReplTreeChoice;

static bool
replTreeCanSend(const ReplTreeNode *node, guint fanout)
{
    return node->has && !node->busy && node->children < fanout;
}

static ReplTreeChoice
replTreeNearest(const ReplTreeNode *nodes, guint count, guint from, ReplTreeDistance distance, void *opaque)
{
    ReplTreeChoice best = {REPL_TREE_NONE, 0};
    guint to;

    for (to = 0; to < count; to++) {
        double far;

        if (!nodes[to].wanted)
            continue;
        far = distance(from, to, opaque);
        if (best.to == REPL_TREE_NONE || far < best.distance) {
            best.to = to;
            best.distance = far;
        }
    }
    return best;
}

GArray *
replTreeNext(ReplTreeNode *nodes, guint count, guint fanout, ReplTreeDistance distance, void *opaque)
{
    GArray *edges = g_array_new(FALSE, FALSE, sizeof(ReplTreeEdge));
    g_autofree ReplTreeChoice *choices = g_new(ReplTreeChoice, count);
    guint i;

    for (i = 0; i < count; i++) {
        choices[i].to = REPL_TREE_NONE;
        if (replTreeCanSend(&nodes[i], fanout))
            choices[i] = replTreeNearest(nodes, count, i, distance, opaque);
    }
    for (;;) {
        ReplTreeEdge edge = {REPL_TREE_NONE, REPL_TREE_NONE};

        for (i = 0; i < count; i++) {
            /* Its choice went to another one. */
            if (choices[i].to != REPL_TREE_NONE && !nodes[choices[i].to].wanted)
                choices[i] = replTreeNearest(nodes, count, i, distance, opaque);
            if (choices[i].to != REPL_TREE_NONE &&
                (edge.from == REPL_TREE_NONE || choices[i].distance < choices[edge.from].distance))
                edge.from = i;
        }
        if (edge.from == REPL_TREE_NONE)
            return edges;
        edge.to = choices[edge.from].to;
        choices[edge.from].to = REPL_TREE_NONE;
        nodes[edge.from].busy = true;
        nodes[edge.from].children++;
        nodes[edge.to].wanted = false;
        g_array_append_val(edges, edge);
    }
}
