/*
 * cmd_verify.c: virt-replicate verify, heal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "commands.h"
#include "progress.h"
#include "size.h"

static gboolean replVerifyNoWait;
static gboolean replVerifyCancel;

/* Says what was found. Returns whether the image is as it should be. */
static bool
replVerifySay(ReplClient *client, const char *label, const virtReplicationImage *image)
{
    if (g_strcmp0(image->verifiedState, "damaged") == 0) {
        replClientError(
            ngettext("%s: %llu block of 64 KiB is damaged. 'virt-replicate heal %.8s' mends it",
                     "%s: %llu blocks of 64 KiB are damaged. 'virt-replicate heal %.8s' mends them",
                     (unsigned long)image->damagedBlocks),
            label, image->damagedBlocks, image->id);
        return false;
    }
    if (g_strcmp0(image->verifiedState, "changed") == 0)
        replClientSay(client, _("%s: it was written to since its digests were made, which say nothing now"),
                      label);
    else
        replClientSay(client, _("%s: no damage"), label);
    return true;
}

static int
replVerifyReport(ReplClient *client, const ReplProgressJob *jobs, size_t count)
{
    size_t i, damaged = 0;

    for (i = 0; i < count; i++) {
        g_autoptr(virtReplicationImage) image = virtReplicationImageGet(jobs[i].vol, 0);

        damaged += image && !replVerifySay(client, jobs[i].label, image);
    }
    return replClientExit(damaged, count);
}

static int
replVerifyAll(ReplClient *client, int argc, char **argv, int (*act)(virStorageVolPtr))
{
    g_autofree ReplProgressJob *jobs = g_new0(ReplProgressJob, argc);
    size_t count = 0, failed = 0, j;
    int status = REPL_EXIT_DONE;
    int i;

    for (i = 0; i < argc; i++) {
        virStorageVolPtr vol = virtReplicationLookup(client->conn, argv[i]);

        if (vol && act(vol) == 0) {
            jobs[count].vol = vol;
            jobs[count].verifies = true;
            jobs[count++].label = argv[i];
            continue;
        }
        replClientFail();
        if (vol)
            virStorageVolFree(vol);
        failed++;
    }
    if (count > 0 && !replVerifyNoWait) {
        status = replProgressWait(client, jobs, count, replVerifyCancel);
        if (status == REPL_EXIT_DONE)
            status = replVerifyReport(client, jobs, count);
    }
    for (j = 0; j < count; j++)
        virStorageVolFree(jobs[j].vol);
    return status == REPL_EXIT_DONE ? replClientExit(failed, (size_t)argc) : status;
}

static int
replVerifyRun(ReplClient *client, int argc, char **argv)
{
    return replVerifyAll(client, argc, argv, virtReplicationVerify);
}

static int
replHealRun(ReplClient *client, int argc, char **argv)
{
    return replVerifyAll(client, argc, argv, virtReplicationHeal);
}

static const GOptionEntry replVerifyEntries[] = {
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &replVerifyNoWait, N_("start the jobs and end"), NULL},
    {"cancel-on-interrupt", 0, 0, G_OPTION_ARG_NONE, &replVerifyCancel,
     N_("cancel the jobs on Ctrl-C, which otherwise go on"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdVerify = {
    .name = "verify",
    .args = "IMAGE…",
    .summary = N_("read images and hold them against their digests"),
    .examples = (const char *const[]){"virt-replicate verify cn-east-2:web", NULL},
    .entries = replVerifyEntries,
    .min = 1,
    .max = -1,
    .run = replVerifyRun,
};

const ReplCommand replCmdHeal = {
    .name = "heal",
    .args = "IMAGE…",
    .summary = N_("mend damaged images from where they came from or went to"),
    .examples = (const char *const[]){"virt-replicate heal cn-east-2:web", NULL},
    .entries = replVerifyEntries,
    .min = 1,
    .max = -1,
    .run = replHealRun,
};
