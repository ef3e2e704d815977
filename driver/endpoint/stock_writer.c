/*
 * stock_writer.c: the bytes of a layer into a volume of a host without the module, in order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_writer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "qcow2/backing.h"
#include "qcow2/format.h"

#define REPL_STOCK_HEAD_bytes (2u << 20)
#define REPL_STOCK_WAITS_bytes (8u << 20)
#define REPL_STOCK_SEND_bytes (256u << 10)
#define REPL_STOCK_ZERO_bytes 65536u

/* What goes through the line's thread: it and the writer hold references. */
typedef struct {
    ReplLineWork work;
    char *volume; /* fixed, as is summed */
    gboolean summed;

    ReplLock lock; /* guards these */
    GQueue chunks; /* of ReplStockChunk */
    gsize waiting_bytes;
    gboolean end;       /* no more come */
    gboolean over;      /* none are taken any more */
    guint64 size_bytes; /* of the whole layer, known at the end */

    guint8 sum[REPL_STOCK_SUM_bytes]; /* result */
} ReplStockUpload;

typedef struct {
    guint64 offset_bytes;
    gsize len;
    guint8 bytes[];
} ReplStockChunk;

typedef struct {
    ReplWriter writer;
    ReplLine *line; /* these are fixed */
    char *volume;
    const ReplStockBacking *backing;
    gboolean summed;

    /* Of the one thread that writes. */
    guint64 size_bytes;
    GByteArray *head; /* NULL: on its way */
    guint8 block[REPL_STOCK_BLOCK_bytes];

    ReplLock lock;
    ReplStockUpload *upload; /* NULL: not begun; the lock guards it, for cancel */
} ReplStockWriter;

/* --- sending, in the line's thread --- */

static void
replStockUploadClear(ReplLineWork *work)
{
    ReplStockUpload *upload = (ReplStockUpload *)work;

    g_queue_clear_full(&upload->chunks, g_free);
    replLockClear(&upload->lock);
    g_free(upload->volume);
}

/* The next one, or NULL at the end or when nobody waits any more. */
static ReplStockChunk *
replStockUploadNext(ReplStockUpload *upload)
{
    ReplStockChunk *chunk;
    REPL_GUARD(&upload->lock);

    while (upload->chunks.length == 0 && !upload->end && !replLineStopped(&upload->work))
        replLockWaitUntil(&upload->lock, g_get_monotonic_time() + G_USEC_PER_SEC);
    if (replLineStopped(&upload->work) || !(chunk = g_queue_pop_head(&upload->chunks)))
        return NULL;
    upload->waiting_bytes -= chunk->len;
    replLockWake(&upload->lock);
    return chunk;
}

static int
replStockUploadBytes(ReplStockUpload *upload, virStreamPtr stream, const ReplStockChunk *chunk)
{
    gsize done = 0;

    while (done < chunk->len) {
        int sent = virStreamSend(stream, (const char *)chunk->bytes + done,
                                 MIN(chunk->len - done, REPL_STOCK_SEND_bytes));

        if (sent < 0)
            return -1;
        done += sent;
        replLineCarried(&upload->work, sent);
    }
    return 0;
}

/* Everything, up to the layer's end, which a hole sets where there are no bytes. */
static int
replStockUploadAll(ReplStockUpload *upload, virStreamPtr stream, ReplStockSum *sum)
{
    guint64 at_bytes = REPL_STOCK_BLOCK_bytes;
    ReplStockChunk *next;

    while ((next = replStockUploadNext(upload))) {
        g_autofree ReplStockChunk *chunk = next;

        if (chunk->offset_bytes > at_bytes &&
            virStreamSendHole(stream, chunk->offset_bytes - at_bytes, 0) < 0)
            return -1;
        if (replStockUploadBytes(upload, stream, chunk) < 0)
            return -1;
        if (sum)
            replStockSumAdd(sum, chunk->offset_bytes, chunk->bytes, chunk->len);
        at_bytes = chunk->offset_bytes + chunk->len;
    }
    if (replLineStopped(&upload->work))
        return 1;
    if (upload->size_bytes > at_bytes && virStreamSendHole(stream, upload->size_bytes - at_bytes, 0) < 0)
        return -1;
    return virStreamFinish(stream);
}

static int
replStockUploadRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockUpload *upload = (ReplStockUpload *)work;
    virStorageVolPtr vol = replStockVol(link, pool, upload->volume, err);
    ReplStockSum *sum = upload->summed ? replStockSumNew() : NULL;
    virStreamPtr stream = vol ? virStreamNew(link->conn, 0) : NULL;
    int rc = -1;

    if (stream && virStorageVolUpload(vol, stream, REPL_STOCK_BLOCK_bytes, 0,
                                      VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM) == 0)
        rc = replStockUploadAll(upload, stream, sum);
    if (rc < 0 && vol)
        replLineFail(link, err);
    if (stream)
        replLinkEndStream(link, stream, rc == 0);
    if (vol)
        virStorageVolFree(vol);
    if (sum)
        replStockSumEnd(sum, upload->sum);
    virResetLastError();
    REPL_GUARD(&upload->lock);
    upload->over = TRUE;
    replLockWake(&upload->lock);
    return rc < 0 ? -1 : 0;
}

/* --- the writer's side --- */

static int
replStockWriterStart(ReplStockWriter *self, GError **err)
{
    ReplStockUpload *upload = replLineWorkNew(sizeof(*upload), replStockUploadRun, replStockUploadClear);

    upload->work.quiet_s = REPL_LINE_QUIET_s;
    upload->volume = g_strdup(self->volume);
    upload->summed = self->summed;
    replLockInit(&upload->lock);
    g_queue_init(&upload->chunks);
    if (replLineStart(self->line, &upload->work, err) < 0) {
        replLineWorkUnref(&upload->work);
        return -1;
    }
    REPL_GUARD(&self->lock);
    self->upload = upload;
    return 0;
}

/* Whether there is room, or nobody takes any more. Waits a moment for it. */
static gboolean
replStockUploadRoom(gpointer opaque)
{
    ReplStockUpload *upload = opaque;

    REPL_GUARD(&upload->lock);

    if (upload->waiting_bytes >= REPL_STOCK_WAITS_bytes && !upload->over)
        replLockWaitUntil(&upload->lock, g_get_monotonic_time() + G_USEC_PER_SEC / 10);
    return upload->waiting_bytes < REPL_STOCK_WAITS_bytes || upload->over;
}

/* The upload has ended before its time, or stands still: what it says. Returns -1. */
static int
replStockWriterFailed(ReplStockWriter *self, GError **err)
{
    g_autoptr(GError) why = NULL;

    if (replLineWait(self->line, &self->upload->work, &why) == 0)
        replErrorSet(&why, VIR_ERR_INTERNAL_ERROR, _("The upload of volume '%s' has ended early"),
                     self->volume);
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

static int
replStockWriterQueue(ReplStockWriter *self, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplStockUpload *upload = self->upload;
    ReplStockChunk *chunk;

    if (replLineAwait(self->line, &upload->work, replStockUploadRoom, upload, err) < 0)
        return -1;
    chunk = g_malloc(sizeof(*chunk) + len);
    chunk->offset_bytes = offset;
    chunk->len = len;
    memcpy(chunk->bytes, buf, len);
    {
        REPL_GUARD(&upload->lock);
        if (!upload->over) {
            g_queue_push_tail(&upload->chunks, chunk);
            upload->waiting_bytes += len;
            replLockWake(&upload->lock);
            return 0;
        }
    }
    g_free(chunk);
    return replStockWriterFailed(self, err);
}

static gboolean
replStockIsZero(const guint8 *buf, gsize len)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

/* The header as the replica's is to be. */
static int
replStockWriterRebase(ReplStockWriter *self, gsize len, GError **err)
{
    g_auto(ReplFd) fd = -1;

    if (!self->backing->set)
        return 0;
    if ((fd = memfd_create("repl-head", MFD_CLOEXEC)) < 0 ||
        replPwriteFull(fd, self->head->data, len, 0) < 0 || ftruncate(fd, self->size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot keep the header of volume '%s'"), self->volume);
        return -1;
    }
    if (replQcow2SetBacking(fd, self->backing->backing, self->backing->format, self->volume, err) < 0)
        return -1;
    if (replPreadFull(fd, self->head->data, len, 0) == (gssize)len)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot keep the header of volume '%s'"), self->volume);
    return -1;
}

/* The head is complete: all of it but its first block goes ahead of the rest. */
static int
replStockWriterSendHead(ReplStockWriter *self, GError **err)
{
    gsize len = MIN(REPL_STOCK_HEAD_bytes, self->size_bytes);
    gsize at, part;

    if (!self->head)
        return 0;
    if (replStockWriterRebase(self, len, err) < 0)
        return -1;
    memcpy(self->block, self->head->data, MIN(len, REPL_STOCK_BLOCK_bytes));
    if (replStockWriterStart(self, err) < 0)
        return -1;
    for (at = REPL_STOCK_BLOCK_bytes; at < len; at += part) {
        part = MIN(len - at, REPL_STOCK_ZERO_bytes - at % REPL_STOCK_ZERO_bytes);
        if (!replStockIsZero(self->head->data + at, part) &&
            replStockWriterQueue(self, self->head->data + at, part, at, err) < 0)
            return -1;
    }
    g_clear_pointer(&self->head, g_byte_array_unref);
    return 0;
}

static int
replStockWriterResize(ReplWriter *writer, guint64 size_bytes, GError **err)
{
    ReplStockWriter *self = (ReplStockWriter *)writer;

    (void)err;
    self->size_bytes = size_bytes;
    return 0;
}

static int
replStockWriterWrite(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplStockWriter *self = (ReplStockWriter *)writer;

    if (self->head && offset < REPL_STOCK_HEAD_bytes) {
        gsize part = MIN(len, REPL_STOCK_HEAD_bytes - offset);

        memcpy(self->head->data + offset, buf, part);
        buf += part;
        offset += part;
        len -= part;
    }
    if (len == 0)
        return 0;
    if (replStockWriterSendHead(self, err) < 0)
        return -1;
    return replStockWriterQueue(self, buf, len, offset, err);
}

/* Nothing is known to be on the peer's disk before the upload has ended. */
static int
replStockWriterFlush(ReplWriter *writer, gboolean last, GError **err)
{
    (void)writer;
    (void)last;
    (void)err;
    return 0;
}

int
replStockWriterFinish(ReplWriter *writer, ReplStockWritten *written, GError **err)
{
    ReplStockWriter *self = (ReplStockWriter *)writer;
    ReplStockUpload *upload;

    if (replStockWriterSendHead(self, err) < 0)
        return -1;
    upload = self->upload;
    {
        REPL_GUARD(&upload->lock);
        upload->size_bytes = self->size_bytes;
        upload->end = TRUE;
        replLockWake(&upload->lock);
    }
    if (replLineWait(self->line, &upload->work, err) < 0)
        return -1;
    written->size_bytes = self->size_bytes;
    written->block_bytes = MIN(self->size_bytes, REPL_STOCK_BLOCK_bytes);
    memcpy(written->block, self->block, sizeof(written->block));
    memcpy(written->sum, upload->sum, sizeof(written->sum));
    return 0;
}

static void
replStockWriterCancel(ReplWriter *writer)
{
    ReplStockWriter *self = (ReplStockWriter *)writer;
    REPL_GUARD(&self->lock);

    if (self->upload) {
        replLineDrop(&self->upload->work);
        REPL_GUARD(&self->upload->lock);
        replLockWake(&self->upload->lock);
    }
}

static void
replStockWriterFree(ReplWriter *writer)
{
    ReplStockWriter *self = (ReplStockWriter *)writer;

    replStockWriterCancel(writer);
    if (self->upload)
        replLineWorkUnref(&self->upload->work);
    if (self->head)
        g_byte_array_unref(self->head);
    replLineUnref(self->line);
    replLockClear(&self->lock);
    g_free(self->volume);
    g_free(self);
}

ReplWriter *
replStockWriterNew(ReplLine *line, const char *volume, const ReplStockBacking *backing, gboolean summed)
{
    static const ReplWriterOps ops = {
        .resize = replStockWriterResize,
        .pwrite = replStockWriterWrite,
        .flush = replStockWriterFlush,
        .cancel = replStockWriterCancel,
        .free = replStockWriterFree,
    };
    ReplStockWriter *self = g_new0(ReplStockWriter, 1);

    self->writer.ops = &ops;
    self->writer.inOrder = TRUE;
    self->line = replLineRef(line);
    self->volume = g_strdup(volume);
    self->backing = backing;
    self->summed = summed;
    self->head = g_byte_array_sized_new(REPL_STOCK_HEAD_bytes);
    g_byte_array_set_size(self->head, REPL_STOCK_HEAD_bytes);
    memset(self->head->data, 0, REPL_STOCK_HEAD_bytes);
    replLockInit(&self->lock);
    return &self->writer;
}
