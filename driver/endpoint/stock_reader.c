/*
 * stock_reader.c: the bytes of a volume on a peer without the module, in order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_reader.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/stock_ask.h"

#define REPL_STOCK_RANGE_bytes (16u << 20)
#define REPL_STOCK_HOLE_bytes (G_GUINT64_CONSTANT(1) << 30) /* a range over a hole, at most */
#define REPL_STOCK_AHEAD 3
#define REPL_STOCK_PART_bytes (256u << 10)

typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
    gsize at; /* of its bytes in the piece's */
} ReplStockRun;

/* A range of the volume; what it holds is there when its work is done. */
typedef struct {
    ReplLineWork work;
    char *volume;
    guint64 offset_bytes;
    guint64 length_bytes;
    guint64 end_bytes; /* result: known up to here */
    GArray *runs;      /* of ReplStockRun */
    GByteArray *bytes;
    guint64 left_bytes; /* not yet read; these two are guarded by the reader's lock */
    gboolean ready;     /* it is there */
} ReplStockPiece;

typedef struct {
    ReplReader reader;
    ReplLine *line; /* these three are fixed */
    char *volume;
    guint64 size_bytes;

    ReplLock lock;       /* guards the queue and what is left of each piece; data alone adds to it */
    GQueue pieces;       /* of ReplStockPiece, references, by offset */
    guint64 asked_bytes; /* where the next one begins */
    guint64 range_bytes; /* and how long it is */
} ReplStockReader;

/* --- fetching, in the line's thread --- */

static void
replStockPieceClear(ReplLineWork *work)
{
    ReplStockPiece *piece = (ReplStockPiece *)work;

    g_free(piece->volume);
    g_array_unref(piece->runs);
    g_byte_array_unref(piece->bytes);
}

static void
replStockPieceTake(ReplStockPiece *piece, const guint8 *buf, gsize len)
{
    ReplStockRun *last =
        piece->runs->len > 0 ? &g_array_index(piece->runs, ReplStockRun, piece->runs->len - 1) : NULL;

    if (last && last->offset_bytes + last->length_bytes == piece->end_bytes) {
        last->length_bytes += len;
    } else {
        ReplStockRun run = {piece->end_bytes, len, piece->bytes->len};

        g_array_append_val(piece->runs, run);
    }
    g_byte_array_append(piece->bytes, buf, len);
    piece->end_bytes += len;
}

/* 1: all of the range is there; 0: it has as much data as a piece may have; -1: libvirt's error. */
static int
replStockPieceReceive(ReplStockPiece *piece, virStreamPtr stream, char *buf)
{
    guint64 limit = piece->offset_bytes + piece->length_bytes;

    while (piece->end_bytes < limit) {
        guint64 room = MIN(REPL_STOCK_RANGE_bytes - piece->bytes->len, REPL_STOCK_PART_bytes);
        int got;
        long long hole = 0;

        if (room == 0)
            return 0;
        got = virStreamRecvFlags(stream, buf, MIN(room, limit - piece->end_bytes),
                                 VIR_STREAM_RECV_STOP_AT_HOLE);
        replLineCarried(&piece->work, MAX(got, 0));
        if (got == -3) {
            if (virStreamRecvHole(stream, &hole, 0) < 0 || hole <= 0)
                return -1;
            piece->end_bytes = MIN(piece->end_bytes + (guint64)hole, limit);
        } else if (got > 0) {
            replStockPieceTake(piece, (const guint8 *)buf, got);
        } else {
            return got < 0 ? -1 : 1;
        }
        if (replLineStopped(&piece->work))
            return 0;
    }
    return virStreamRecv(stream, buf, 1) < 0 ? -1 : 1;
}

static int
replStockPieceRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockPiece *piece = (ReplStockPiece *)work;
    virStorageVolPtr vol = replStockVol(link, pool, piece->volume, err);
    g_autofree char *buf = g_malloc(REPL_STOCK_PART_bytes);
    virStreamPtr stream;
    int rc = -1;

    if (!vol)
        return -1;
    if ((stream = virStreamNew(link->conn, 0)) &&
        virStorageVolDownload(vol, stream, piece->offset_bytes, piece->length_bytes,
                              VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM) == 0)
        rc = replStockPieceReceive(piece, stream, buf);
    if (rc > 0 && virStreamFinish(stream) < 0)
        rc = -1;
    if (rc < 0)
        replLineFail(link, err);
    if (stream)
        replLinkEndStream(link, stream, rc > 0);
    virStorageVolFree(vol);
    virResetLastError();
    return rc < 0 ? -1 : 0;
}

static ReplStockPiece *
replStockPieceNew(const ReplStockReader *self, guint64 offset_bytes, guint64 length_bytes)
{
    ReplStockPiece *piece = replLineWorkNew(sizeof(*piece), replStockPieceRun, replStockPieceClear);

    piece->work.quiet_s = REPL_LINE_QUIET_s;
    piece->volume = g_strdup(self->volume);
    piece->offset_bytes = piece->end_bytes = offset_bytes;
    piece->length_bytes = length_bytes;
    piece->runs = g_array_new(FALSE, FALSE, sizeof(ReplStockRun));
    piece->bytes = g_byte_array_new();
    return piece;
}

/* --- the queue --- */

static void
replStockPieceGone(gpointer opaque)
{
    ReplStockPiece *piece = opaque;

    replLineDrop(&piece->work);
    replLineWorkUnref(&piece->work);
}

/* Begins anew at @from_bytes. With the lock held. */
static void
replStockReaderReset(ReplStockReader *self, guint64 from_bytes)
{
    g_queue_clear_full(&self->pieces, replStockPieceGone);
    self->asked_bytes = from_bytes;
    self->range_bytes = REPL_STOCK_RANGE_bytes;
}

/* Forgets what was asked for from @from_bytes on. With the lock held. */
static void
replStockReaderCut(ReplStockReader *self, guint64 from_bytes)
{
    const ReplStockPiece *last;

    while ((last = g_queue_peek_tail(&self->pieces)) && last->offset_bytes + last->length_bytes > from_bytes)
        replStockPieceGone(g_queue_pop_tail(&self->pieces));
    self->asked_bytes = from_bytes;
    self->range_bytes = REPL_STOCK_RANGE_bytes;
}

/* Asks for @from_bytes, and for what follows as far ahead as the memory allows: over a hole, one range after the other. */
static int
replStockReaderAsk(ReplStockReader *self, guint64 from_bytes, GError **err)
{
    REPL_GUARD(&self->lock);
    guint ahead = self->range_bytes > REPL_STOCK_RANGE_bytes ? 1 : REPL_STOCK_AHEAD;

    while ((self->pieces.length < ahead || self->asked_bytes <= from_bytes) &&
           self->asked_bytes < self->size_bytes) {
        guint64 length = MIN(self->range_bytes, self->size_bytes - self->asked_bytes);
        ReplStockPiece *piece = replStockPieceNew(self, self->asked_bytes, length);

        if (replLineStart(self->line, &piece->work, err) < 0) {
            replLineWorkUnref(&piece->work);
            return -1;
        }
        self->asked_bytes += length;
        g_queue_push_tail(&self->pieces, piece);
    }
    return 0;
}

/* Drops what is read. With the lock held. */
static void
replStockReaderDrop(ReplStockReader *self, guint64 from_bytes)
{
    ReplStockPiece *first;

    while ((first = g_queue_peek_head(&self->pieces)) && first->ready && first->end_bytes <= from_bytes &&
           first->left_bytes == 0)
        replStockPieceGone(g_queue_pop_head(&self->pieces));
}

/* The piece that holds @offset_bytes, or will; a reference; NULL: none. */
static ReplStockPiece *
replStockReaderFind(ReplStockReader *self, guint64 offset_bytes)
{
    REPL_GUARD(&self->lock);

    for (GList *at = self->pieces.head; at; at = at->next) {
        ReplStockPiece *piece = at->data;

        if (offset_bytes >= piece->offset_bytes && offset_bytes < piece->offset_bytes + piece->length_bytes)
            return g_atomic_rc_box_acquire(piece);
    }
    return NULL;
}

/* Of a piece that has just come: the next ranges grow over holes; one that ended early is followed by another from there. */
static void
replStockReaderLearn(ReplStockReader *self, ReplStockPiece *piece)
{
    guint64 limit = piece->offset_bytes + piece->length_bytes;
    REPL_GUARD(&self->lock);

    if (piece->ready)
        return;
    piece->ready = TRUE;
    piece->left_bytes = piece->bytes->len;
    if (piece->end_bytes < limit && piece->bytes->len >= REPL_STOCK_RANGE_bytes) {
        piece->length_bytes = piece->end_bytes - piece->offset_bytes;
        self->asked_bytes = piece->end_bytes;
    }
    if (piece->bytes->len > 0)
        self->range_bytes = REPL_STOCK_RANGE_bytes;
    else
        self->range_bytes = MIN(self->range_bytes * 2, REPL_STOCK_HOLE_bytes);
}

/* --- the table --- */

/* The piece with @from_bytes, when it is there; a connection that breaks is opened again by the line. A reference; NULL with
 * @err set. */
static ReplStockPiece *
replStockReaderAwait(ReplStockReader *self, guint64 from_bytes, GError **err)
{
    for (;;) {
        g_autoptr(GError) why = NULL;
        ReplStockPiece *piece;

        {
            REPL_GUARD(&self->lock);
            const ReplStockPiece *first = g_queue_peek_head(&self->pieces);

            if (from_bytes > self->asked_bytes ||
                (first ? from_bytes < first->offset_bytes : from_bytes != self->asked_bytes))
                replStockReaderReset(self, from_bytes);
            replStockReaderDrop(self, from_bytes);
        }
        if (replStockReaderAsk(self, from_bytes, &why) == 0 &&
            (piece = replStockReaderFind(self, from_bytes))) {
            if (replLineWait(self->line, &piece->work, &why) == 0) {
                replStockReaderLearn(self, piece);
                return piece;
            }
            replLineWorkUnref(&piece->work);
        }
        if (!why)
            continue;
        {
            REPL_GUARD(&self->lock);
            replStockReaderCut(self, from_bytes);
        }
        if (replLineRetry(self->line, why, err) < 0)
            return NULL;
    }
}

static int
replStockReaderData(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
                    GError **err)
{
    ReplStockReader *self = (ReplStockReader *)reader;

    while (from_bytes < self->size_bytes) {
        ReplStockPiece *piece = replStockReaderAwait(self, from_bytes, err);
        gboolean found = FALSE;
        guint64 end;

        if (!piece)
            return -1;
        for (guint i = 0; i < piece->runs->len && !found; i++) {
            const ReplStockRun *run = &g_array_index(piece->runs, ReplStockRun, i);

            if (run->offset_bytes + run->length_bytes <= from_bytes)
                continue;
            *offset_bytes = run->offset_bytes;
            *length_bytes = run->length_bytes;
            found = TRUE;
        }
        end = piece->end_bytes;
        replLineWorkUnref(&piece->work);
        if (found)
            return 1;
        if (end <= from_bytes) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Volume '%s' on peer '%s' ends at byte %llu of %llu: it was changed "
                           "while it was replicated"),
                         self->volume, replLineUri(self->line), (unsigned long long)end,
                         (unsigned long long)self->size_bytes);
            return -1;
        }
        from_bytes = end;
    }
    return 0;
}

/* What of @len bytes at @offset the piece has, into @buf: how many from its start on. Zeros between its runs. */
static gsize
replStockPieceCopy(const ReplStockPiece *piece, guint8 *buf, gsize len, guint64 offset, guint64 *data_bytes)
{
    guint64 end = MIN(offset + len, piece->end_bytes);

    *data_bytes = 0;
    if (offset >= end)
        return 0;
    memset(buf, 0, end - offset);
    for (guint i = 0; i < piece->runs->len; i++) {
        const ReplStockRun *run = &g_array_index(piece->runs, ReplStockRun, i);
        guint64 from = MAX(run->offset_bytes, offset);
        guint64 to = MIN(run->offset_bytes + run->length_bytes, end);

        if (from >= to)
            continue;
        memcpy(buf + (from - offset), piece->bytes->data + run->at + (from - run->offset_bytes), to - from);
        *data_bytes += to - from;
    }
    return end - offset;
}

/* Out of the piece that is there, as all runs that were told are. One who has not asked for runs (a look at a header) gets a
 * piece now. 0 with @err set, or where the volume ends before. */
static gsize
replStockReaderTake(ReplStockReader *self, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplStockPiece *piece = replStockReaderFind(self, offset);
    guint64 data_bytes;
    gsize done;

    if (!piece && !(piece = replStockReaderAwait(self, offset, err)))
        return 0;
    if (replLineWait(self->line, &piece->work, err) < 0) {
        replLineWorkUnref(&piece->work);
        return 0;
    }
    done = replStockPieceCopy(piece, buf, len, offset, &data_bytes);
    {
        REPL_GUARD(&self->lock);
        piece->left_bytes -= MIN(piece->left_bytes, data_bytes);
    }
    replLineWorkUnref(&piece->work);
    return done;
}

static int
replStockReaderRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplStockReader *self = (ReplStockReader *)reader;

    while (len > 0) {
        g_autoptr(GError) why = NULL;
        gsize done = replStockReaderTake(self, buf, len, offset, &why);

        if (done == 0) {
            if (why)
                g_propagate_error(err, g_steal_pointer(&why));
            else
                replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                             _("Volume '%s' on peer '%s' ends at byte %llu of %llu: it was changed "
                               "while it was replicated"),
                             self->volume, replLineUri(self->line), (unsigned long long)offset,
                             (unsigned long long)self->size_bytes);
            return -1;
        }
        buf += done;
        offset += done;
        len -= done;
    }
    return 0;
}

static void
replStockReaderPass(ReplReader *reader, guint64 offset_bytes, guint64 length_bytes)
{
    ReplStockReader *self = (ReplStockReader *)reader;
    ReplStockPiece *piece = replStockReaderFind(self, offset_bytes);

    if (!piece)
        return;
    {
        REPL_GUARD(&self->lock);
        piece->left_bytes -= MIN(piece->left_bytes, length_bytes);
    }
    replLineWorkUnref(&piece->work);
}

static void
replStockReaderCancel(ReplReader *reader)
{
    replLineCancel(((ReplStockReader *)reader)->line);
}

static void
replStockReaderFree(ReplReader *reader)
{
    ReplStockReader *self = (ReplStockReader *)reader;

    g_queue_clear_full(&self->pieces, replStockPieceGone);
    replLockClear(&self->lock);
    replLineUnref(self->line);
    g_free(self->volume);
    g_free(self);
}

ReplReader *
replStockReaderNew(ReplLine *line, const char *volume, guint64 size_bytes)
{
    static const ReplReaderOps ops = {
        .data = replStockReaderData,
        .pread = replStockReaderRead,
        .pass = replStockReaderPass,
        .cancel = replStockReaderCancel,
        .free = replStockReaderFree,
    };
    ReplStockReader *self = g_new0(ReplStockReader, 1);

    self->reader.ops = &ops;
    self->line = replLineRef(line);
    self->volume = g_strdup(volume);
    self->size_bytes = size_bytes;
    replLockInit(&self->lock);
    g_queue_init(&self->pieces);
    self->range_bytes = REPL_STOCK_RANGE_bytes;
    return &self->reader;
}
