/*
 * unpack.c: a layer of a bundle, to be read
 *
 * Pieces take turns (turn.h): the thread that reads what is next unpacks it right into its own buffer, while
 * others write. Where the data lies is told from the maps of the parts, which are fetched ahead.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/unpack.h"

#include "base/error.h"
#include "bundle/partread.h"
#include "bundle/partstream.h"
#include "bundle/turn.h"

typedef struct {
    guint64 offset_bytes;
    guint64 end_bytes;
} ReplPassed;

typedef struct {
    ReplReader base;

    /* Fixed. */
    const ReplBundle *bundle;
    const ReplBundleLayer *layer;
    guint number;
    ReplBundleFile file;

    /* Of the thread that asks for data. */
    guint part;
    ReplMap *map; /* of the part that was looked at last, NULL: none */

    ReplTurn turn; /* to read the stream; next_bytes is known where atNext is set */
    /* Guarded by its lock. */
    guint64 start_bytes; /* where the first look for data began; G_MAXUINT64: nobody has looked */
    GArray *passed;      /* of ReplPassed, ascending: runs that nobody reads */
    GArray *sums;        /* of guint64, for each part: of the map that was looked at, 0: of none */
    gboolean atNext;     /* turn.next_bytes and the next one are known */
    guint64 nextLength_bytes;
    ReplPartStream *stream; /* set once; read by who has the turn */
} ReplUnpacker;

/* --- where there is data --- */

/* The part that holds the first data at or behind @from_bytes. */
static guint
replUnpackPartAt(const ReplBundleLayer *layer, guint64 from_bytes)
{
    guint i = 0;

    while (i < layer->parts->len && replBundlePart(layer, i)->end_bytes <= from_bytes)
        i++;
    return i;
}

static gboolean
replUnpackFind(const ReplMap *map, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes)
{
    guint low = 0, high = map->runs->len;

    while (low < high) {
        guint middle = (low + high) / 2;
        const ReplMapRun *run = replMapRun(map, middle);

        if (run->offset_bytes + run->length_bytes <= from_bytes)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == map->runs->len)
        return FALSE;
    *offset_bytes = replMapRun(map, low)->offset_bytes;
    *length_bytes = replMapRun(map, low)->length_bytes;
    return TRUE;
}

static int
replUnpackData(ReplReader *base, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
               GError **err)
{
    ReplUnpacker *self = (ReplUnpacker *)base;
    guint part = replUnpackPartAt(self->layer, from_bytes);

    replLockTake(&self->turn.lock);
    if (self->start_bytes == G_MAXUINT64)
        self->start_bytes = from_bytes;
    replLockDrop(&self->turn.lock);
    for (; part < self->layer->parts->len; part++) {
        if (!self->map || self->part != part) {
            g_clear_pointer(&self->map, replMapFree);
            if (!(self->map = replPartMap(&self->file, replBundlePart(self->layer, part), err)))
                return -1;
            self->part = part;
            replLockTake(&self->turn.lock);
            g_array_index(self->sums, guint64, part) = self->map->sum;
            replLockDrop(&self->turn.lock);
        }
        if (replUnpackFind(self->map, from_bytes, offset_bytes, length_bytes)) {
            /* What the map says beyond the layer is found out when the part is read. */
            *length_bytes = MIN(*length_bytes, self->layer->size_bytes);
            return *offset_bytes < self->layer->size_bytes;
        }
    }
    return 0;
}

static void
replUnpackPass(ReplReader *base, guint64 offset_bytes, guint64 length_bytes)
{
    ReplUnpacker *self = (ReplUnpacker *)base;
    const ReplPassed passed = {offset_bytes, offset_bytes + length_bytes};
    REPL_GUARD(&self->turn.lock);

    g_array_append_val(self->passed, passed);
    replLockWake(&self->turn.lock);
}

/* --- reading --- */

/* Ends the stream for all (@why, taken over; NULL: it was ended). Returns -1 with @err set. */
static int
replUnpackFail(ReplUnpacker *self, GError *why, GError **err)
{
    if (why)
        replTurnStop(&self->turn, why);
    return replTurnStopped(&self->turn, err);
}

/* How much of what is next nobody is going to read. With the lock held. */
static guint64
replUnpackUnread(ReplUnpacker *self)
{
    guint64 next = self->turn.next_bytes;

    if (next < self->start_bytes)
        return MIN(self->start_bytes - next, self->nextLength_bytes);
    while (self->passed->len > 0 && g_array_index(self->passed, ReplPassed, 0).end_bytes <= next)
        g_array_remove_index(self->passed, 0);
    if (self->passed->len > 0 && g_array_index(self->passed, ReplPassed, 0).offset_bytes <= next)
        return MIN(g_array_index(self->passed, ReplPassed, 0).end_bytes - next, self->nextLength_bytes);
    return 0;
}

/* The file has not changed since its maps were looked at: else readers would wait for bytes that never come. With the lock
 * held. */
static gboolean
replUnpackIsSame(ReplUnpacker *self)
{
    guint part;
    guint64 sum = replPartStreamMap(self->stream, &part);
    guint64 seen = sum ? g_array_index(self->sums, guint64, part) : 0;

    return seen == 0 || seen == sum;
}

/* Moves the stream to the next byte that somebody reads. Has the turn, but not the lock. */
static int
replUnpackSeek(ReplUnpacker *self, GError **err)
{
    for (;;) {
        guint64 offset_bytes, length_bytes, unread_bytes;
        int rc = replPartStreamNext(self->stream, &offset_bytes, &length_bytes, err);
        gboolean same;

        if (rc < 0)
            return -1;
        replLockTake(&self->turn.lock);
        same = replUnpackIsSame(self);
        self->atNext = TRUE;
        self->turn.next_bytes = rc > 0 ? offset_bytes : G_MAXUINT64;
        self->nextLength_bytes = rc > 0 ? length_bytes : 0;
        unread_bytes = rc > 0 ? replUnpackUnread(self) : 0;
        replLockDrop(&self->turn.lock);
        if (!same) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"),
                         self->file.what);
            return -1;
        }
        if (unread_bytes == 0)
            return 0;
        if (replPartStreamRead(self->stream, NULL, unread_bytes, err) < 0)
            return -1;
    }
}

/* The first read begins where the first look for data did. Has the turn. */
static int
replUnpackOpen(ReplUnpacker *self, GError **err)
{
    ReplPartStream *stream;
    guint64 start_bytes;

    if (self->stream)
        return 0;
    replLockTake(&self->turn.lock);
    if (self->start_bytes == G_MAXUINT64)
        self->start_bytes = 0;
    start_bytes = self->start_bytes;
    replLockDrop(&self->turn.lock);
    stream = replPartStreamNew(self->bundle, self->number, replUnpackPartAt(self->layer, start_bytes),
                               &self->file, err);
    if (!stream)
        return -1;
    replLockTake(&self->turn.lock);
    self->stream = stream;
    if (self->turn.stopped)
        replPartStreamStop(stream);
    replLockDrop(&self->turn.lock);
    return 0;
}

/* Waits until @offset is next, moving the stream over what nobody reads. 0 with the turn taken, or -1 with @err set. */
static int
replUnpackWaitTurn(ReplUnpacker *self, guint64 offset, GError **err)
{
    gboolean seek = FALSE, stopped;
    GError *why = NULL;

    for (;;) {
        replLockTake(&self->turn.lock);
        for (;;) {
            stopped = self->turn.stopped;
            seek = !self->turn.taken && (!self->atNext || replUnpackUnread(self) > 0);
            if (stopped || seek || (!self->turn.taken && self->turn.next_bytes == offset))
                break;
            /* Everything before it is over. */
            if (!self->turn.taken && self->turn.next_bytes > offset) {
                replErrorSet(&why, VIR_ERR_INTERNAL_ERROR, _("A layer of bundle '%s' is read out of order"),
                             self->file.what);
                break;
            }
            replLockWait(&self->turn.lock);
        }
        self->turn.taken = !stopped && !why;
        replLockDrop(&self->turn.lock);
        if (stopped || why)
            return replUnpackFail(self, why, err);
        if (!seek)
            return 0;
        if (replUnpackOpen(self, &why) < 0 || replUnpackSeek(self, &why) < 0)
            return replUnpackFail(self, why, err);
        replTurnPass(&self->turn, 0);
    }
}

/* Reads what follows in one run. Has the turn, and gives it on. */
static int
replUnpackRun(ReplUnpacker *self, guint8 *buf, gsize len, GError **err)
{
    GError *why = NULL;

    if (replPartStreamRead(self->stream, buf, len, &why) < 0)
        return replUnpackFail(self, why, err);
    replLockTake(&self->turn.lock);
    self->nextLength_bytes -= len;
    self->atNext = self->nextLength_bytes > 0;
    replLockDrop(&self->turn.lock);
    replTurnPass(&self->turn, len);
    return 0;
}

static int
replUnpackPread(ReplReader *base, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplUnpacker *self = (ReplUnpacker *)base;
    gsize done = 0;

    /* A run that goes on in the next part. */
    while (done < len) {
        gsize n;

        if (replUnpackWaitTurn(self, offset + done, err) < 0)
            return -1;
        n = MIN(len - done, self->nextLength_bytes);
        if (replUnpackRun(self, buf + done, n, err) < 0)
            return -1;
        done += n;
    }
    return 0;
}

static void
replUnpackCancel(ReplReader *base)
{
    ReplUnpacker *self = (ReplUnpacker *)base;
    REPL_GUARD(&self->turn.lock);

    self->turn.stopped = TRUE;
    if (self->stream)
        replPartStreamStop(self->stream);
    replLockWake(&self->turn.lock);
}

static void
replUnpackFree(ReplReader *base)
{
    ReplUnpacker *self = (ReplUnpacker *)base;

    replPartStreamFree(self->stream);
    replMapFree(self->map);
    g_array_unref(self->passed);
    g_array_unref(self->sums);
    replTurnClear(&self->turn);
    g_free(self);
}

static const ReplReaderOps replUnpackOps = {
    .data = replUnpackData,
    .pread = replUnpackPread,
    .pass = replUnpackPass,
    .cancel = replUnpackCancel,
    .free = replUnpackFree,
};

ReplReader *
replBundleReaderNew(const ReplBundle *bundle, guint layer, const ReplBundleFile *file, GError **err)
{
    ReplUnpacker *self;

    if (replBundleLayer(bundle, layer)->absent) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Layer '%s' was left out of bundle '%s'"),
                     replBundleLayer(bundle, layer)->volume, file->what);
        return NULL;
    }
    self = g_new0(ReplUnpacker, 1);
    self->base.ops = &replUnpackOps;
    self->bundle = bundle;
    self->layer = replBundleLayer(bundle, layer);
    self->number = layer;
    self->file = *file;
    self->start_bytes = G_MAXUINT64;
    self->passed = g_array_new(FALSE, FALSE, sizeof(ReplPassed));
    self->sums = g_array_new(FALSE, TRUE, sizeof(guint64));
    g_array_set_size(self->sums, self->layer->parts->len);
    replTurnInit(&self->turn, 0);
    return &self->base;
}
