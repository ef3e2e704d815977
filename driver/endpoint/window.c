/*
 * window.c: what several jobs read of one image is read and summed once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/window.h"

#include "base/lock.h"

typedef struct {
    guint refs;
    ReplWireRange range;
    GByteArray *payload; /* NULL: being made, or not to be had */
    gboolean alone;      /* not to be had: making it failed, or nobody was left to share it with */
    guint wanted;        /* by so many seats still */
} ReplWindowBlock;

typedef struct {
    char *key;
    guint seats;
    GHashTable *blocks; /* ReplWireRange in a block -> that block: those in order, and those being made */
    GQueue order;       /* of blocks that are made, oldest first */
    guint64 held_bytes;
    guint64 ahead_bytes; /* what the seat asked for that is furthest ahead */
} ReplWindow;

struct _ReplWindowSeat {
    ReplWindow *window;
    guint64 asked_bytes;
};

static struct {
    ReplLock lock;   /* guards the rest, and whatever hangs there */
    GHashTable *all; /* key -> ReplWindow; NULL: none yet */
} replWindows = {.lock = REPL_LOCK_INIT};

static guint
replRangeHash(gconstpointer opaque)
{
    const ReplWireRange *range = opaque;

    return g_int64_hash(&range->offset_bytes) ^ range->layer;
}

static gboolean
replRangeEqual(gconstpointer opaqueA, gconstpointer opaqueB)
{
    const ReplWireRange *a = opaqueA;
    const ReplWireRange *b = opaqueB;

    return a->layer == b->layer && a->offset_bytes == b->offset_bytes && a->length_bytes == b->length_bytes;
}

/* A layer that was written to is another one: its size or one of its times differs. */
static char *
replWindowKey(const ReplSourceFacts *facts)
{
    GString *key = g_string_new(facts->poolUuid);

    g_string_append_printf(key, "/%s", facts->volume);
    for (guint i = 0; i < facts->layerCount; i++) {
        const ReplFileIdentity *file = &facts->layers[i].identity;

        g_string_append_printf(
            key, "\n%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
            file->ino, file->size_bytes, file->mtime_ns, file->ctime_ns);
    }
    return g_string_free(key, FALSE);
}

/* --- with the lock held --- */

static void
replWindowBlockUnref(ReplWindowBlock *block)
{
    if (--block->refs > 0)
        return;
    g_clear_pointer(&block->payload, g_byte_array_unref);
    g_free(block);
}

/* Takes a block that is made out of the window. */
static void
replWindowForget(ReplWindow *window, GList *link)
{
    ReplWindowBlock *block = link->data;

    window->held_bytes -= block->payload->len;
    g_queue_delete_link(&window->order, link);
    g_hash_table_remove(window->blocks, &block->range);
    replWindowBlockUnref(block);
}

static void
replWindowKeepAtMost(ReplWindow *window, guint64 most_bytes)
{
    while (window->held_bytes > most_bytes)
        replWindowForget(window, g_queue_peek_head_link(&window->order));
}

static void
replWindowFree(ReplWindow *window)
{
    replWindowKeepAtMost(window, 0);
    g_hash_table_unref(window->blocks);
    g_free(window->key);
    g_free(window);
}

/* A block's maker is done: wakes the jobs that wait for the block. @payload is kept for them; NULL: it could
 * not be made, and each job makes its own. */
static void
replWindowMade(ReplWindow *window, ReplWindowBlock *block, GByteArray *payload)
{
    if (payload && window->seats > 1) {
        block->payload = g_byte_array_ref(payload);
        block->refs++;
        g_queue_push_tail(&window->order, block);
        window->held_bytes += payload->len;
        replWindowKeepAtMost(window, REPL_WINDOW_BYTES);
    } else {
        block->alone = TRUE;
        g_hash_table_remove(window->blocks, &block->range);
    }
    replLockWake(&replWindows.lock);
}

/* A reference to the payload that another job made or makes; NULL: there is none. */
static GByteArray *
replWindowFind(ReplWindow *window, const ReplWireRange *range)
{
    ReplWindowBlock *block = g_hash_table_lookup(window->blocks, range);
    GByteArray *payload = NULL;

    if (!block)
        return NULL;
    block->refs++;
    while (!block->payload && !block->alone)
        replLockWait(&replWindows.lock);
    if (block->payload)
        payload = g_byte_array_ref(block->payload);
    if (payload && --block->wanted == 0 && g_hash_table_lookup(window->blocks, range) == block)
        replWindowForget(window, g_queue_find(&window->order, block));
    replWindowBlockUnref(block);
    return payload;
}

/* Begins a block that the caller makes for the other jobs, too. NULL: the caller makes the block for itself
 * alone. */
static ReplWindowBlock *
replWindowBegin(ReplWindowSeat *seat, const ReplWireRange *range)
{
    ReplWindow *window = seat->window;
    ReplWindowBlock *block;

    if (window->seats < 2 || seat->asked_bytes + REPL_WINDOW_BYTES < window->ahead_bytes ||
        g_hash_table_contains(window->blocks, range))
        return NULL;
    block = g_new0(ReplWindowBlock, 1);
    block->refs = 1;
    block->range = *range;
    block->wanted = window->seats - 1;
    g_hash_table_insert(window->blocks, &block->range, block);
    return block;
}

/* --- without it --- */

ReplWindowSeat *
replWindowJoin(const ReplSourceFacts *facts)
{
    g_autofree char *key = replWindowKey(facts);
    ReplWindowSeat *seat = g_new0(ReplWindowSeat, 1);
    REPL_GUARD(&replWindows.lock);

    if (!replWindows.all)
        replWindows.all = g_hash_table_new(g_str_hash, g_str_equal);
    if (!(seat->window = g_hash_table_lookup(replWindows.all, key))) {
        seat->window = g_new0(ReplWindow, 1);
        seat->window->key = g_steal_pointer(&key);
        seat->window->blocks = g_hash_table_new(replRangeHash, replRangeEqual);
        g_queue_init(&seat->window->order);
        g_hash_table_insert(replWindows.all, seat->window->key, seat->window);
    }
    seat->window->seats++;
    return seat;
}

void
replWindowLeave(ReplWindowSeat *seat)
{
    if (!seat)
        return;
    {
        REPL_GUARD(&replWindows.lock);
        if (--seat->window->seats < 2)
            replWindowKeepAtMost(seat->window, 0);
        if (seat->window->seats == 0) {
            g_hash_table_remove(replWindows.all, seat->window->key);
            replWindowFree(seat->window);
        }
    }
    g_free(seat);
}

GByteArray *
replWindowRead(ReplWindowSeat *seat, const ReplWireRange *range, ReplWindowMake make, void *opaque,
               GError **err)
{
    ReplWindowBlock *block;
    GByteArray *payload;

    {
        REPL_GUARD(&replWindows.lock);
        seat->asked_bytes += range->length_bytes;
        seat->window->ahead_bytes = MAX(seat->window->ahead_bytes, seat->asked_bytes);
        if ((payload = replWindowFind(seat->window, range)))
            return payload;
        block = replWindowBegin(seat, range);
    }
    payload = make(opaque, range, err);
    if (block) {
        REPL_GUARD(&replWindows.lock);
        replWindowMade(seat->window, block, payload);
        replWindowBlockUnref(block);
    }
    return payload;
}
