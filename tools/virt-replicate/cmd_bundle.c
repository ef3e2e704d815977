/*
 * cmd_bundle.c: virt-replicate export, import
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "copyopts.h"
#include "progress.h"
#include "target.h"
#include "words.h"

static char *replBundlePool;
static char *replBundleName;
static char **replBundleHave;
static gboolean replBundleInventory;
static gboolean replBundleNoWait;
static gboolean replBundleCancel;

/* "pool/volume", of any pool. Reports; NULL when there is none. */
static virStorageVolPtr
replBundleVolume(ReplClient *client, const char *word)
{
    const char *slash = strchr(word, '/');
    g_autofree char *name = slash ? g_strndup(word, (gsize)(slash - word)) : NULL;
    g_autoptr(virStoragePool) pool = NULL;
    virStorageVolPtr vol;

    if (!slash) {
        replClientError(_("'%s' is no bundle: name it as POOL/VOLUME"), word);
        return NULL;
    }
    if (!(pool = replTargetPool(client, name)))
        return NULL;
    if (!(vol = virStorageVolLookupByName(pool, slash + 1)))
        replTargetNoVolume(pool, slash + 1);
    return vol;
}

static int
replBundleWait(ReplClient *client, virStorageVolPtr made, const char *label)
{
    ReplProgressJob job = {.vol = made, .label = label};

    if (replBundleNoWait) {
        replClientSay(client, _("%s: begun"), label);
        return REPL_EXIT_DONE;
    }
    return replProgressWait(client, &job, 1, replBundleCancel);
}

/* What the destination has already. Returns how many, -1 on error. */
static int
replBundleFindHave(ReplClient *client, virStorageVolPtr **have)
{
    guint count = replBundleHave ? g_strv_length(replBundleHave) : 0;
    guint i;

    *have = g_new0(virStorageVolPtr, count + 1);
    for (i = 0; i < count; i++) {
        if (!((*have)[i] = replBundleVolume(client, replBundleHave[i])))
            return -1;
    }
    return (int)count;
}

static int
replExportTo(ReplClient *client, virStorageVolPtr vol, virStoragePoolPtr pool)
{
    g_autofree virStorageVolPtr *have = NULL;
    g_autoptr(virStorageVol) made = NULL;
    g_autofree char *name = replBundleName ? g_strdup(replBundleName)
                                           : g_strdup_printf("%s.%s", virStorageVolGetName(vol),
                                                             replBundleInventory ? "inventory" : "bundle");
    int count = replBundleFindHave(client, &have);
    int status = REPL_EXIT_FAILED;
    int i;

    if (count >= 0) {
        made = replBundleInventory
                   ? virtReplicationExportInventory(vol, pool, name, VIRT_REPLICATION_COPY_ASYNC)
                   : virtReplicationExport(vol, pool, name, have, (size_t)count, VIRT_REPLICATION_COPY_ASYNC);
        status = made ? replBundleWait(client, made, virStorageVolGetName(made)) : replClientFail();
    }
    for (i = 0; have[i]; i++)
        virStorageVolFree(have[i]);
    if (status == REPL_EXIT_DONE && !replBundleNoWait)
        replClientSay(client, _("To carry it: virsh vol-download --pool %s %s FILE"),
                      virStoragePoolGetName(pool), name);
    return status;
}

static int
replExportRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(virStoragePool) pool = NULL;

    if (!replBundlePool)
        return replClientError(_("Where to? Name a pool with --to"));
    if (replBundleName && !replWordsVolumeName(replBundleName))
        return REPL_EXIT_FAILED;
    if (!(vol = virtReplicationLookup(client->conn, argv[0])))
        return replClientFail();
    if (!(pool = replTargetPool(client, replBundlePool)))
        return REPL_EXIT_FAILED;
    return replExportTo(client, vol, pool);
}

static int
replImportTo(ReplClient *client, const char *word, const virtReplicationRegion *target)
{
    g_autoptr(virStorageVol) bundle = replBundleVolume(client, word);
    g_autoptr(virStoragePool) pool =
        bundle ? virStoragePoolLookupByUUIDString(client->conn, target->poolUUID) : NULL;
    g_autoptr(virStorageVol) made = NULL;
    g_autofree char *label = NULL;
    virTypedParameterPtr params = NULL;
    int count = 0;

    if (!bundle)
        return REPL_EXIT_FAILED;
    if (!pool)
        return replClientFailWith(NULL, virGetLastError());
    if (!replCopyOptParams(client, &params, &count))
        return REPL_EXIT_FAILED;
    made = virtReplicationImport(bundle, pool, params, count, VIRT_REPLICATION_COPY_ASYNC);
    virTypedParamsFree(params, count);
    if (!made)
        return replClientFail();
    label =
        g_strdup_printf("%s %s %s", virStorageVolGetName(made), client->out.utf8 ? "→" : "->", target->name);
    return replBundleWait(client, made, label);
}

static int
replImportRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    virtReplicationRegion **regions = NULL;
    const virtReplicationRegion *target;
    int status = REPL_EXIT_FAILED;

    if (!replCopyOptTo || replCopyOptTo[1])
        return replClientError(
            _("Where to? Name one region with --to ('virt-replicate regions' lists them)"));
    if (!(regions = replTargetRegions(client, 0)))
        return REPL_EXIT_FAILED;
    if ((target = replTargetFind(regions, replCopyOptTo[0], NULL)))
        status = replImportTo(client, argv[0], target);
    replTargetFreeRegions(regions);
    return status;
}

#define REPL_BUNDLE_OPTIONS                                                                                  \
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &replBundleNoWait, N_("start the job and end"), NULL},              \
    {                                                                                                        \
        "cancel-on-interrupt", 0, 0, G_OPTION_ARG_NONE, &replBundleCancel,                                   \
            N_("cancel the job on Ctrl-C, which otherwise goes on"), NULL                                    \
    }

static const GOptionEntry replExportEntries[] = {
    {"to", 't', 0, G_OPTION_ARG_STRING, &replBundlePool,
     N_("pool of files to write to; it need not be a region"), N_("POOL")},
    {"name", 'n', 0, G_OPTION_ARG_STRING, &replBundleName, N_("volume name of the bundle"), N_("NAME")},
    {"have", 0, 0, G_OPTION_ARG_STRING_ARRAY, &replBundleHave,
     N_("inventory or bundle of what the destination has, which is left out; may be given again"),
     N_("POOL/VOLUME")},
    {"inventory", 0, 0, G_OPTION_ARG_NONE, &replBundleInventory,
     N_("write only what there is, for --have elsewhere"), NULL},
    REPL_BUNDLE_OPTIONS,
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

static const GOptionEntry replImportEntries[] = {
    REPL_COPY_OPTIONS,
    REPL_BUNDLE_OPTIONS,
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdExport = {
    .name = "export",
    .args = "IMAGE --to POOL",
    .summary = N_("write an image with its layers into one file, to be carried"),
    .examples =
        (const char *const[]){"virt-replicate export web --to transfer",
                              "virt-replicate export web --to transfer --have transfer/there.inventory",
                              NULL},
    .entries = replExportEntries,
    .min = 1,
    .max = 1,
    .run = replExportRun,
};

const ReplCommand replCmdImport = {
    .name = "import",
    .args = "POOL/VOLUME --to REGION",
    .summary = N_("make an image of such a file"),
    .examples = (const char *const[]){"virt-replicate import transfer/web.qcow2.bundle --to cn-east-2", NULL},
    .entries = replImportEntries,
    .min = 1,
    .max = 1,
    .run = replImportRun,
};
