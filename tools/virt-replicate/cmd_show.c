/*
 * cmd_show.c: virt-replicate show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "commands.h"
#include "jsonout.h"
#include "size.h"

/* "Title:   text", with the texts below each other. */
static void
replShowLine(const char *title, const char *text)
{
    g_autofree char *clean = NULL;

    if (!text || !*text)
        return;
    clean = replTermClean(text);
    printf("%s%*s %s\n", title, MAX(16 - replTermWidth(title), 0), "", clean);
}

static void
replShowTake(const char *title, char *text)
{
    replShowLine(title, text);
    g_free(text);
}

static void
replShowSource(const virtReplicationImage *image)
{
    if (!image->sourceID && !image->sourceRegion)
        return;
    replShowTake(_("Copied from:"),
                 g_strdup_printf("%s:%s/%s (%.8s)", image->sourceRegion ? image->sourceRegion : "-",
                                 image->sourcePool ? image->sourcePool : "-",
                                 image->sourceVolume ? image->sourceVolume : "-",
                                 image->sourceID ? image->sourceID : "-"));
}

/* People know keys by usage: found where the image names its key by UUID alone, and there is such a key. */
static void
replShowFindKey(ReplClient *client, virtReplicationImage *image)
{
    g_autoptr(virSecret) secret = NULL;

    if (image->keyUsage || !image->keyUUID)
        return;
    secret = replClientSecrets(client) ? virSecretLookupByUUIDString(client->secrets, image->keyUUID) : NULL;
    image->keyUsage = secret ? g_strdup(virSecretGetUsageID(secret)) : NULL;
}

static void
replShowLists(const virtReplicationImage *image)
{
    g_autoptr(GString) shares = g_string_new(NULL);
    g_autofree char *layers = image->snapshots ? g_strjoinv(", ", image->snapshots) : NULL;
    g_autofree char *members = image->members ? g_strjoinv(", ", image->members) : NULL;
    size_t i;

    for (i = 0; i < image->nshares; i++)
        g_string_append_printf(shares, "%s%s (%s)", i ? ", " : "", image->shares[i].project,
                               image->shares[i].state);
    replShowLine(_("Layers:"), layers);
    replShowLine(_("Members:"), members);
    replShowLine(_("Shared with:"), shares->str);
}

static void
replShowJob(const virtReplicationJob *job)
{
    g_autofree char *state = NULL;

    if (!job)
        return;
    if (virtReplicationJobStateIsEnded(job->state)) {
        g_autofree char *when = replDateText(job->ended);

        state = g_strdup_printf(_("%s, %s"), replBarPhase(job), when);
    } else {
        state = g_strdup_printf(_("%s, %u %%"), replBarPhase(job), job->progress);
    }
    replShowTake(_("Job:"), g_strdup_printf("%.8s (%s)", job->id, state));
    replShowLine(_("Error:"), job->error);
}

static void
replShowVerified(const virtReplicationImage *image)
{
    g_autofree char *when = replDateText(image->verified);

    if (image->verified <= 0)
        return;
    if (g_strcmp0(image->verifiedState, "good") == 0)
        replShowTake(_("Verified:"), g_strdup_printf(_("%s, no damage"), when));
    else if (g_strcmp0(image->verifiedState, "changed") == 0)
        replShowTake(_("Verified:"), g_strdup_printf(_("%s, written to since its digests were made"), when));
    else
        replShowTake(_("Verified:"), g_strdup_printf(ngettext("%s, damaged: %llu block of 64 KiB",
                                                              "%s, damaged: %llu blocks of 64 KiB",
                                                              (unsigned long)image->damagedBlocks),
                                                     when, image->damagedBlocks));
}

static void
replShowPrint(const virtReplicationImage *image)
{
    g_autofree char *size = replSizeText(image->bytes);
    g_autofree char *capacity = replSizeText(image->capacity);

    replShowLine(_("Name:"), image->name);
    replShowLine(_("Id:"), image->id);
    replShowLine(_("Region:"), image->region);
    replShowTake(_("Volume:"), g_strdup_printf("%s/%s", image->pool, image->volume));
    replShowLine(_("Project:"), image->project);
    replShowLine(_("Status:"), image->status);
    replShowLine(_("Type:"), image->type);
    replShowTake(_("Size:"), g_strdup_printf(_("%s, of %s as a guest sees it"), size, capacity));
    replShowLine(_("Format:"), image->format);
    replShowLine(_("Description:"), image->description);
    replShowLine(_("Key:"), image->keyUsage ? image->keyUsage : image->keyUUID);
    if (image->fastCreate)
        replShowLine(_("Laid out:"), _("for fast creation"));
    replShowSource(image);
    replShowLists(image);
    replShowVerified(image);
    replShowJob(image->job);
}

static int
replShowRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, argv[0]);
    g_autoptr(virtReplicationImage) image = vol ? virtReplicationImageGet(vol, 0) : NULL;

    if (!image)
        return replClientFail();
    replShowFindKey(client, image);
    if (client->json) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        replJsonImage(json, image);
        replJsonPrint(json);
        return REPL_EXIT_DONE;
    }
    replShowPrint(image);
    return REPL_EXIT_DONE;
}

const ReplCommand replCmdShow = {
    .name = "show",
    .args = "IMAGE",
    .summary = N_("show all that is known of an image"),
    .examples = (const char *const[]){"virt-replicate show web", "virt-replicate show cn-north-1:web --json",
                                      "virt-replicate show 6a04678f", NULL},
    .min = 1,
    .max = 1,
    .run = replShowRun,
};
