/*
 * cmd_share.c: virt-replicate share, revoke, accept, reject
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "target.h"
#include "words.h"

static char *replAcceptPool;

static int
replShareOwner(ReplClient *client, int argc, char **argv, int (*act)(virStorageVolPtr, const char *),
               const char *done)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, argv[0]);
    size_t failed = 0;
    int i;

    if (!vol)
        return replClientFail();
    for (i = 1; i < argc; i++) {
        if (!replWordsLabel(argv[i])) {
            failed++;
        } else if (act(vol, argv[i]) < 0) {
            replClientFailWith(argv[i], virtReplicationGetLastError());
            failed++;
        } else {
            replClientSay(client, "%s, %s: %s", virStorageVolGetName(vol), argv[i], done);
        }
    }
    return replClientExit(failed, (size_t)argc - 1);
}

static int
replShareRun(ReplClient *client, int argc, char **argv)
{
    return replShareOwner(client, argc, argv, virtReplicationShareOffer, _("offered"));
}

static int
replRevokeRun(ReplClient *client, int argc, char **argv)
{
    return replShareOwner(client, argc, argv, virtReplicationShareRevoke,
                          _("revoked; copies that were made stay"));
}

static bool
replShareIs(const virtReplicationOffer *offer, const char *word)
{
    return strcmp(offer->name, word) == 0 ||
           (strlen(word) >= 4 && g_ascii_strncasecmp(offer->image, word, strlen(word)) == 0);
}

/* The offer that is meant, and the pool whose project answers it. Reports; NULL when there is none,
 * or several. */
static const virtReplicationOffer *
replShareFind(virtReplicationRegion *const *regions, const char *word, const virtReplicationRegion **pool)
{
    const virtReplicationOffer *found = NULL;
    size_t i, j;

    for (i = 0; regions[i]; i++) {
        if (replAcceptPool && strcmp(replAcceptPool, regions[i]->pool) != 0)
            continue;
        for (j = 0; j < regions[i]->noffers; j++) {
            const virtReplicationOffer *offer = &regions[i]->offers[j];

            if (!replShareIs(offer, word))
                continue;
            if (found && (strcmp(found->image, offer->image) != 0 ||
                          strcmp((*pool)->project, regions[i]->project) != 0)) {
                replClientError(_("'%s' is offered more than once; give the image's id and the "
                                  "pool that answers (--pool)"),
                                word);
                return NULL;
            }
            found = offer;
            *pool = regions[i];
        }
    }
    if (!found)
        replClientError(_("No image '%s' is offered: 'virt-replicate images' lists what is"), word);
    return found;
}

static int
replShareAnswer(ReplClient *client, char **argv, int (*act)(virStoragePoolPtr, const char *),
                const char *done)
{
    virtReplicationRegion **regions = replTargetRegions(client, 0);
    const virtReplicationRegion *answering = NULL;
    const virtReplicationOffer *offer = regions ? replShareFind(regions, argv[0], &answering) : NULL;
    g_autoptr(virStoragePool) pool = NULL;
    int status = REPL_EXIT_FAILED;

    if (offer && !(pool = virStoragePoolLookupByName(client->conn, answering->pool)))
        replClientFailWith(NULL, virGetLastError());
    else if (offer && act(pool, offer->image) < 0)
        replClientFail();
    else if (offer)
        status = REPL_EXIT_DONE;
    if (status == REPL_EXIT_DONE)
        replClientSay(client, "%s: %s", offer->name, done);
    replTargetFreeRegions(regions);
    return status;
}

static int
replAcceptRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    return replShareAnswer(client, argv, virtReplicationShareAccept,
                           _("accepted; 'copy' makes an image of your own of it"));
}

static int
replRejectRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    return replShareAnswer(client, argv, virtReplicationShareReject, _("rejected"));
}

static const GOptionEntry replAcceptEntries[] = {
    {"pool", 0, 0, G_OPTION_ARG_STRING, &replAcceptPool, N_("pool of the project that answers"), N_("POOL")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdShare = {
    .name = "share",
    .args = "IMAGE PROJECT…",
    .summary = N_("offer an image to other projects"),
    .examples = (const char *const[]){"virt-replicate share web accounting", NULL},
    .min = 2,
    .max = -1,
    .run = replShareRun,
};

const ReplCommand replCmdRevoke = {
    .name = "revoke",
    .args = "IMAGE PROJECT…",
    .summary = N_("share an image with projects no more"),
    .examples = (const char *const[]){"virt-replicate revoke web accounting", NULL},
    .min = 2,
    .max = -1,
    .run = replRevokeRun,
};

const ReplCommand replCmdAccept = {
    .name = "accept",
    .args = "IMAGE",
    .summary = N_("accept an image that another project offers"),
    .examples = (const char *const[]){"virt-replicate accept web",
                                      "virt-replicate accept 6a04678f --pool accounting", NULL},
    .entries = replAcceptEntries,
    .min = 1,
    .max = 1,
    .run = replAcceptRun,
};

const ReplCommand replCmdReject = {
    .name = "reject",
    .args = "IMAGE",
    .summary = N_("reject an image that another project offers"),
    .examples = (const char *const[]){"virt-replicate reject web", NULL},
    .entries = replAcceptEntries,
    .min = 1,
    .max = 1,
    .run = replRejectRun,
};
