/*
 * cmd_delete.c: virt-replicate delete
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ask.h"
#include "commands.h"
#include "size.h"

static gboolean replDeleteYes;
static gboolean replDeleteKeepLayers;

static bool
replDeleteConfirm(const ReplClient *client, const virtReplicationImage *image)
{
    g_autofree char *size = replSizeText(image->bytes);
    g_autofree char *question = g_strdup_printf(_("Delete image '%s' of region '%s' (%s/%s, %s)? [y/N] "),
                                                image->name, image->region, image->pool, image->volume, size);

    return replAsk(client, replDeleteYes, question);
}

/* Returns whether it is gone. */
static bool
replDeleteOne(ReplClient *client, const char *word)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, word);
    g_autoptr(virtReplicationImage) image = vol ? virtReplicationImageGet(vol, 0) : NULL;
    unsigned int flags = replDeleteKeepLayers ? 0 : VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS;

    if (!image) {
        replClientFail();
        return false;
    }
    if (!replDeleteConfirm(client, image))
        return false;
    if (virStorageVolDelete(vol, flags) < 0) {
        replClientFailWith(NULL, virGetLastError());
        return false;
    }
    replClientSay(client, _("Image '%s' of region '%s' is deleted."), image->name, image->region);
    return true;
}

static int
replDeleteRun(ReplClient *client, int argc, char **argv)
{
    size_t failed = 0;
    int i;

    for (i = 0; i < argc; i++)
        failed += !replDeleteOne(client, argv[i]);
    return replClientExit(failed, (size_t)argc);
}

static const GOptionEntry replDeleteEntries[] = {
    {"yes", 'y', 0, G_OPTION_ARG_NONE, &replDeleteYes, N_("do not ask"), NULL},
    {"keep-layers", 0, 0, G_OPTION_ARG_NONE, &replDeleteKeepLayers,
     N_("keep the layers below, though nothing else may need them"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdDelete = {
    .name = "delete",
    .args = "IMAGE…",
    .summary = N_("delete images, with those layers that nothing else needs"),
    .examples = (const char *const[]){"virt-replicate delete cn-east-2:web",
                                      "virt-replicate delete 0d3e8f0d --yes", NULL},
    .entries = replDeleteEntries,
    .min = 1,
    .max = -1,
    .run = replDeleteRun,
};
