/*
 * cmd_steer.c: virt-replicate watch, start, cancel, pause, resume, retry
 *
 * A job is named by its id, or by the replica that it makes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "progress.h"
#include "words.h"

static gboolean replWatchCancel;

static int
replSteerAll(ReplClient *client, int argc, char **argv, int (*act)(virStorageVolPtr), const char *done)
{
    size_t failed = 0;
    int i;

    for (i = 0; i < argc; i++) {
        g_autoptr(virStorageVol) vol = replWordsJob(client, argv[i]);

        if (vol && act(vol) == 0) {
            replClientSay(client, "%s: %s", virStorageVolGetName(vol), done);
            continue;
        }
        if (vol)
            replClientFail();
        failed++;
    }
    return replClientExit(failed, (size_t)argc);
}

static int
replStartRun(ReplClient *client, int argc, char **argv)
{
    return replSteerAll(client, argc, argv, virtReplicationJobStart, _("started"));
}

static int
replCancelRun(ReplClient *client, int argc, char **argv)
{
    return replSteerAll(client, argc, argv, virtReplicationJobCancel, _("cancelled"));
}

static int
replPauseRun(ReplClient *client, int argc, char **argv)
{
    return replSteerAll(client, argc, argv, virtReplicationJobPause, _("paused"));
}

static int
replResumeRun(ReplClient *client, int argc, char **argv)
{
    return replSteerAll(client, argc, argv, virtReplicationJobResume, _("goes on"));
}

static int
replRetryRun(ReplClient *client, int argc, char **argv)
{
    return replSteerAll(client, argc, argv, virtReplicationJobRetry, _("tries again"));
}

static char *
replWatchLabel(const ReplClient *client, virStorageVolPtr vol)
{
    g_autoptr(virtReplicationImage) image = virtReplicationImageGet(vol, 0);

    if (!image)
        return g_strdup(virStorageVolGetName(vol));
    return g_strdup_printf("%s %s %s", image->name, client->out.utf8 ? "→" : "->", image->region);
}

static int
replWatchRun(ReplClient *client, int argc, char **argv)
{
    g_autofree ReplProgressJob *jobs = g_new0(ReplProgressJob, argc);
    size_t count = 0, i;
    int status;

    for (; count < (size_t)argc; count++) {
        if (!(jobs[count].vol = replWordsJob(client, argv[count])))
            break;
        jobs[count].label = replWatchLabel(client, jobs[count].vol);
    }
    status =
        count == (size_t)argc ? replProgressWait(client, jobs, count, replWatchCancel) : REPL_EXIT_FAILED;
    for (i = 0; i < count; i++) {
        virStorageVolFree(jobs[i].vol);
        g_free((char *)jobs[i].label);
    }
    return status;
}

static const GOptionEntry replWatchEntries[] = {
    {"cancel-on-interrupt", 0, 0, G_OPTION_ARG_NONE, &replWatchCancel,
     N_("cancel the jobs on Ctrl-C, which otherwise go on"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdWatch = {
    .name = "watch",
    .args = "JOB…",
    .summary = N_("show the progress of jobs until they end"),
    .examples = (const char *const[]){"virt-replicate watch 4b16241d",
                                      "virt-replicate watch cn-east-2:web --json", NULL},
    .entries = replWatchEntries,
    .min = 1,
    .max = -1,
    .run = replWatchRun,
};

const ReplCommand replCmdStart = {
    .name = "start",
    .args = "JOB…",
    .summary = N_("start jobs that were only planned"),
    .examples = (const char *const[]){"virt-replicate start 4b16241d", NULL},
    .min = 1,
    .max = -1,
    .run = replStartRun,
};

const ReplCommand replCmdCancel = {
    .name = "cancel",
    .args = "JOB…",
    .summary = N_("end jobs and remove what they have made so far"),
    .examples = (const char *const[]){"virt-replicate cancel 4b16241d", NULL},
    .min = 1,
    .max = -1,
    .run = replCancelRun,
};

const ReplCommand replCmdPause = {
    .name = "pause",
    .args = "JOB…",
    .summary = N_("let jobs rest"),
    .examples = (const char *const[]){"virt-replicate pause 4b16241d", NULL},
    .min = 1,
    .max = -1,
    .run = replPauseRun,
};

const ReplCommand replCmdResume = {
    .name = "resume",
    .args = "JOB…",
    .summary = N_("let paused jobs go on"),
    .examples = (const char *const[]){"virt-replicate resume 4b16241d", NULL},
    .min = 1,
    .max = -1,
    .run = replResumeRun,
};

const ReplCommand replCmdRetry = {
    .name = "retry",
    .args = "JOB…",
    .summary = N_("try failed jobs again, from where they stopped"),
    .examples = (const char *const[]){"virt-replicate retry 4b16241d", NULL},
    .min = 1,
    .max = -1,
    .run = replRetryRun,
};
