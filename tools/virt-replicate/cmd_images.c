/*
 * cmd_images.c: virt-replicate images
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "jsonout.h"
#include "size.h"
#include "table.h"
#include "target.h"

static gboolean replImagesLayers;

typedef struct {
    ReplTable *table;
    JsonBuilder *json;
} ReplImages;

static ReplColor
replImagesColor(const char *status)
{
    if (g_strcmp0(status, VIRT_REPLICATION_STATUS_AVAILABLE) == 0)
        return REPL_COLOR_GOOD;
    return g_strcmp0(status, VIRT_REPLICATION_STATUS_ERROR) == 0 ? REPL_COLOR_BAD : REPL_COLOR_BUSY;
}

static void
replImagesAdd(ReplImages *out, const virtReplicationImage *image)
{
    replJsonImage(out->json, image);
    replTableAddColored(out->table, image->name, REPL_COLOR_BOLD);
    replTableAdd(out->table, image->region);
    replTableAddColored(out->table, image->status, replImagesColor(image->status));
    replTableAdd(out->table, image->isLayer ? _("layer") : image->type);
    replTableTake(out->table, replSizeText(image->bytes));
    replTableTake(out->table, g_strdup_printf("%.8s", image->id));
    replTableTake(out->table, g_strdup_printf("%s/%s", image->pool, image->volume));
}

/* What other projects offer. */
static void
replImagesAddOffers(ReplImages *out, const virtReplicationRegion *region)
{
    size_t i;

    for (i = 0; i < region->noffers; i++) {
        const virtReplicationOffer *offer = &region->offers[i];

        replTableAddColored(out->table, offer->name, REPL_COLOR_BOLD);
        replTableAdd(out->table, offer->region);
        replTableAddColored(out->table, offer->state, REPL_COLOR_BUSY);
        replTableTake(out->table, g_strdup_printf(_("of project %s"), offer->project));
        replTableAdd(out->table, NULL);
        replTableTake(out->table, g_strdup_printf("%.8s", offer->image));
        replTableAdd(out->table, NULL);
    }
}

/* Several pools of one project get the same offers: the first one's are enough. */
static bool
replImagesOffersShown(virtReplicationRegion *const *regions, size_t at)
{
    size_t i;

    for (i = 0; i < at; i++) {
        if (strcmp(regions[i]->project, regions[at]->project) == 0 &&
            strcmp(regions[i]->name, regions[at]->name) == 0)
            return true;
    }
    return false;
}

/* Returns false when the region could not be listed. */
static bool
replImagesRegion(ReplImages *out, virtReplicationRegion *const *regions, size_t at)
{
    const virtReplicationRegion *region = regions[at];
    size_t i;

    for (i = 0; i < region->nimages; i++) {
        if (!region->images[i]->isLayer || replImagesLayers)
            replImagesAdd(out, region->images[i]);
    }
    if (!replImagesOffersShown(regions, at))
        replImagesAddOffers(out, region);
    if (region->listError)
        replClientError(_("Region '%s', pool '%s': %s"), region->name, region->pool, region->listError);
    return !region->listError;
}

/* Whether the region is asked for; @words empty: all are. */
static bool
replImagesWanted(const virtReplicationRegion *region, char **words)
{
    for (; *words; words++) {
        if (strcmp(*words, region->name) == 0 || strcmp(*words, region->pool) == 0)
            return true;
    }
    return false;
}

static int
replImagesRun(ReplClient *client, int argc, char **argv)
{
    const char *const titles[] = {_("Name"),  _("Region"), _("Status"), _("Type"),
                                  _(">Size"), _("Id"),     _("Volume"), NULL};
    g_autoptr(ReplTable) table = replTableNew(&client->out, titles);
    g_autoptr(JsonBuilder) json = json_builder_new();
    virtReplicationRegion **regions = replTargetRegions(client, VIRT_REPLICATION_LIST_IMAGES);
    ReplImages out = {table, json};
    size_t i, shown = 0, failed = 0;

    if (!regions)
        return REPL_EXIT_FAILED;
    json_builder_begin_array(json);
    for (i = 0; regions[i]; i++) {
        if (argc > 0 && !replImagesWanted(regions[i], argv))
            continue;
        shown++;
        failed += !replImagesRegion(&out, regions, i);
    }
    json_builder_end_array(json);
    if (argc > 0 && shown == 0) {
        replTargetFind(regions, argv[0], NULL); /* says that there is none */
        replTargetFreeRegions(regions);
        return REPL_EXIT_FAILED;
    }
    if (client->json)
        replJsonPrint(json);
    else
        replTablePrint(table, _("No image."));
    replTargetFreeRegions(regions);
    return replClientExit(failed, shown);
}

static const GOptionEntry replImagesEntries[] = {
    {"layers", 'l', 0, G_OPTION_ARG_NONE, &replImagesLayers, N_("also layers, which images need as backing"),
     NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdImages = {
    .name = "images",
    .args = "[REGION…]",
    .summary = N_("list images, and what other projects offer"),
    .examples =
        (const char *const[]){"virt-replicate images", "virt-replicate images cn-north-1 --layers", NULL},
    .entries = replImagesEntries,
    .max = -1,
    .run = replImagesRun,
};
