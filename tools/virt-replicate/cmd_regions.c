/*
 * cmd_regions.c: virt-replicate regions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "jsonout.h"
#include "size.h"
#include "table.h"
#include "target.h"

static gboolean replRegionsAll;

/* "3 of 100", "3", "-". */
static char *
replRegionsCount(long long used, long long quota)
{
    if (used < 0)
        return quota < 0 ? g_strdup("-") : g_strdup_printf(_("- of %lld"), quota);
    return quota < 0 ? g_strdup_printf("%lld", used) : g_strdup_printf(_("%lld of %lld"), used, quota);
}

static char *
replRegionsBytes(long long used, long long quota)
{
    g_autofree char *left = used < 0 ? g_strdup("-") : replSizeText((guint64)used);
    g_autofree char *right = quota < 0 ? NULL : replSizeText((guint64)quota);

    return right ? g_strdup_printf(_("%s of %s"), left, right) : g_steal_pointer(&left);
}

static const char *
replRegionsState(const virtReplicationRegion *region, ReplColor *color)
{
    *color = REPL_COLOR_GOOD;
    if (!region->active) {
        *color = REPL_COLOR_DIM;
        return _("inactive");
    }
    if (!region->peerState || strcmp(region->peerState, "connected") == 0)
        return _("active");
    *color = REPL_COLOR_BAD;
    return strcmp(region->peerState, "away") == 0 ? _("away") : _("connecting");
}

static void
replRegionsRow(ReplTable *table, const virtReplicationRegion *region)
{
    ReplColor color;
    const char *state = replRegionsState(region, &color);

    replTableAddColored(table, region->name, REPL_COLOR_BOLD);
    replTableAdd(table, region->pool);
    replTableAdd(table, region->project);
    replTableAddColored(table, state, color);
    replTableTake(table, replRegionsCount(region->usage.images, region->quota.images));
    replTableTake(table, replRegionsCount(region->usage.snapshots, region->quota.snapshots));
    replTableTake(table, replRegionsBytes(region->usage.bytes, region->quota.bytes));
    replTableTake(table, region->active ? replSizeText(region->available) : NULL);
    replTableTake(table, g_strdup_printf("%zu", region->njobs));
    replTableAdd(table, region->peerURI ? region->peerURI : _("this host"));
}

static int
replRegionsRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv G_GNUC_UNUSED)
{
    const char *const titles[] = {_("Region"),  _("Pool"),       _("Project"), _("State"),
                                  _(">Images"), _(">Snapshots"), _(">Space"),  _(">Free"),
                                  _(">Jobs"),   _("Host"),       NULL};
    g_autoptr(ReplTable) table = replTableNew(&client->out, titles);
    virtReplicationRegion **regions =
        replTargetRegions(client, replRegionsAll ? VIRT_REPLICATION_LIST_INACTIVE : 0);
    g_autoptr(JsonBuilder) json = json_builder_new();
    size_t i;

    if (!regions)
        return REPL_EXIT_FAILED;
    json_builder_begin_array(json);
    for (i = 0; regions[i]; i++) {
        replRegionsRow(table, regions[i]);
        replJsonRegion(json, regions[i]);
    }
    json_builder_end_array(json);
    if (client->json)
        replJsonPrint(json);
    else
        replTablePrint(table, _("No pool is a region yet: 'virt-replicate label POOL REGION' makes one."));
    replTargetFreeRegions(regions);
    return REPL_EXIT_DONE;
}

static const GOptionEntry replRegionsEntries[] = {
    {"all", 'a', 0, G_OPTION_ARG_NONE, &replRegionsAll, N_("also regions whose pool is not active"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdRegions = {
    .name = "regions",
    .args = "",
    .summary = N_("list regions, their quota and what is used of it"),
    .examples = (const char *const[]){"virt-replicate regions", "virt-replicate regions --all --json", NULL},
    .entries = replRegionsEntries,
    .max = 0,
    .run = replRegionsRun,
};
