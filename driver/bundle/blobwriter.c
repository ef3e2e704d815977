/*
 * blobwriter.c: a blob on its way into a bundle: digested, and packed where that pays
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/blobwriter.h"

#include <gcrypt.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "base/thread.h"
#include "bundle/hex.h"
#include "bundle/turn.h"
#include "copy/files.h"

/* Packed bytes are written in chunks of this size, of which so many wait at most. */
#define REPL_BLOB_CHUNK_BYTES (1u << 20)
#define REPL_BLOB_CHUNKS 8u
/* What each of libzstd's threads takes at once: it keeps memory small, and the end of a blob short. */
#define REPL_BLOB_JOB_BYTES (4u << 20)
#define REPL_BLOB_THREADS_MAX 4u

typedef struct {
    guint8 *bytes; /* aligned for direct writes */
    gsize length;
} ReplBlobChunk;

typedef struct {
    ReplWriter base;
    ReplBlobPlace place; /* fixed */
    ReplWriter *out;     /* fixed */
    ZSTD_CCtx *zstd;     /* NULL: not packed */

    ReplTurn turn; /* to pack what is next */
    /* Guarded by its lock. */
    GQueue chunks; /* of ReplBlobChunk: packed, not written yet */
    gboolean ended;

    /* Whose turn it is, or the sink's alone when there is one. */
    gcry_md_hd_t digest;
    guint64 written_bytes;

    ReplBlobChunk *chunk; /* being filled; whose turn it is */
    GThread *sink;        /* NULL: none */
} ReplBlobWriter;

static ReplBlobChunk *
replBlobChunkNew(void)
{
    ReplBlobChunk *chunk = g_new0(ReplBlobChunk, 1);

    /* As g_malloc: there is no going on without memory. */
    if (posix_memalign((void **)&chunk->bytes, 4096, REPL_BLOB_CHUNK_BYTES) != 0)
        g_error("%s: no memory", G_STRLOC);
    return chunk;
}

static void
replBlobChunkFree(gpointer opaque)
{
    ReplBlobChunk *chunk = opaque;

    if (!chunk)
        return;
    free(chunk->bytes);
    g_free(chunk);
}

/* --- the sink --- */

/* The next chunk, or NULL at the end. */
static ReplBlobChunk *
replBlobTake(ReplBlobWriter *self)
{
    ReplBlobChunk *chunk;
    REPL_GUARD(&self->turn.lock);

    while (!self->turn.stopped && !self->ended && g_queue_is_empty(&self->chunks))
        replLockWait(&self->turn.lock);
    chunk = self->turn.stopped ? NULL : g_queue_pop_head(&self->chunks);
    replLockWake(&self->turn.lock);
    return chunk;
}

static gpointer
replBlobSink(gpointer opaque)
{
    ReplBlobWriter *self = opaque;
    ReplBlobChunk *chunk;

    while ((chunk = replBlobTake(self))) {
        GError *err = NULL;

        gcry_md_write(self->digest, chunk->bytes, chunk->length);
        if (replWriterWrite(self->out, chunk->bytes, chunk->length,
                            self->place.at_bytes + self->written_bytes, &err) < 0)
            replTurnStop(&self->turn, err);
        self->written_bytes += chunk->length;
        replBlobChunkFree(chunk);
    }
    return NULL;
}

/* Hands the chunk that is being filled to the sink. */
static int
replBlobPush(ReplBlobWriter *self, GError **err)
{
    gboolean stopped;

    replLockTake(&self->turn.lock);
    while (!self->turn.stopped && g_queue_get_length(&self->chunks) >= REPL_BLOB_CHUNKS)
        replLockWait(&self->turn.lock);
    if (!(stopped = self->turn.stopped))
        g_queue_push_tail(&self->chunks, g_steal_pointer(&self->chunk));
    replLockWake(&self->turn.lock);
    replLockDrop(&self->turn.lock);
    return stopped ? replTurnStopped(&self->turn, err) : 0;
}

/* --- packing --- */

static int
replBlobPack(ReplBlobWriter *self, const guint8 *buf, gsize len, ZSTD_EndDirective end, GError **err)
{
    ZSTD_inBuffer in = {buf, len, 0};
    size_t left;

    do {
        ZSTD_outBuffer out;

        if (!self->chunk)
            self->chunk = replBlobChunkNew();
        out = (ZSTD_outBuffer){self->chunk->bytes, REPL_BLOB_CHUNK_BYTES, self->chunk->length};
        left = ZSTD_compressStream2(self->zstd, &out, &in, end);
        if (ZSTD_isError(left)) {
            replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("Cannot compress a layer: %s"),
                         ZSTD_getErrorName(left));
            return -1;
        }
        self->chunk->length = out.pos;
        if (out.pos == out.size && replBlobPush(self, err) < 0)
            return -1;
    } while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return 0;
}

/* What is to be done in turn with the bytes that are next. */
static int
replBlobFeed(ReplBlobWriter *self, const guint8 *buf, gsize len, GError **err)
{
    if (self->zstd)
        return replBlobPack(self, buf, len, ZSTD_e_continue, err);
    gcry_md_write(self->digest, buf, len);
    self->written_bytes += len;
    return 0;
}

static int
replBlobPwrite(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplBlobWriter *self = (ReplBlobWriter *)writer;
    int rc;

    if (!replTurnTake(&self->turn, offset))
        return replTurnStopped(&self->turn, err);
    rc = replBlobFeed(self, buf, len, err);
    replTurnPass(&self->turn, len);
    if (rc < 0)
        return -1;
    return self->zstd ? 0 : replWriterWrite(self->out, buf, len, offset, err);
}

/* A packed blob makes the bundle grow as it is written, by one thread. Else it gets its size first: file systems let only one thread
 * at a time write behind a file's end. */
static int
replBlobResize(ReplWriter *writer, guint64 size_bytes, GError **err)
{
    ReplBlobWriter *self = (ReplBlobWriter *)writer;

    return self->zstd ? 0 : replWriterResize(self->out, size_bytes, err);
}

/* Synced is the bundle as a whole, when the blob has ended. */
static int
replBlobFlush(ReplWriter *writer, gboolean last, GError **err)
{
    (void)writer;
    (void)last;
    (void)err;
    return 0;
}

static int
replBlobReserve(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    ReplBlobWriter *self = (ReplBlobWriter *)writer;

    return self->zstd ? 0 : replWriterReserve(self->out, offset_bytes, length_bytes, err);
}

static void
replBlobCancel(ReplWriter *writer)
{
    replTurnStop(&((ReplBlobWriter *)writer)->turn, NULL);
}

static void
replBlobFree(ReplWriter *writer)
{
    ReplBlobWriter *self = (ReplBlobWriter *)writer;

    replTurnStop(&self->turn, NULL);
    g_clear_pointer(&self->sink, g_thread_join);
    g_queue_clear_full(&self->chunks, replBlobChunkFree);
    replBlobChunkFree(self->chunk);
    ZSTD_freeCCtx(self->zstd);
    gcry_md_close(self->digest);
    replWriterFree(self->out);
    replTurnClear(&self->turn);
    g_free(self);
}

static const ReplWriterOps replBlobOps = {
    .resize = replBlobResize,
    .pwrite = replBlobPwrite,
    .flush = replBlobFlush,
    .reserve = replBlobReserve,
    .cancel = replBlobCancel,
    .free = replBlobFree,
};

static int
replBlobBegin(ReplBlobWriter *self, GError **err)
{
    const ReplBlobPlace *place = &self->place;

    if (!(self->out = replFileWriterNew(place->fd, NULL, err)))
        return -1;
    if (gcry_md_open(&self->digest, GCRY_MD_SHA256, 0) != 0) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, "%s", _("libgcrypt makes no SHA-256"));
        return -1;
    }
    if (place->level == 0)
        return 0;
    self->zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_compressionLevel, (int)place->level);
    ZSTD_CCtx_setPledgedSrcSize(self->zstd, place->size_bytes);
    /* A libzstd without threads refuses these two and works with ours alone. */
    ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_nbWorkers,
                           (int)MIN(g_get_num_processors(), REPL_BLOB_THREADS_MAX));
    ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_jobSize, REPL_BLOB_JOB_BYTES);
    return (self->sink = replThreadNew("repl-pack", replBlobSink, self, err)) ? 0 : -1;
}

ReplWriter *
replBlobWriterNew(const ReplBlobPlace *place, const GByteArray *head, GError **err)
{
    ReplBlobWriter *self = g_new0(ReplBlobWriter, 1);
    g_autoptr(ReplWriter) writer = &self->base;

    self->base.ops = &replBlobOps;
    self->base.inTurn = place->level == 0;
    self->place = *place;
    replTurnInit(&self->turn, place->at_bytes);
    g_queue_init(&self->chunks);
    if (replBlobBegin(self, err) < 0 ||
        replBlobPwrite(writer, head->data, head->len, place->at_bytes, err) < 0)
        return NULL;
    return g_steal_pointer(&writer);
}

int
replBlobWriterEnd(ReplWriter *writer, ReplBundlePart *part, GError **err)
{
    ReplBlobWriter *self = (ReplBlobWriter *)writer;

    if (self->zstd) {
        if (replBlobPack(self, NULL, 0, ZSTD_e_end, err) < 0 ||
            (self->chunk && self->chunk->length > 0 && replBlobPush(self, err) < 0))
            return -1;
        replLockTake(&self->turn.lock);
        self->ended = TRUE;
        replLockWake(&self->turn.lock);
        replLockDrop(&self->turn.lock);
        g_clear_pointer(&self->sink, g_thread_join);
        if (self->turn.error)
            return replTurnStopped(&self->turn, err);
    }
    part->zstd = self->zstd != NULL;
    part->packed_bytes = self->written_bytes;
    replHex(gcry_md_read(self->digest, GCRY_MD_SHA256), 32, part->digest);
    return 0;
}
