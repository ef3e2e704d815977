/*
 * partstream.c: the data of a layer's parts, unpacked, in their order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/partstream.h"

#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "bundle/partfeed.h"
#include "bundle/partread.h"

#define REPL_STREAM_SKIP_BYTES (256u << 10)

struct _ReplPartStream {
    /* Fixed. */
    const ReplBundleLayer *layer;
    guint number;
    const char *what;
    ReplPartFeed *feed;
    guint8 *skipped; /* room for what is passed over */

    /* Of the part that is read; the reader's alone. */
    guint part;
    ReplMap *map; /* NULL: it is next */
    guint run;
    guint64 read_bytes; /* of the run */
    ZSTD_DCtx *zstd;
    gboolean frameEnded;
    ReplPartChunk *chunk;
    ZSTD_inBuffer in;
};

static int
replStreamLies(const ReplPartStream *stream, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' cannot be used: blob sha256:%s does not hold what its config tells"),
                 stream->what, replBundlePart(stream->layer, stream->part)->digest);
    return -1;
}

/* More bytes of the part. */
static int
replStreamFetch(ReplPartStream *stream, GError **err)
{
    if (stream->chunk && stream->chunk->last)
        return replStreamLies(stream, err);
    g_clear_pointer(&stream->chunk, replPartChunkFree);
    if (!(stream->chunk = replPartFeedTake(stream->feed, err)))
        return -1;
    stream->in = (ZSTD_inBuffer){stream->chunk->bytes, stream->chunk->length, 0};
    return 0;
}

/* One step of filling @out. */
static int
replStreamUnpack(ReplPartStream *stream, ZSTD_outBuffer *out, GError **err)
{
    gsize n = MIN(out->size - out->pos, stream->in.size - stream->in.pos);
    size_t rc;

    if (!replBundlePart(stream->layer, stream->part)->zstd) {
        memcpy((guint8 *)out->dst + out->pos, (const guint8 *)stream->in.src + stream->in.pos, n);
        out->pos += n;
        stream->in.pos += n;
        return 0;
    }
    /* One frame, and nothing behind it. */
    if (stream->frameEnded)
        return replStreamLies(stream, err);
    rc = ZSTD_decompressStream(stream->zstd, out, &stream->in);
    if (ZSTD_isError(rc))
        return replStreamLies(stream, err);
    stream->frameEnded = rc == 0;
    return 0;
}

static int
replStreamFill(ReplPartStream *stream, guint8 *buf, gsize len, GError **err)
{
    ZSTD_outBuffer out = {buf, len, 0};

    while (out.pos < out.size) {
        if (stream->in.pos == stream->in.size && replStreamFetch(stream, err) < 0)
            return -1;
        if (replStreamUnpack(stream, &out, err) < 0)
            return -1;
    }
    return 0;
}

/* The map has to fit what the config tells of the part. */
static gboolean
replStreamMapFits(const ReplPartStream *stream)
{
    const ReplBundlePart *part = replBundlePart(stream->layer, stream->part);
    const ReplMapRun *last = replMapRun(stream->map, stream->map->runs->len - 1);

    return stream->map->layer == stream->number &&
           replMapRun(stream->map, 0)->offset_bytes == part->start_bytes &&
           last->offset_bytes + last->length_bytes == part->end_bytes &&
           replMapData(stream->map) == part->data_bytes;
}

static int
replStreamBegin(ReplPartStream *stream, GError **err)
{
    guint8 head[REPL_MAP_HEAD_BYTES];
    g_autofree guint8 *bytes = NULL;
    gsize length;

    ZSTD_DCtx_reset(stream->zstd, ZSTD_reset_session_only);
    stream->frameEnded = FALSE;
    g_clear_pointer(&stream->chunk, replPartChunkFree);
    stream->in = (ZSTD_inBuffer){0};
    if (replStreamFill(stream, head, sizeof(head), err) < 0)
        return -1;
    if ((length = replMapLength(head)) == 0)
        return replStreamLies(stream, err);
    bytes = g_malloc(length);
    memcpy(bytes, head, sizeof(head));
    if (replStreamFill(stream, bytes + sizeof(head), length - sizeof(head), err) < 0)
        return -1;
    if (!(stream->map = replMapRead(bytes, length)) || !replStreamMapFits(stream))
        return replStreamLies(stream, err);
    stream->run = 0;
    stream->read_bytes = 0;
    return 0;
}

/* All bytes of the part are there: nothing may follow, and its digest has to be right. */
static int
replStreamEnd(ReplPartStream *stream, GError **err)
{
    gboolean zstd = replBundlePart(stream->layer, stream->part)->zstd;
    guint8 more;

    while (!stream->chunk->last || stream->in.pos < stream->in.size) {
        ZSTD_outBuffer out = {&more, 1, 0};

        if (stream->in.pos == stream->in.size && replStreamFetch(stream, err) < 0)
            return -1;
        if (!zstd)
            return replStreamLies(stream, err);
        if (replStreamUnpack(stream, &out, err) < 0)
            return -1;
        if (out.pos > 0)
            return replStreamLies(stream, err);
    }
    if (zstd && !stream->frameEnded)
        return replStreamLies(stream, err);
    g_clear_pointer(&stream->map, replMapFree);
    stream->part++;
    return 0;
}

int
replPartStreamNext(ReplPartStream *stream, guint64 *offset_bytes, guint64 *length_bytes, GError **err)
{
    const ReplMapRun *run;

    if (!stream->map && stream->part == stream->layer->parts->len)
        return 0;
    if (!stream->map && replStreamBegin(stream, err) < 0)
        return -1;
    run = replMapRun(stream->map, stream->run);
    *offset_bytes = run->offset_bytes + stream->read_bytes;
    *length_bytes = run->length_bytes - stream->read_bytes;
    return 1;
}

/* Behind @len bytes of the run. */
static int
replStreamAdvance(ReplPartStream *stream, gsize len, GError **err)
{
    stream->read_bytes += len;
    if (stream->read_bytes < replMapRun(stream->map, stream->run)->length_bytes)
        return 0;
    stream->read_bytes = 0;
    if (++stream->run < stream->map->runs->len)
        return 0;
    return replStreamEnd(stream, err);
}

int
replPartStreamRead(ReplPartStream *stream, guint8 *buf, gsize len, GError **err)
{
    gsize done = 0;

    while (done < len) {
        gsize n = buf ? len : MIN(len - done, REPL_STREAM_SKIP_BYTES);

        if (replStreamFill(stream, buf ? buf : stream->skipped, n, err) < 0)
            return -1;
        done += n;
    }
    return replStreamAdvance(stream, len, err);
}

guint64
replPartStreamMap(const ReplPartStream *stream, guint *part)
{
    *part = stream->part;
    return stream->map ? stream->map->sum : 0;
}

void
replPartStreamStop(ReplPartStream *stream)
{
    replPartFeedStop(stream->feed);
}

void
replPartStreamFree(ReplPartStream *stream)
{
    if (!stream)
        return;
    replPartFeedFree(stream->feed);
    replPartChunkFree(stream->chunk);
    replMapFree(stream->map);
    ZSTD_freeDCtx(stream->zstd);
    g_free(stream->skipped);
    g_free(stream);
}

ReplPartStream *
replPartStreamNew(const ReplBundle *bundle, guint number, guint first, const ReplBundleFile *file,
                  GError **err)
{
    g_autoptr(ReplPartStream) stream = g_new0(ReplPartStream, 1);

    stream->layer = replBundleLayer(bundle, number);
    stream->number = number;
    stream->what = file->what;
    stream->part = first;
    stream->skipped = g_malloc(REPL_STREAM_SKIP_BYTES);
    stream->zstd = ZSTD_createDCtx();
    ZSTD_DCtx_setParameter(stream->zstd, ZSTD_d_windowLogMax, REPL_PART_WINDOW_LOG_MAX);
    if (!(stream->feed = replPartFeedNew(stream->layer, first, file, err)))
        return NULL;
    return g_steal_pointer(&stream);
}
