/*
 * fairqueue.c: a waiting line that is fair between lanes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/fairqueue.h"

typedef struct {
    char *name;
    GQueue items; /* waiting, the oldest first; never empty */
} ReplLane;

struct _ReplFairQueue {
    GQueue ring; /* of ReplLane, the next one first */
};

static void
replLaneFree(ReplLane *lane)
{
    g_queue_clear(&lane->items);
    g_free(lane->name);
    g_free(lane);
}

ReplFairQueue *
replFairQueueNew(void)
{
    ReplFairQueue *queue = g_new0(ReplFairQueue, 1);

    g_queue_init(&queue->ring);
    return queue;
}

void
replFairQueueFree(ReplFairQueue *queue)
{
    if (!queue)
        return;
    g_queue_clear_full(&queue->ring, (GDestroyNotify)replLaneFree);
    g_free(queue);
}

static GList *
replFairQueueFind(ReplFairQueue *queue, const char *name)
{
    GList *link;

    for (link = queue->ring.head; link; link = link->next) {
        if (g_str_equal(((ReplLane *)link->data)->name, name))
            return link;
    }
    return NULL;
}

void
replFairQueuePush(ReplFairQueue *queue, const char *name, void *item)
{
    GList *link = replFairQueueFind(queue, name);

    if (!link) {
        ReplLane *lane = g_new0(ReplLane, 1);

        lane->name = g_strdup(name);
        g_queue_init(&lane->items);
        g_queue_push_tail(&queue->ring, lane);
        link = queue->ring.tail;
    }
    g_queue_push_tail(&((ReplLane *)link->data)->items, item);
}

/* Takes @item out of the lane at @link, which goes to the end of the ring, or away when it is
 * empty. */
static void
replFairQueueTake(ReplFairQueue *queue, GList *link, GList *item, gboolean turn)
{
    ReplLane *lane = link->data;

    g_queue_delete_link(&lane->items, item);
    if (g_queue_is_empty(&lane->items)) {
        g_queue_delete_link(&queue->ring, link);
        replLaneFree(lane);
    } else if (turn) {
        g_queue_unlink(&queue->ring, link);
        g_queue_push_tail_link(&queue->ring, link);
    }
}

gboolean
replFairQueueRemove(ReplFairQueue *queue, const char *name, void *item)
{
    GList *link = replFairQueueFind(queue, name);
    GList *found = link ? g_queue_find(&((ReplLane *)link->data)->items, item) : NULL;

    if (!found)
        return FALSE;
    replFairQueueTake(queue, link, found, FALSE);
    return TRUE;
}

void *
replFairQueuePick(ReplFairQueue *queue, ReplFairQueueEligible eligible, void *opaque)
{
    GList *link, *item;

    for (link = queue->ring.head; link; link = link->next) {
        for (item = ((ReplLane *)link->data)->items.head; item; item = item->next) {
            void *data = item->data;

            if (!eligible(data, opaque))
                continue;
            replFairQueueTake(queue, link, item, TRUE);
            return data;
        }
    }
    return NULL;
}

/* The next eligible item from @item on; those passed over are visited. */
static GList *
replFairQueueSkip(GList *item, ReplFairQueueEligible eligible,
                  void (*visit)(void *item, guint position, void *opaque), void *opaque)
{
    for (; item && !eligible(item->data, opaque); item = item->next)
        visit(item->data, 0, opaque);
    return item;
}

void
replFairQueuePositions(ReplFairQueue *queue, ReplFairQueueEligible eligible,
                       void (*visit)(void *item, guint position, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) cursors = g_ptr_array_new(); /* of GList of items, one a lane */
    guint position = 0, before, i;
    GList *link;

    for (link = queue->ring.head; link; link = link->next)
        g_ptr_array_add(cursors, ((ReplLane *)link->data)->items.head);
    do { /* one round of the ring */
        before = position;
        for (i = 0; i < cursors->len; i++) {
            GList *item = replFairQueueSkip(cursors->pdata[i], eligible, visit, opaque);

            if (item)
                visit(item->data, ++position, opaque);
            cursors->pdata[i] = item ? item->next : NULL;
        }
    } while (position > before);
}
