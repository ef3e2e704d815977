/*
 * fairqueue.h: a waiting line that is first come, first served within a lane, and fair between lanes
 *
 * The lanes stand in a ring; each pick takes the first eligible item of the first lane that has
 * one, and that lane goes to the end of the ring. Pure, no lock of its own. Items are borrowed
 * pointers, each at most once in the line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplFairQueue ReplFairQueue;

typedef gboolean (*ReplFairQueueEligible)(void *item, void *opaque);

ReplFairQueue *
replFairQueueNew(void);

void
replFairQueueFree(ReplFairQueue *queue);

/* At the end of @lane. */
void
replFairQueuePush(ReplFairQueue *queue, const char *lane, void *item);

/* FALSE: was not there. */
gboolean
replFairQueueRemove(ReplFairQueue *queue, const char *lane, void *item);

/* Takes the next one out, NULL: none is eligible. */
void *
replFairQueuePick(ReplFairQueue *queue, ReplFairQueueEligible eligible, void *opaque);

/* Calls @visit for each item with its position, the 1-based order in which picks would take it if
 * nothing changed; 0 for one that is not eligible. */
void
replFairQueuePositions(ReplFairQueue *queue, ReplFairQueueEligible eligible,
                       void (*visit)(void *item, guint position, void *opaque), void *opaque);
