/*
 * map.c: what stands in front of the data of a part
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/map.h"

#include <string.h>
#include <xxhash.h>

#include "qcow2/bytes.h"

#define REPL_MAP_MAGIC "RPLPART1"

ReplMap *
replMapNew(guint32 layer)
{
    ReplMap *map = g_new0(ReplMap, 1);

    map->layer = layer;
    map->runs = g_array_new(FALSE, FALSE, sizeof(ReplMapRun));
    return map;
}

void
replMapFree(ReplMap *map)
{
    if (!map)
        return;
    g_array_unref(map->runs);
    g_free(map);
}

guint64
replMapData(const ReplMap *map)
{
    guint64 sum = 0;

    for (guint i = 0; i < map->runs->len; i++)
        sum += replMapRun(map, i)->length_bytes;
    return sum;
}

GByteArray *
replMapWrite(const ReplMap *map)
{
    GByteArray *bytes = g_byte_array_new();
    guint8 *at;

    g_byte_array_set_size(bytes, replMapBytes(map->runs->len));
    memset(bytes->data, 0, bytes->len);
    memcpy(bytes->data, REPL_MAP_MAGIC, 8);
    replPutBe32(bytes->data + 8, map->layer);
    replPutBe32(bytes->data + 12, map->runs->len);
    at = bytes->data + REPL_MAP_HEAD_BYTES;
    for (guint i = 0; i < map->runs->len; i++, at += 16) {
        replPutBe64(at, replMapRun(map, i)->offset_bytes);
        replPutBe64(at + 8, replMapRun(map, i)->length_bytes);
    }
    return bytes;
}

gsize
replMapLength(const guint8 *head)
{
    guint32 count = replGetBe32(head + 12);

    if (memcmp(head, REPL_MAP_MAGIC, 8) != 0 || count < 1 || count > REPL_MAP_RUNS_MAX)
        return 0;
    return replMapBytes(count);
}

ReplMap *
replMapRead(const guint8 *bytes, gsize length)
{
    g_autoptr(ReplMap) map = replMapNew(replGetBe32(bytes + 8));
    guint32 count = replGetBe32(bytes + 12);
    guint64 end = 0;

    if (replMapLength(bytes) != length)
        return NULL;
    for (guint i = 0; i < count; i++) {
        const guint8 *at = bytes + REPL_MAP_HEAD_BYTES + (gsize)i * 16;
        ReplMapRun run = {replGetBe64(at), replGetBe64(at + 8)};

        if (run.length_bytes < 1 || run.length_bytes > G_MAXINT64 || run.offset_bytes > G_MAXINT64 ||
            (i > 0 && run.offset_bytes <= end))
            return NULL;
        end = run.offset_bytes + run.length_bytes;
        g_array_append_val(map->runs, run);
    }
    map->sum = XXH3_64bits(bytes, length) | 1;
    return g_steal_pointer(&map);
}
