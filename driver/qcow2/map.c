/*
 * map.c: a class of 4 bits for each host cluster, in pages that exist where something is set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/map.h"

/* A page has the classes of 8192 clusters in 4 KiB; the limit bounds what a hostile file can make us
 * spend by scattering its clusters. */
#define REPL_MAP_PAGE_BITS 13
#define REPL_MAP_PAGE_CLUSTERS (1U << REPL_MAP_PAGE_BITS)
#define REPL_MAP_MAX_PAGES ((64U << 20) / (REPL_MAP_PAGE_CLUSTERS / 2))

typedef struct {
    guint64 number;
    guint8 classes[REPL_MAP_PAGE_CLUSTERS / 2];
} ReplMapPage;

struct ReplQcow2Map {
    guint32 clusterBits;
    guint64 counts[REPL_QCOW2_CLASS_LAST];
    GHashTable *pages;  /* page number -> its ReplMapPage, owned here */
    GPtrArray *ordered; /* the same pages by number; not sorted while @unsorted */
    gboolean unsorted;
    GArray *tables;    /* of ReplQcow2Range */
    ReplMapPage *last; /* the page set last: tables come in runs */
};

ReplQcow2Map *
replQcow2MapNew(guint32 clusterBits)
{
    ReplQcow2Map *map = g_new0(ReplQcow2Map, 1);

    map->clusterBits = clusterBits;
    map->pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    map->ordered = g_ptr_array_new();
    map->tables = g_array_new(FALSE, FALSE, sizeof(ReplQcow2Range));
    return map;
}

void
replQcow2MapFree(ReplQcow2Map *map)
{
    if (!map)
        return;
    g_hash_table_unref(map->pages);
    g_ptr_array_unref(map->ordered);
    g_array_unref(map->tables);
    g_free(map);
}

static ReplMapPage *
replMapPage(ReplQcow2Map *map, guint64 number)
{
    ReplMapPage *page;

    if (map->last && map->last->number == number)
        return map->last;
    page = g_hash_table_lookup(map->pages, &number);
    if (!page) {
        if (map->ordered->len >= REPL_MAP_MAX_PAGES)
            return NULL;
        page = g_new0(ReplMapPage, 1);
        page->number = number;
        g_hash_table_insert(map->pages, &page->number, page);
        g_ptr_array_add(map->ordered, page);
        map->unsorted = TRUE;
    }
    map->last = page;
    return page;
}

static ReplQcow2Class
replMapGet(const ReplMapPage *page, guint32 index)
{
    return page->classes[index / 2] >> (index % 2 * 4) & 0xf;
}

int
replQcow2MapSet(ReplQcow2Map *map, guint64 cluster, ReplQcow2Class class)
{
    ReplMapPage *page = replMapPage(map, cluster >> REPL_MAP_PAGE_BITS);
    guint32 index = cluster & (REPL_MAP_PAGE_CLUSTERS - 1);
    guint32 shift = index % 2 * 4;
    ReplQcow2Class old;

    if (!page)
        return -2;
    old = replMapGet(page, index);
    if (old == class || (old == REPL_QCOW2_DATA && class == REPL_QCOW2_RESERVED))
        return 0;
    if (old != REPL_QCOW2_NONE && !(old == REPL_QCOW2_RESERVED && class == REPL_QCOW2_DATA))
        return -1;
    page->classes[index / 2] = (page->classes[index / 2] & ~(0xf << shift)) | (guint8)(class << shift);
    map->counts[class]++;
    if (old != REPL_QCOW2_NONE)
        map->counts[old]--;
    return old == REPL_QCOW2_NONE;
}

ReplQcow2Class
replQcow2MapClass(const ReplQcow2Map *map, guint64 offset)
{
    guint64 cluster = offset >> map->clusterBits;
    guint64 number = cluster >> REPL_MAP_PAGE_BITS;
    const ReplMapPage *page = g_hash_table_lookup(map->pages, &number);

    return page ? replMapGet(page, cluster & (REPL_MAP_PAGE_CLUSTERS - 1)) : REPL_QCOW2_NONE;
}

guint64
replQcow2MapCount(const ReplQcow2Map *map, ReplQcow2Class class)
{
    return class > REPL_QCOW2_NONE && class < REPL_QCOW2_CLASS_LAST ? map->counts[class] : 0;
}

static gint
replMapPageCompare(gconstpointer a, gconstpointer b)
{
    const ReplMapPage *const *pa = a;
    const ReplMapPage *const *pb = b;

    return (*pa)->number < (*pb)->number ? -1 : (*pa)->number > (*pb)->number;
}

static gint
replMapRangeCompare(gconstpointer a, gconstpointer b)
{
    const ReplQcow2Range *ra = a;
    const ReplQcow2Range *rb = b;

    return ra->offset_bytes < rb->offset_bytes ? -1 : ra->offset_bytes > rb->offset_bytes;
}

void
replQcow2MapAddTable(ReplQcow2Map *map, guint64 offset, guint64 bytes)
{
    ReplQcow2Range range = {.offset_bytes = offset, .length_bytes = bytes};

    if (bytes > 0)
        g_array_append_val(map->tables, range);
}

const GArray *
replQcow2MapTables(const ReplQcow2Map *map)
{
    return map->tables;
}

void
replQcow2MapSort(ReplQcow2Map *map)
{
    g_array_sort(map->tables, replMapRangeCompare);
    if (map->unsorted)
        g_ptr_array_sort(map->ordered, replMapPageCompare);
    map->unsorted = FALSE;
}

/* Index in the order of the first page with a number of at least @number. */
static guint
replMapLowerBound(const ReplQcow2Map *map, guint64 number)
{
    guint low = 0, high = map->ordered->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;
        const ReplMapPage *page = g_ptr_array_index(map->ordered, mid);

        if (page->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

gboolean
replQcow2MapNext(const ReplQcow2Map *map, guint64 *pos, ReplQcow2Run *run)
{
    guint64 cluster = *pos >> map->clusterBits;
    guint i;

    run->class = REPL_QCOW2_NONE;
    run->length_bytes = 0;
    for (i = replMapLowerBound(map, cluster >> REPL_MAP_PAGE_BITS); i < map->ordered->len; i++) {
        const ReplMapPage *page = g_ptr_array_index(map->ordered, i);
        guint64 base = page->number << REPL_MAP_PAGE_BITS;
        guint32 index = cluster > base ? cluster - base : 0;

        for (; index < REPL_MAP_PAGE_CLUSTERS; index++) {
            guint64 offset = (base + index) << map->clusterBits;
            ReplQcow2Class class = replMapGet(page, index);

            if (run->class == REPL_QCOW2_NONE) {
                run->class = class;
                run->offset_bytes = offset;
            }
            if (run->class == REPL_QCOW2_NONE)
                continue;
            if (class != run->class || offset != run->offset_bytes + run->length_bytes) {
                *pos = run->offset_bytes + run->length_bytes;
                return TRUE;
            }
            run->length_bytes += G_GUINT64_CONSTANT(1) << map->clusterBits;
        }
    }
    *pos = run->offset_bytes + run->length_bytes;
    return run->class != REPL_QCOW2_NONE;
}
