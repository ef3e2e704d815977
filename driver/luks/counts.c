/*
 * counts.c: how often each host cluster of a qcow2 file is referred to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/counts.h"

#define REPL_COUNTS_PAGE_BITS 10
#define REPL_COUNTS_PAGE (1U << REPL_COUNTS_PAGE_BITS)
#define REPL_COUNTS_MAX_PAGES ((64U << 20) / (REPL_COUNTS_PAGE * 4))
#define REPL_COUNTS_MARK 0x80000000U

typedef struct {
    guint64 number;
    guint32 words[REPL_COUNTS_PAGE]; /* mark in the highest bit, count below */
} ReplCountsPage;

struct ReplCounts {
    GHashTable *pages;  /* page number -> ReplCountsPage, owned here */
    GPtrArray *ordered; /* the same by number; not sorted while unsorted */
    gboolean unsorted;
};

ReplCounts *
replCountsNew(void)
{
    ReplCounts *counts = g_new0(ReplCounts, 1);

    counts->pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    counts->ordered = g_ptr_array_new();
    return counts;
}

void
replCountsFree(ReplCounts *counts)
{
    if (!counts)
        return;
    g_hash_table_unref(counts->pages);
    g_ptr_array_unref(counts->ordered);
    g_free(counts);
}

/* The word of @cluster, or NULL where nothing was ever set. */
static guint32 *
replCountsFind(const ReplCounts *counts, guint64 cluster)
{
    guint64 number = cluster >> REPL_COUNTS_PAGE_BITS;
    ReplCountsPage *page = g_hash_table_lookup(counts->pages, &number);

    return page ? &page->words[cluster & (REPL_COUNTS_PAGE - 1)] : NULL;
}

static guint32 *
replCountsMake(ReplCounts *counts, guint64 cluster)
{
    guint32 *word = replCountsFind(counts, cluster);
    ReplCountsPage *page;

    if (word)
        return word;
    if (counts->ordered->len >= REPL_COUNTS_MAX_PAGES)
        return NULL;
    page = g_new0(ReplCountsPage, 1);
    page->number = cluster >> REPL_COUNTS_PAGE_BITS;
    g_hash_table_insert(counts->pages, &page->number, page);
    g_ptr_array_add(counts->ordered, page);
    counts->unsorted = TRUE;
    return &page->words[cluster & (REPL_COUNTS_PAGE - 1)];
}

gboolean
replCountsAdd(ReplCounts *counts, guint64 cluster, guint32 n)
{
    guint32 *word = replCountsMake(counts, cluster);

    if (!word || n >= REPL_COUNTS_MARK - (*word & ~REPL_COUNTS_MARK))
        return FALSE;
    *word += n;
    return TRUE;
}

guint32
replCountsGet(const ReplCounts *counts, guint64 cluster)
{
    const guint32 *word = replCountsFind(counts, cluster);

    return word ? *word & ~REPL_COUNTS_MARK : 0;
}

gboolean
replCountsMark(ReplCounts *counts, guint64 cluster)
{
    guint32 *word = replCountsMake(counts, cluster);

    if (!word)
        return FALSE;
    *word |= REPL_COUNTS_MARK;
    return TRUE;
}

gboolean
replCountsIsMarked(const ReplCounts *counts, guint64 cluster)
{
    const guint32 *word = replCountsFind(counts, cluster);

    return word && (*word & REPL_COUNTS_MARK);
}

static gint
replCountsCompare(gconstpointer a, gconstpointer b)
{
    const ReplCountsPage *const *pa = a;
    const ReplCountsPage *const *pb = b;

    return (*pa)->number < (*pb)->number ? -1 : (*pa)->number > (*pb)->number;
}

guint64
replCountsNext(ReplCounts *counts, guint64 from)
{
    guint low = 0, high = counts->ordered->len;

    if (counts->unsorted)
        g_ptr_array_sort(counts->ordered, replCountsCompare);
    counts->unsorted = FALSE;
    while (low < high) {
        guint mid = low + (high - low) / 2;
        const ReplCountsPage *page = g_ptr_array_index(counts->ordered, mid);

        if (page->number < from >> REPL_COUNTS_PAGE_BITS)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < counts->ordered->len; low++) {
        const ReplCountsPage *page = g_ptr_array_index(counts->ordered, low);
        guint64 base = page->number << REPL_COUNTS_PAGE_BITS;
        guint32 i = from > base ? from - base : 0;

        for (; i < REPL_COUNTS_PAGE; i++) {
            if (page->words[i] & ~REPL_COUNTS_MARK)
                return base + i;
        }
    }
    return G_MAXUINT64;
}
