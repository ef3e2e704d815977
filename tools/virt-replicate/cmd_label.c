/*
 * cmd_label.c: virt-replicate label
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "size.h"
#include "target.h"
#include "words.h"

static char *replLabelProject;
static char *replLabelImages;
static char *replLabelSnapshots;
static char *replLabelBytes;
static gboolean replLabelRemove;

typedef struct {
    virTypedParameterPtr list;
    int count;
    int max;
} ReplLabelParams;

/* Adds a quota: a number, a size, or "none". */
static bool
replLabelAddQuota(ReplLabelParams *params, const char *name, const char *text, bool size)
{
    char *end = NULL;
    guint64 amount = 0;
    long long value = -1;
    bool ok = true;

    if (!text)
        return true;
    if (strcmp(text, "none") != 0) {
        ok = size ? replSizeParse(text, &amount) : g_ascii_isdigit(*text);
        if (!size) {
            amount = g_ascii_strtoull(text, &end, 10);
            ok = ok && !*end && amount <= G_MAXINT64;
        }
        value = (long long)amount;
    }
    if (!ok) {
        if (size)
            replClientError(_("'%s' is not a size: write for example 10GiB, or none"), text);
        else
            replClientError(_("'%s' is not a number: write for example 100, or none"), text);
        return false;
    }
    return virTypedParamsAddLLong(&params->list, &params->count, &params->max, name, value) == 0;
}

static bool
replLabelParams(ReplLabelParams *params)
{
    if (replLabelProject && virTypedParamsAddString(&params->list, &params->count, &params->max,
                                                    VIRT_REPLICATION_LABEL_PROJECT, replLabelProject) < 0)
        return false;
    return replLabelAddQuota(params, VIRT_REPLICATION_LABEL_QUOTA_IMAGES, replLabelImages, false) &&
           replLabelAddQuota(params, VIRT_REPLICATION_LABEL_QUOTA_SNAPSHOTS, replLabelSnapshots, false) &&
           replLabelAddQuota(params, VIRT_REPLICATION_LABEL_QUOTA_BYTES, replLabelBytes, true);
}

static int
replLabelSet(ReplClient *client, virStoragePoolPtr pool, const char *region)
{
    ReplLabelParams params = {0};
    int status = REPL_EXIT_FAILED;

    if (replLabelParams(&params)) {
        if (virtReplicationRegionSetLabel(pool, region, params.list, params.count, 0) < 0)
            replClientFail();
        else
            status = REPL_EXIT_DONE;
    }
    virTypedParamsFree(params.list, params.count);
    if (status != REPL_EXIT_DONE)
        return status;
    if (region)
        replClientSay(client, _("Storage pool '%s' is of region '%s' now."), virStoragePoolGetName(pool),
                      region);
    else
        replClientSay(client, _("The label of storage pool '%s' is changed."), virStoragePoolGetName(pool));
    if (virStoragePoolIsActive(pool) == 0)
        replClientSay(client, _("The pool is not active: 'virsh pool-start %s' starts it."),
                      virStoragePoolGetName(pool));
    return status;
}

static int
replLabelRun(ReplClient *client, int argc, char **argv)
{
    g_autoptr(virStoragePool) pool = replTargetPool(client, argv[0]);

    if (!pool)
        return REPL_EXIT_FAILED;
    if ((argc > 1 && !replWordsLabel(argv[1])) || (replLabelProject && !replWordsLabel(replLabelProject)))
        return REPL_EXIT_FAILED;
    if (!replLabelRemove)
        return replLabelSet(client, pool, argc > 1 ? argv[1] : NULL);
    if (argc > 1 || replLabelProject || replLabelImages || replLabelSnapshots || replLabelBytes)
        return replClientError(_("--remove takes the whole label off: it goes with nothing else"));
    if (virtReplicationRegionRemoveLabel(pool) < 0)
        return replClientFail();
    replClientSay(client, _("Storage pool '%s' is no region any more; its volumes stay."),
                  virStoragePoolGetName(pool));
    return REPL_EXIT_DONE;
}

static const GOptionEntry replLabelEntries[] = {
    {"project", 'p', 0, G_OPTION_ARG_STRING, &replLabelProject,
     N_("project (tenant) that the pool belongs to"), N_("PROJECT")},
    {"quota-images", 0, 0, G_OPTION_ARG_STRING, &replLabelImages, N_("most images, or none: no limit"),
     N_("NUMBER")},
    {"quota-snapshots", 0, 0, G_OPTION_ARG_STRING, &replLabelSnapshots,
     N_("most snapshots (layers), or none: no limit"), N_("NUMBER")},
    {"quota-bytes", 0, 0, G_OPTION_ARG_STRING, &replLabelBytes,
     N_("most space, such as 10GiB, or none: no limit"), N_("SIZE")},
    {"remove", 0, 0, G_OPTION_ARG_NONE, &replLabelRemove, N_("make the pool an ordinary one again"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdLabel = {
    .name = "label",
    .args = "POOL [REGION]",
    .summary = N_("make a storage pool a region, or change its quota"),
    .examples =
        (const char *const[]){"virt-replicate label default cn-north-1",
                              "virt-replicate label backup cn-east-2 --project web --quota-bytes 100GiB",
                              "virt-replicate label backup --quota-images none",
                              "virt-replicate label backup --remove", NULL},
    .entries = replLabelEntries,
    .min = 1,
    .max = 2,
    .run = replLabelRun,
};
