/*
 * listing.c: the images of a pool, for its overview
 *
 * A pool may have 10,000 volumes, of which few have changed since the last call. The graph knows their files already;
 * only an empty file, which a whole image may replace at any moment, is looked at here. The graph is locked, and other
 * clients wait for it: records and jobs are read while it is not held. What has changed meanwhile is shown anew.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/listing.h"

#include <stdlib.h>
#include <string.h>

#include "image/view.h"
#include "probe/graph.h"
#include "service/service.h"
#include "virt/below.h"
#include "virt/report.h"

typedef struct {
    char *volume;
    ReplFileLook look;
    gboolean known;           /* @look holds */
    ReplOverviewImage *image; /* NULL: none is shown; without what follows until the end */
    gboolean isLayer;
    guint64 bytes; /* allocated */
    char *backing; /* NULL: none */
} ReplListed;

static void
replListedClear(gpointer opaque)
{
    ReplListed *listed = opaque;

    free(listed->volume);
    g_free(listed->backing);
    replOverviewImageFree(listed->image);
}

/* The volumes that the caller may see: the stock list. NULL with an error reported. */
static GArray *
replListingVolumes(virStoragePoolPtr pool)
{
    const ReplVirtStorageDriver *below = replBelowPool(pool);
    int count = below->storagePoolNumOfVolumes(pool);
    g_autofree char **names = count >= 0 ? g_new0(char *, (gsize)count + 1) : NULL;
    GArray *list;
    int i;

    if (!names || (count = below->storagePoolListVolumes(pool, names, count)) < 0)
        return NULL;
    list = g_array_sized_new(FALSE, TRUE, sizeof(ReplListed), (guint)count);
    g_array_set_clear_func(list, replListedClear);
    for (i = 0; i < count; i++) {
        ReplListed listed = {.volume = names[i]};

        g_array_append_val(list, listed);
    }
    return list;
}

static int
replListedCompare(gconstpointer a, gconstpointer b)
{
    return strcmp(((const ReplListed *)a)->volume, ((const ReplListed *)b)->volume);
}

/* What the graph knows of the files. Returns 0, or -1 with @err set. */
static int
replListingLook(const ReplRegion *region, GArray *list, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), set, region->dir, REPL_GRAPH_RECENTLY, err);
    guint i;

    for (i = 0; graph && i < list->len; i++) {
        ReplListed *listed = &g_array_index(list, ReplListed, i);
        const ReplGraphNode *node = replGraphFind(graph, region->dir, listed->volume);

        if (node)
            replGraphNodeLook(node, &listed->look);
        listed->known = node && listed->look.identity.size_bytes > 0;
    }
    return graph ? 0 : -1;
}

/* What its record and its file tell. */
static ReplOverviewImage *
replListingImage(const char *volume, const ReplImage *shown)
{
    ReplOverviewImage *image = g_new0(ReplOverviewImage, 1);

    image->id = g_strdup(shown->id);
    image->volume = g_strdup(volume);
    image->name = g_strdup(shown->name ? shown->name : volume);
    image->status = shown->status;
    image->type = shown->type;
    image->source = g_strdup(shown->source.id);
    image->job = shown->job ? replJobInfoCopy(shown->job) : NULL;
    return image;
}

/* Shows the volumes that are not shown yet. One that is no more stays unshown. */
static void
replListingShow(const ReplRegion *region, GArray *list)
{
    g_auto(ReplStandingRecords) records = {0};
    guint i;

    replStandingRecordsOpen(region, &records);
    for (i = 0; i < list->len; i++) {
        ReplListed *listed = &g_array_index(list, ReplListed, i);
        g_autoptr(ReplImage) shown = NULL;

        if (listed->image || g_str_equal(listed->volume, REPL_STAGING_NAME) ||
            (!listed->known && replFileLook(region->dir->dirFd, listed->volume, &listed->look) < 0))
            continue;
        shown = replViewImageLooked(region, &records, listed->volume, &listed->look);
        listed->image = replListingImage(listed->volume, shown);
    }
}

static gboolean
replListedHolds(const ReplListed *listed, const ReplGraphNode *node)
{
    ReplFileLook now;

    if (!node)
        return !listed->known;
    replGraphNodeLook(node, &now);
    return replFileIdentityEqual(&listed->look.identity, &now.identity);
}

/* Notes what other volumes are to each. Returns how many files have changed since they were looked at, whose
 * images are no longer shown, or -1 with @err set. */
static int
replListingPlace(const ReplRegion *region, GArray *list, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), set, region->dir, REPL_GRAPH_RECENTLY, err);
    int changed = 0;
    guint i;

    for (i = 0; graph && i < list->len; i++) {
        ReplListed *listed = &g_array_index(list, ReplListed, i);
        const ReplGraphNode *node = replGraphFind(graph, region->dir, listed->volume);

        if (!listed->image)
            continue;
        if (node) {
            listed->isLayer = replGraphIsLayer(graph, node);
            listed->bytes = replGraphNodeBytes(node);
            listed->backing = g_strdup(replGraphNearest(graph, node));
        }
        if (!replListedHolds(listed, node)) {
            g_clear_pointer(&listed->image, replOverviewImageFree);
            listed->known = FALSE;
            changed++;
        }
    }
    return graph ? changed : -1;
}

/* Returns 0, or -1 with @err set. */
static int
replListingMake(const ReplRegion *region, GArray *list, GError **err)
{
    int changed;

    if (replListingLook(region, list, err) < 0)
        return -1;
    replListingShow(region, list);
    if ((changed = replListingPlace(region, list, err)) <= 0)
        return changed;
    /* Once more is enough: a file that a guest writes changes at each look. */
    replListingShow(region, list);
    return 0;
}

int
replListingAdd(virStoragePoolPtr pool, const ReplRegion *region, ReplOverview *overview)
{
    g_autoptr(GArray) list = replListingVolumes(pool);
    g_autoptr(GError) err = NULL;
    guint i;

    if (!list)
        return -1;
    g_array_sort(list, replListedCompare);
    if (replListingMake(region, list, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    for (i = 0; i < list->len; i++) {
        ReplListed *listed = &g_array_index(list, ReplListed, i);

        if (!listed->image)
            continue;
        listed->image->isLayer = listed->isLayer;
        listed->image->bytes = listed->bytes;
        listed->image->backing = g_steal_pointer(&listed->backing);
        g_ptr_array_add(overview->images, g_steal_pointer(&listed->image));
    }
    return 0;
}
