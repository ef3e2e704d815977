/*
 * partfeed.c: the bytes of a layer's parts, one after the other, each held against its digest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/partfeed.h"

#include <fcntl.h>
#include <gcrypt.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "bundle/hex.h"

#define REPL_FEED_CHUNK_BYTES (512u << 10)
/* From another host: as much as may be on the way at once. */
#define REPL_FEED_FAR_CHUNK_BYTES (4u << 20)
#define REPL_FEED_CHUNKS 8u

struct _ReplPartFeed {
    /* Fixed. */
    const ReplBundleLayer *layer;
    guint first;
    ReplBundleFile file;
    GThread *thread;

    ReplLock lock;
    /* Guarded by lock. */
    GQueue chunks;    /* of ReplPartChunk */
    gboolean reading; /* from the file, this moment */
    gboolean ended;
    gboolean stopped;
    GError *error;
};

void
replPartChunkFree(ReplPartChunk *chunk)
{
    if (!chunk)
        return;
    g_free(chunk->bytes);
    g_free(chunk);
}

/* FALSE: it was stopped. Takes @chunk. */
static gboolean
replFeedPush(ReplPartFeed *feed, ReplPartChunk *chunk)
{
    REPL_GUARD(&feed->lock);

    while (!feed->stopped && g_queue_get_length(&feed->chunks) >= REPL_FEED_CHUNKS)
        replLockWait(&feed->lock);
    g_queue_push_tail(&feed->chunks, chunk);
    replLockWake(&feed->lock);
    return !feed->stopped;
}

/* Begins or ends a read. FALSE: it was stopped before. */
static gboolean
replFeedReading(ReplPartFeed *feed, gboolean on)
{
    REPL_GUARD(&feed->lock);

    feed->reading = on && !feed->stopped;
    return !feed->stopped;
}

/* NULL with @err set, or without when it was stopped. */
static ReplPartChunk *
replFeedRead(ReplPartFeed *feed, const ReplBundlePart *part, guint64 done_bytes, GError **err)
{
    g_autoptr(ReplPartChunk) chunk = g_new0(ReplPartChunk, 1);
    const ReplBundleFile *file = &feed->file;
    gsize length = MIN(part->packed_bytes - done_bytes,
                       file->fd >= 0 ? REPL_FEED_CHUNK_BYTES : REPL_FEED_FAR_CHUNK_BYTES);
    gssize n;

    if (!replFeedReading(feed, TRUE))
        return NULL;
    chunk->bytes = g_malloc(length);
    n = replBundleFileRead(file, chunk->bytes, length, part->at_bytes + done_bytes, err);
    replFeedReading(feed, FALSE);
    if (n < 0)
        return NULL;
    if ((gsize)n < length) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), file->what);
        return NULL;
    }
    /* The cache belongs to others: what was read is not read again. */
    if (file->fd >= 0)
        posix_fadvise(file->fd, part->at_bytes + done_bytes, length, POSIX_FADV_DONTNEED);
    chunk->length = length;
    chunk->last = done_bytes + length == part->packed_bytes;
    return g_steal_pointer(&chunk);
}

static int
replFeedProve(ReplPartFeed *feed, const ReplBundlePart *part, gcry_md_hd_t digest, GError **err)
{
    char is[REPL_BUNDLE_DIGEST_CHARS + 1];

    replHex(gcry_md_read(digest, GCRY_MD_SHA256), 32, is);
    gcry_md_reset(digest);
    if (g_str_equal(is, part->digest))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' cannot be used: the digest of blob sha256:%s is another one"),
                 feed->file.what, part->digest);
    return -1;
}

/* Returns 0, also when it was stopped. */
static int
replFeedPart(ReplPartFeed *feed, guint index, gcry_md_hd_t digest, GError **err)
{
    const ReplBundlePart *part = replBundlePart(feed->layer, index);
    guint64 done_bytes = 0;

    while (done_bytes < part->packed_bytes) {
        ReplPartChunk *chunk = replFeedRead(feed, part, done_bytes, err);

        if (!chunk)
            return *err ? -1 : 0;
        chunk->part = index;
        done_bytes += chunk->length;
        gcry_md_write(digest, chunk->bytes, chunk->length);
        if (chunk->last && replFeedProve(feed, part, digest, err) < 0) {
            replPartChunkFree(chunk);
            return -1;
        }
        if (!replFeedPush(feed, chunk))
            return 0;
    }
    return 0;
}

static gboolean
replFeedIsStopped(ReplPartFeed *feed)
{
    REPL_GUARD(&feed->lock);

    return feed->stopped;
}

static gpointer
replFeedRun(gpointer opaque)
{
    ReplPartFeed *feed = opaque;
    GError *error = NULL;
    gcry_md_hd_t digest;

    if (gcry_md_open(&digest, GCRY_MD_SHA256, 0) != 0) {
        digest = NULL;
        replErrorSet(&error, VIR_ERR_INTERNAL_ERROR, "%s", _("libgcrypt makes no SHA-256"));
    }
    for (guint i = feed->first; !error && i < feed->layer->parts->len && !replFeedIsStopped(feed); i++)
        replFeedPart(feed, i, digest, &error);
    gcry_md_close(digest);
    replLockTake(&feed->lock);
    feed->ended = TRUE;
    feed->error = error;
    replLockWake(&feed->lock);
    replLockDrop(&feed->lock);
    return NULL;
}

ReplPartFeed *
replPartFeedNew(const ReplBundleLayer *layer, guint first, const ReplBundleFile *file, GError **err)
{
    ReplPartFeed *feed = g_new0(ReplPartFeed, 1);

    feed->layer = layer;
    feed->first = first;
    feed->file = *file;
    g_queue_init(&feed->chunks);
    replLockInit(&feed->lock);
    if ((feed->thread = replThreadNew("repl-unpack", replFeedRun, feed, err)))
        return feed;
    replPartFeedFree(feed);
    return NULL;
}

void
replPartFeedFree(ReplPartFeed *feed)
{
    if (!feed)
        return;
    replPartFeedStop(feed);
    if (feed->thread)
        g_thread_join(feed->thread);
    g_queue_clear_full(&feed->chunks, (GDestroyNotify)replPartChunkFree);
    g_clear_error(&feed->error);
    replLockClear(&feed->lock);
    g_free(feed);
}

ReplPartChunk *
replPartFeedTake(ReplPartFeed *feed, GError **err)
{
    ReplPartChunk *chunk;
    REPL_GUARD(&feed->lock);

    while (!feed->stopped && !feed->ended && g_queue_is_empty(&feed->chunks))
        replLockWait(&feed->lock);
    replLockWake(&feed->lock);
    if (!feed->stopped && (chunk = g_queue_pop_head(&feed->chunks)))
        return chunk;
    if (feed->stopped)
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "%s", _("The copy was ended"));
    else if (feed->error)
        g_propagate_error(err, g_error_copy(feed->error));
    else
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Bundle '%s' cannot be used: %s"), feed->file.what,
                     _("it ends too early"));
    return NULL;
}

void
replPartFeedStop(ReplPartFeed *feed)
{
    gboolean reading;

    {
        REPL_GUARD(&feed->lock);
        reading = feed->reading;
        feed->stopped = TRUE;
        replLockWake(&feed->lock);
    }
    if (reading)
        replBundleFileCancel(&feed->file);
}
