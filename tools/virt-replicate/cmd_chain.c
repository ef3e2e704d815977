/*
 * cmd_chain.c: virt-replicate chain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "jsonout.h"
#include "size.h"
#include "target.h"

/* Volumes of one pool, and what each needs. */
typedef struct {
    virtReplicationRegion *region;
    GHashTable *byVolume; /* volume → virtReplicationImage, borrowed */
} ReplChain;

/* The pool with its images. When the list does not say what needs what, they are asked one by one.
 */
static virtReplicationRegion *
replChainRegion(virStoragePoolPtr pool)
{
    virtReplicationRegion *region = virtReplicationRegionGet(pool, VIRT_REPLICATION_LIST_IMAGES);
    bool told = false, needed = false;
    size_t i;

    for (i = 0; region && i < region->nimages; i++) {
        told = told || region->images[i]->backing;
        needed = needed || region->images[i]->isLayer;
    }
    if (!region || told || !needed)
        return region;
    virtReplicationRegionFree(region);
    return virtReplicationRegionGet(pool, VIRT_REPLICATION_LIST_DETAILED);
}

/* Volumes on top of @volume but @not, sorted as they are listed: "shop.qcow2, db.qcow2"; NULL for
 * none. */
static char *
replChainOthers(const ReplChain *chain, const char *volume, const char * not )
{
    g_autoptr(GString) list = g_string_new(NULL);
    size_t i;

    for (i = 0; i < chain->region->nimages; i++) {
        const virtReplicationImage *image = chain->region->images[i];

        if (image->backing && strcmp(image->backing, volume) == 0 && g_strcmp0(image->volume, not ) != 0)
            g_string_append_printf(list, "%s%s", list->len ? ", " : "", image->volume);
    }
    return list->len ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}

static void
replChainLine(const ReplClient *client, const ReplChain *chain, const virtReplicationImage *image,
              const char *above, int depth)
{
    g_autofree char *size = replSizeText(image->bytes);
    g_autofree char *others = replChainOthers(chain, image->volume, above);
    g_autofree char *name = replTermClean(image->volume);
    const ReplTerm *term = &client->out;

    if (depth > 0)
        printf("%*s%s", (depth - 1) * 3, "", term->utf8 ? "└─ " : "`- ");
    printf("%s%s%s  %s, %s", replTermOn(term, REPL_COLOR_BOLD), name, replTermOff(term, REPL_COLOR_BOLD),
           image->isLayer ? _("layer")
           : image->type  ? image->type
                          : _("image"),
           size);
    printf(_(", project %s"), image->project);
    if (others)
        printf(above ? _(", also needed by %s") : _(", needed by %s"), others);
    if (g_strcmp0(image->status, VIRT_REPLICATION_STATUS_AVAILABLE) != 0)
        printf(", %s", image->status);
    printf("\n");
}

static void
replChainJson(JsonBuilder *json, const ReplChain *chain, const virtReplicationImage *image)
{
    size_t i;

    json_builder_begin_object(json);
    replJsonString(json, "volume", image->volume);
    replJsonString(json, "id", image->id);
    replJsonString(json, "name", image->name);
    replJsonString(json, "project", image->project);
    replJsonString(json, "status", image->status);
    replJsonBool(json, "layer", image->isLayer);
    replJsonNumber(json, "bytes", (gint64)image->bytes);
    json_builder_set_member_name(json, "neededBy");
    json_builder_begin_array(json);
    for (i = 0; i < chain->region->nimages; i++) {
        if (g_strcmp0(chain->region->images[i]->backing, image->volume) == 0)
            json_builder_add_string_value(json, chain->region->images[i]->volume);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

/* Goes down from @volume. A loop would end when each volume was seen. */
static guint64
replChainWalk(const ReplClient *client, const ReplChain *chain, const char *volume, JsonBuilder *json)
{
    const char *above = NULL;
    guint64 sum = 0;
    int depth = 0;

    while (volume && (size_t)depth < chain->region->nimages) {
        const virtReplicationImage *image = g_hash_table_lookup(chain->byVolume, volume);

        if (!image)
            break;
        if (client->json)
            replChainJson(json, chain, image);
        else
            replChainLine(client, chain, image, above, depth);
        sum += image->bytes;
        above = volume;
        volume = image->backing;
        depth++;
    }
    return sum;
}

static void
replChainShow(const ReplClient *client, const ReplChain *chain, const char *volume)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autofree char *size = NULL;
    guint64 sum;

    json_builder_begin_array(json);
    sum = replChainWalk(client, chain, volume, json);
    json_builder_end_array(json);
    if (client->json) {
        replJsonPrint(json);
        return;
    }
    size = replSizeText(sum);
    printf(_("%s in all, in region %s, pool %s\n"), size, chain->region->name, chain->region->pool);
}

static int
replChainRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, argv[0]);
    g_autoptr(virStoragePool) pool = vol ? virStoragePoolLookupByVolume(vol) : NULL;
    g_autoptr(GHashTable) byVolume = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(virtReplicationRegion) region = NULL;
    ReplChain chain;
    size_t i;

    if (!vol)
        return replClientFail();
    if (!pool)
        return replClientFailWith(NULL, virGetLastError());
    if (!(region = replChainRegion(pool)))
        return replClientFail();
    if (region->listError)
        return replClientError("%s", region->listError);
    for (i = 0; i < region->nimages; i++)
        g_hash_table_insert(byVolume, region->images[i]->volume, region->images[i]);
    chain.region = region;
    chain.byVolume = byVolume;
    replChainShow(client, &chain, virStorageVolGetName(vol));
    return REPL_EXIT_DONE;
}

const ReplCommand replCmdChain = {
    .name = "chain",
    .args = "IMAGE",
    .summary = N_("show an image's layers, their sizes, and who else needs them"),
    .examples =
        (const char *const[]){"virt-replicate chain web", "virt-replicate chain beijing/base.qcow2", NULL},
    .min = 1,
    .max = 1,
    .run = replChainRun,
};
