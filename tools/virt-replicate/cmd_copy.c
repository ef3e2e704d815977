/*
 * cmd_copy.c: virt-replicate plan, and virt-replicate copy
 *
 * A copy is planned first, always: the plan holds the names, is shown, and becomes the job once it
 * is confirmed, so that what runs is what was shown.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ask.h"
#include "commands.h"
#include "copyopts.h"
#include "pairs.h"
#include "progress.h"

static gboolean replCopyYes;
static gboolean replCopyNoWait;
static gboolean replCopyCancel;
static gboolean replPlanKeep;

static int
replCopyWatch(ReplClient *client, const ReplPairs *pairs, size_t refused)
{
    g_autofree ReplProgressJob *jobs = g_new0(ReplProgressJob, pairs->count);
    size_t i, count = 0;
    int status;

    for (i = 0; i < pairs->count; i++) {
        if (!pairs->list[i].replica)
            continue;
        jobs[count].vol = pairs->list[i].replica;
        jobs[count++].label = pairs->list[i].label;
    }
    status = replProgressWait(client, jobs, count, replCopyCancel);
    if (refused > 0 && status == REPL_EXIT_DONE)
        return replClientExit(refused, pairs->count);
    return status;
}

static void
replCopyLeave(const ReplClient *client, const ReplPairs *pairs)
{
    size_t i;

    for (i = 0; i < pairs->count; i++) {
        const ReplPair *pair = &pairs->list[i];

        if (pair->replica && pair->job)
            replClientSay(client, _("%s: job %.8s; 'virt-replicate watch %.8s' shows it"), pair->label,
                          pair->job->id, pair->job->id);
    }
}

static int
replCopyGo(ReplClient *client, ReplPairs *pairs)
{
    size_t refused = replPairsErrors(pairs);

    replPairsShow(client, pairs);
    if (refused == pairs->count)
        return REPL_EXIT_FAILED;
    if (replProgressInterrupted() || !replAsk(client, replCopyYes, _("Copy? [y/N] "))) {
        replPairsForget(pairs);
        replClientSay(client, _("Nothing was copied."));
        return REPL_EXIT_FAILED;
    }
    if (replPairsStart(pairs) > refused)
        refused = replPairsErrors(pairs);
    if (refused == pairs->count)
        return REPL_EXIT_FAILED;
    if (replCopyNoWait) {
        replCopyLeave(client, pairs);
        return replClientExit(refused, pairs->count);
    }
    return replCopyWatch(client, pairs, refused);
}

static int
replCopyRun(ReplClient *client, int argc, char **argv)
{
    ReplPairs pairs = {0};
    int status = REPL_EXIT_FAILED;

    replProgressCatchInterrupt(); /* from here on plans would be left behind */
    if (replPairsPlan(client, argv, (size_t)argc, &pairs))
        status = replCopyGo(client, &pairs);
    else
        replPairsForget(&pairs);
    replPairsClear(&pairs);
    return status;
}

static int
replPlanRun(ReplClient *client, int argc, char **argv)
{
    ReplPairs pairs = {0};
    int status = REPL_EXIT_FAILED;
    bool planned;

    replProgressCatchInterrupt();
    planned = replPairsPlan(client, argv, (size_t)argc, &pairs);
    if (planned) {
        status = replClientExit(replPairsErrors(&pairs), pairs.count);
        replPairsShow(client, &pairs);
    }
    if (!planned || !replPlanKeep || replProgressInterrupted())
        replPairsForget(&pairs);
    else
        replCopyLeave(client, &pairs);
    replPairsClear(&pairs);
    return status;
}

static const GOptionEntry replCopyEntries[] = {
    REPL_COPY_OPTIONS,
    {"yes", 'y', 0, G_OPTION_ARG_NONE, &replCopyYes, N_("do not ask"), NULL},
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &replCopyNoWait, N_("start the jobs and end"), NULL},
    {"cancel-on-interrupt", 0, 0, G_OPTION_ARG_NONE, &replCopyCancel,
     N_("cancel the jobs on Ctrl-C, which otherwise go on"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

static const GOptionEntry replPlanEntries[] = {
    REPL_COPY_OPTIONS,
    {"keep", 0, 0, G_OPTION_ARG_NONE, &replPlanKeep, N_("keep the plan: 'start JOB' executes it"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdPlan = {
    .name = "plan",
    .args = "IMAGE… --to REGION…",
    .summary = N_("show what a copy would do, and do nothing"),
    .examples =
        (const char *const[]){"virt-replicate plan web --to cn-east-2",
                              "virt-replicate plan web db --to cn-east-2,cn-west-3 --encrypt ims/web", NULL},
    .entries = replPlanEntries,
    .min = 1,
    .max = -1,
    .run = replPlanRun,
};

const ReplCommand replCmdCopy = {
    .name = "copy",
    .args = "IMAGE… --to REGION…",
    .summary = N_("replicate images to regions"),
    .description = N_("What will be done is shown first, and on a terminal asked for. Ctrl-C ends "
                      "only this program: the\n"
                      "jobs go on in the daemon, and 'watch' comes back to them."),
    .examples =
        (const char *const[]){
            "virt-replicate copy web --to cn-east-2",
            "virt-replicate copy web db --to cn-east-2 --to cn-west-3 --limit 20MiB/s --yes",
            "virt-replicate copy web --to cn-north-1 --encrypt default --name web-secure.qcow2", NULL},
    .entries = replCopyEntries,
    .min = 1,
    .max = -1,
    .run = replCopyRun,
};
