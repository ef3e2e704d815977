/*
 * packresume.c: what an earlier attempt has written of a bundle
 *
 * A part tells by itself what it holds, so nothing but the file and how much of it is certain is needed. What does not
 * fit the layers as they are now makes the bundle begin anew.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "bundle/packpriv.h"
#include "bundle/partread.h"
#include "bundle/tar.h"

guint64
replPackPartBytes(const ReplBundlePack *pack)
{
    guint64 sum_bytes = 0, least_bytes;

    for (guint i = 0; i < pack->bundle->layers->len; i++)
        sum_bytes += replBundleLayer(pack->bundle, i)->size_bytes;
    /* Half of what is allowed: layers end where they end, and runs are counted, too. */
    least_bytes = sum_bytes / (REPL_BUNDLE_PARTS_MAX / 2) / REPL_MAP_ALIGN_BYTES * REPL_MAP_ALIGN_BYTES;
    return MAX(pack->part_bytes, least_bytes);
}

void
replPackBounds(const ReplMap *map, ReplBundlePart *part)
{
    const ReplMapRun *last = replMapRun(map, map->runs->len - 1);

    part->start_bytes = replMapRun(map, 0)->offset_bytes;
    part->end_bytes = last->offset_bytes + last->length_bytes;
    part->data_bytes = replMapData(map);
}

/* Takes the part of @entry over if it is the next one of its layer. */
static gboolean
replPackTakeOver(const ReplBundlePack *pack, const ReplBundleFile *file, const ReplTarEntry *entry)
{
    const char *digest = entry->name + strlen(REPL_PACK_BLOBS);
    ReplBundlePart part = {.at_bytes = entry->at_bytes, .packed_bytes = entry->size_bytes};
    g_autoptr(ReplMap) map = NULL;
    ReplBundleLayer *layer;
    guint64 from_bytes = 0;

    if (!g_str_has_prefix(entry->name, REPL_PACK_BLOBS) || strlen(digest) != REPL_BUNDLE_DIGEST_CHARS)
        return FALSE;
    memcpy(part.digest, digest, sizeof(part.digest));
    part.zstd = replPartIsZstd(file, &part);
    if (!(map = replPartMap(file, &part, NULL)) || map->layer >= pack->bundle->layers->len)
        return FALSE;
    layer = replBundleLayer(pack->bundle, map->layer);
    if (layer->parts->len > 0)
        from_bytes = replBundlePart(layer, layer->parts->len - 1)->end_bytes;
    replPackBounds(map, &part);
    if (layer->absent || part.start_bytes < from_bytes || part.end_bytes > layer->size_bytes)
        return FALSE;
    g_array_append_val(layer->parts, part);
    if (pack->watch->advance)
        pack->watch->advance(pack->watch->opaque, part.data_bytes);
    return TRUE;
}

int
replPackResume(const ReplBundlePack *pack, guint64 *next_bytes, GError **err)
{
    const ReplBundleFile file = replBundleFileOf(pack->fd, pack->bundle->volume);
    guint64 at_bytes = 0;
    gboolean first = TRUE;

    (void)err;
    *next_bytes = 0;
    while (at_bytes < pack->start_bytes) {
        ReplTarEntry entry;

        if (replTarNext(&file, &at_bytes, &entry, NULL) <= 0 || at_bytes > pack->start_bytes ||
            (first ? !g_str_equal(entry.name, REPL_PACK_LAYOUT) : !replPackTakeOver(pack, &file, &entry)))
            break;
        first = FALSE;
        *next_bytes = at_bytes;
    }
    return 0;
}
