/*
 * pack.c: a bundle is written
 *
 * Part by part: the bytes first, behind a gap for their header, which tells their digest and size and so comes after them.
 * Each part that is finished is synced and told as a checkpoint while the next one is written; the texts come last, and with them
 * the file becomes a bundle.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/pack.h"

#include <errno.h>
#include <gcrypt.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bundle/blobwriter.h"
#include "bundle/hex.h"
#include "bundle/map.h"
#include "bundle/packcheck.h"
#include "bundle/packpriv.h"
#include "bundle/tar.h"
#include "bundle/text.h"

/* Samples tell whether packing pays. */
#define REPL_PACK_SAMPLES 8u
#define REPL_PACK_SAMPLE_BYTES (64u << 10)

/* A bundle that is being written. */
typedef struct {
    const ReplBundlePack *pack;
    guint64 next_bytes; /* where the next tar entry begins */
    ReplPackCheck check;
} ReplPacking;

/* Each run of the map follows the one before it in the blob. */
typedef struct {
    const ReplMap *map;
    guint run;
    guint64 at_bytes; /* where it goes */
} ReplPackExtents;

static int
replPackNext(void *opaque, ReplExtent *extent, GError **err)
{
    ReplPackExtents *self = opaque;
    const ReplMapRun *run;

    (void)err;
    if (self->run == self->map->runs->len)
        return 0;
    run = replMapRun(self->map, self->run++);
    *extent = (ReplExtent){run->offset_bytes, self->at_bytes, run->length_bytes, REPL_EXTENT_PLAIN};
    self->at_bytes += run->length_bytes;
    return 1;
}

/* --- which data go into the next part --- */

static void
replPackAddRun(ReplMap *map, guint64 offset_bytes, guint64 length_bytes)
{
    ReplMapRun run = {offset_bytes, length_bytes};
    ReplMapRun *last = map->runs->len > 0 ? &g_array_index(map->runs, ReplMapRun, map->runs->len - 1) : NULL;

    if (last && last->offset_bytes + last->length_bytes == offset_bytes)
        last->length_bytes += length_bytes;
    else
        g_array_append_val(map->runs, run);
}

/* The data of the reader from @from_bytes on, at most @most_bytes of it; no runs: there is none. NULL with @err set. */
static ReplMap *
replPackGather(ReplReader *reader, guint number, const ReplBundleLayer *layer, guint64 from_bytes,
               guint64 most_bytes, GError **err)
{
    g_autoptr(ReplMap) map = replMapNew(number);
    guint64 sum_bytes = 0;

    while (sum_bytes < most_bytes && map->runs->len < REPL_MAP_RUNS_MAX && from_bytes < layer->size_bytes) {
        guint64 offset_bytes, length_bytes, end_bytes;
        int rc = replReaderData(reader, from_bytes, &offset_bytes, &length_bytes, err);

        if (rc < 0)
            return NULL;
        if (rc == 0 || offset_bytes >= layer->size_bytes)
            break;
        end_bytes = offset_bytes + MIN(length_bytes, layer->size_bytes - offset_bytes);
        offset_bytes = MAX(offset_bytes, from_bytes);
        length_bytes = MIN(end_bytes - offset_bytes, most_bytes - sum_bytes);
        replPackAddRun(map, offset_bytes, length_bytes);
        sum_bytes += length_bytes;
        from_bytes = offset_bytes + length_bytes;
    }
    return g_steal_pointer(&map);
}

/* Whether packing saves a twentieth, by a few samples. Without a file behind the reader they could not be read out of turn:
 * then it does. */
static gboolean
replPackPays(ReplReader *reader, const ReplMap *map)
{
    gsize room = ZSTD_compressBound(REPL_PACK_SAMPLE_BYTES), in = 0, out = 0;
    g_autofree guint8 *sample = g_malloc(REPL_PACK_SAMPLE_BYTES);
    g_autofree guint8 *packed = g_malloc(room);

    for (guint i = 0; replReaderFd(reader) >= 0 && i < REPL_PACK_SAMPLES; i++) {
        const ReplMapRun *run = replMapRun(map, (guint64)map->runs->len * i / REPL_PACK_SAMPLES);
        guint64 skip = run->length_bytes / REPL_PACK_SAMPLES * i;
        ssize_t n =
            replPreadFull(replReaderFd(reader), sample, MIN(run->length_bytes - skip, REPL_PACK_SAMPLE_BYTES),
                          run->offset_bytes + skip);
        gsize size = n > 0 ? ZSTD_compress(packed, room, sample, n, 1) : 0;

        if (n > 0 && !ZSTD_isError(size)) {
            in += n;
            out += size;
        }
    }
    return in == 0 || out < in - in / 20;
}

/* --- writing --- */

static int
replPackWrite(const ReplBundlePack *pack, const guint8 *bytes, gsize length, guint64 at_bytes, GError **err)
{
    if (replPwriteFull(pack->fd, bytes, length, at_bytes) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot write the bundle of '%s'"), pack->bundle->volume);
    return -1;
}

/* Copies the data of @map to the blob at @at_bytes, and completes @part. */
static int
replPackBlob(const ReplBundlePack *pack, ReplReader *reader, const ReplMap *map, guint64 at_bytes,
             ReplBundlePart *part, GError **err)
{
    const ReplCopyWatch watch = {
        .admit = pack->watch->admit, .advance = pack->watch->advance, .opaque = pack->watch->opaque};
    g_autoptr(GByteArray) head = replMapWrite(map);
    ReplPackExtents at = {map, 0, at_bytes + head->len};
    const ReplExtentSource extents = {replPackNext, &at};
    const ReplBlobPlace place = {pack->fd, at_bytes, head->len + part->data_bytes,
                                 pack->level > 0 && replPackPays(reader, map) ? pack->level : 0};
    const ReplCopyJob copy = {
        .extents = &extents, .watch = &watch, .size_bytes = at_bytes + place.size_bytes};
    g_autoptr(ReplWriter) writer = replBlobWriterNew(&place, head, err);

    if (!writer || replCopyRun(reader, writer, &copy, err) < 0)
        return -1;
    return replBlobWriterEnd(writer, part, err);
}

/* Writes the next part of the layer, and moves *from_bytes, how far in the layer it has come. 1, 0 when there is no data left,
 * -1 with @err set. */
static int
replPackPart(ReplPacking *packing, ReplReader *reader, guint number, guint64 *from_bytes, GError **err)
{
    const ReplBundlePack *pack = packing->pack;
    ReplBundleLayer *layer = replBundleLayer(pack->bundle, number);
    g_autoptr(ReplMap) map = replPackGather(reader, number, layer, *from_bytes, replPackPartBytes(pack), err);
    g_autoptr(GByteArray) header = NULL;
    g_autofree char *name = NULL;
    ReplBundlePart part = {.at_bytes = replTarAligned(packing->next_bytes)};

    if (!map)
        return -1;
    if (map->runs->len == 0)
        return 0;
    replPackBounds(map, &part);
    if (replPackBlob(pack, reader, map, part.at_bytes, &part, err) < 0)
        return -1;
    name = g_strconcat(REPL_PACK_BLOBS, part.digest, NULL);
    header = replTarAlignedHeader(packing->next_bytes, name, part.packed_bytes);
    if (replPackWrite(pack, header->data, header->len, packing->next_bytes, err) < 0)
        return -1;
    g_array_append_val(layer->parts, part);
    *from_bytes = part.end_bytes;
    packing->next_bytes = part.at_bytes + replTarPadded(part.packed_bytes);
    return replPackCheckBegin(&packing->check, packing->next_bytes, err) < 0 ? -1 : 1;
}

static int
replPackLayer(ReplPacking *packing, guint number, GError **err)
{
    const ReplBundlePack *pack = packing->pack;
    ReplBundleLayer *layer = replBundleLayer(pack->bundle, number);
    g_autoptr(ReplReader) reader = NULL;
    guint64 from_bytes = 0;
    int rc = 1;

    if (layer->absent)
        return 0;
    if (layer->parts->len > 0)
        from_bytes = replBundlePart(layer, layer->parts->len - 1)->end_bytes;
    if (!(reader = pack->open(pack->opaque, number, err)))
        return -1;
    while (rc > 0)
        rc = replPackPart(packing, reader, number, &from_bytes, err);
    layer->data_bytes = 0;
    for (guint i = 0; i < layer->parts->len; i++)
        layer->data_bytes += replBundlePart(layer, i)->data_bytes;
    return rc;
}

/* A text as an entry of its own; its digest into @digest where that is its name. */
static int
replPackText(ReplPacking *packing, const char *name, const char *text, char *digest, GError **err)
{
    guint64 at_bytes = packing->next_bytes;
    g_autofree char *blob = NULL;
    guint8 header[REPL_TAR_BLOCK_BYTES];
    guint8 sum[32];

    if (digest) {
        gcry_md_hash_buffer(GCRY_MD_SHA256, sum, text, strlen(text));
        replHex(sum, sizeof(sum), digest);
        name = blob = g_strconcat(REPL_PACK_BLOBS, digest, NULL);
    }
    replTarHeader(header, name, strlen(text));
    if (replPackWrite(packing->pack, header, sizeof(header), at_bytes, err) < 0 ||
        replPackWrite(packing->pack, (const guint8 *)text, strlen(text), at_bytes + sizeof(header), err) < 0)
        return -1;
    packing->next_bytes += sizeof(header) + replTarPadded(strlen(text));
    return 0;
}

static guint
replPackParts(const ReplBundlePack *pack)
{
    guint count = 0;

    for (guint i = 0; i < pack->bundle->layers->len; i++)
        count += replBundleLayer(pack->bundle, i)->parts->len;
    return count;
}

/* The end of a tar are two empty blocks; tools like it to be a multiple of 10 KiB. */
static int
replPackTexts(ReplPacking *packing, GError **err)
{
    const ReplBundlePack *pack = packing->pack;
    g_autofree char *config = replBundleConfigText(pack->bundle);
    g_autofree char *manifest = NULL;
    g_autofree char *index = NULL;
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];
    guint64 end_bytes;

    if (replPackParts(pack) > REPL_BUNDLE_PARTS_MAX || strlen(config) > REPL_BUNDLE_TEXT_MAX_BYTES) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Image '%s' is too fragmented for a bundle: copy it first"),
                     pack->bundle->volume);
        return -1;
    }
    if (replPackText(packing, NULL, config, digest, err) < 0)
        return -1;
    manifest = replBundleManifestText(pack->bundle, digest, strlen(config));
    if (replPackText(packing, NULL, manifest, digest, err) < 0)
        return -1;
    index = replBundleIndexText(digest, strlen(manifest));
    if (replPackText(packing, REPL_PACK_INDEX, index, NULL, err) < 0)
        return -1;
    end_bytes = (packing->next_bytes + 2 * REPL_TAR_BLOCK_BYTES + 10239) / 10240 * 10240;
    return replPackCut(pack, end_bytes, err);
}

static int
replPackAll(ReplPacking *packing, GError **err)
{
    const ReplBundlePack *pack = packing->pack;

    if (replPackResume(pack, &packing->next_bytes, err) < 0 ||
        replPackCut(pack, packing->next_bytes, err) < 0)
        return -1;
    if (packing->next_bytes == 0 &&
        replPackText(packing, REPL_PACK_LAYOUT, REPL_BUNDLE_LAYOUT_TEXT, NULL, err) < 0)
        return -1;
    for (guint i = 0; i < pack->bundle->layers->len; i++) {
        if (replPackLayer(packing, i, err) < 0)
            return -1;
    }
    return replPackTexts(packing, err);
}

int
replBundlePack(const ReplBundlePack *pack, GError **err)
{
    ReplPacking packing = {.pack = pack, .check = {.pack = pack}};
    int rc = replPackAll(&packing, err);

    if (replPackCheckEnd(&packing.check, rc == 0 ? err : NULL) < 0 || rc < 0)
        return -1;
    return replPackSync(pack, err);
}
