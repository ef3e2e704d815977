/*
 * cmd_set.c: virt-replicate set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "size.h"
#include "words.h"

static char *replSetName;
static char *replSetDescription;
static char *replSetType;
static char *replSetLimit;
static char **replSetMembers;

static const char *const replSetTypes[] = {"system-disk", "data-disk", "iso", "full-machine", NULL};

typedef struct {
    virTypedParameterPtr list;
    int count;
    int max;
    bool failed;
} ReplSetParams;

static void
replSetAdd(ReplSetParams *params, const char *name, const char *value)
{
    if (value && virTypedParamsAddString(&params->list, &params->count, &params->max, name, value) < 0)
        params->failed = true;
}

/* A member is a volume of the image's pool, or an image there. "none" empties the list. */
static bool
replSetAddMember(ReplClient *client, ReplSetParams *params, virStorageVolPtr of, const char *word)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(of);
    g_autoptr(virStorageVol) vol = pool ? virStorageVolLookupByName(pool, word) : NULL;

    if (strcmp(word, "none") == 0) {
        replSetAdd(params, VIRT_REPLICATION_UPDATE_MEMBER, "");
        return true;
    }
    if (!vol && !(vol = virtReplicationLookup(client->conn, word))) {
        replClientFail();
        return false;
    }
    replSetAdd(params, VIRT_REPLICATION_UPDATE_MEMBER, virStorageVolGetName(vol));
    return true;
}

static bool
replSetParams(ReplClient *client, ReplSetParams *params, virStorageVolPtr vol)
{
    guint64 rate = 0;
    guint i;

    replSetAdd(params, VIRT_REPLICATION_UPDATE_NAME, replSetName);
    replSetAdd(params, VIRT_REPLICATION_UPDATE_DESCRIPTION, replSetDescription);
    replSetAdd(params, VIRT_REPLICATION_UPDATE_TYPE, replSetType);
    for (i = 0; replSetMembers && replSetMembers[i]; i++) {
        if (!replSetAddMember(client, params, vol, replSetMembers[i]))
            return false;
    }
    if (!replSetLimit)
        return true;
    if (strcmp(replSetLimit, "none") != 0 && !replRateParse(replSetLimit, &rate)) {
        replClientError(_("'%s' is not a rate: write for example 20MiB/s, or none"), replSetLimit);
        return false;
    }
    if (virTypedParamsAddULLong(&params->list, &params->count, &params->max,
                                VIRT_REPLICATION_UPDATE_BANDWIDTH, rate) < 0)
        params->failed = true;
    return true;
}

static int
replSetRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    g_autoptr(virStorageVol) vol = NULL;
    ReplSetParams params = {0};
    int status = REPL_EXIT_FAILED;

    if (!replSetName && !replSetDescription && !replSetType && !replSetLimit && !replSetMembers)
        return replClientError(_("What shall be changed? 'virt-replicate set --help' says what can"));
    if (replSetName && !*replSetName)
        return replClientError(_("An image needs a name"));
    if (replSetType && !replWordsOneOf("--type", replSetType, replSetTypes))
        return REPL_EXIT_FAILED;
    if (!(vol = virtReplicationLookup(client->conn, argv[0])))
        return replClientFail();
    if (replSetParams(client, &params, vol)) {
        if (params.failed)
            replClientFailWith(NULL, virGetLastError());
        else if (virtReplicationImageUpdate(vol, params.list, params.count, 0) < 0)
            replClientFail();
        else
            status = REPL_EXIT_DONE;
    }
    virTypedParamsFree(params.list, params.count);
    if (status == REPL_EXIT_DONE)
        replClientSay(client, _("Image '%s' is changed."), virStorageVolGetName(vol));
    return status;
}

static const GOptionEntry replSetEntries[] = {
    {"name", 'n', 0, G_OPTION_ARG_STRING, &replSetName, N_("name as people see it; the volume keeps its own"),
     N_("NAME")},
    {"description", 0, 0, G_OPTION_ARG_STRING, &replSetDescription, N_("description"), N_("TEXT")},
    {"type", 0, 0, G_OPTION_ARG_STRING, &replSetType, N_("system-disk, data-disk, iso or full-machine"),
     N_("TYPE")},
    {"member", 0, 0, G_OPTION_ARG_STRING_ARRAY, &replSetMembers,
     N_("data disk of a full machine; again for each one, none: it has none any more"), N_("IMAGE")},
    {"limit", 0, 0, G_OPTION_ARG_STRING, &replSetLimit,
     N_("bandwidth limit of its job, such as 20MiB/s, or none"), N_("RATE")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdSet = {
    .name = "set",
    .args = "IMAGE",
    .summary = N_("change an image's name, description, type, or the limit of its job"),
    .examples =
        (const char *const[]){
            "virt-replicate set web --name 'Web server' --description 'nginx, patched weekly'",
            "virt-replicate set cn-east-2:web --limit 20MiB/s",
            "virt-replicate set vm1 --member vm1-data --member vm1-log", NULL},
    .entries = replSetEntries,
    .min = 1,
    .max = 1,
    .run = replSetRun,
};
