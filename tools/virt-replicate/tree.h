/*
 * tree.h: from where each region gets an image; pure
 *
 * A region that has an image can feed others, so that copies spread as a tree. Each one feeds at most `fanout` others
 * and one at a time: the origin sends no more than that, and the number of regions that have the image grows
 * exponentially.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A region, as one image sees it. */
typedef struct {
    bool has;       /* can be copied from */
    bool wanted;    /* has to get it, and nothing is on its way yet */
    bool busy;      /* cannot send now */
    guint children; /* regions that it has fed, or feeds */
} ReplTreeNode;

typedef struct {
    guint from;
    guint to;
} ReplTreeEdge;

/* How far @to is from @from; less is nearer. */
typedef double (*ReplTreeDistance)(guint from, guint to, void *opaque);

/* The copies that can begin now, nearest first: no source and no target twice. Changes @nodes as if they had
 * begun: sources become busy and have a child more, targets are wanted no more. */
GArray *
replTreeNext(ReplTreeNode *nodes, guint count, guint fanout, ReplTreeDistance distance, void *opaque);
