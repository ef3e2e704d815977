/*
 * cmd_jobs.c: virt-replicate jobs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "commands.h"
#include "jsonout.h"
#include "progress.h"
#include "redraw.h"
#include "size.h"
#include "table.h"

#define REPL_JOBS_BAR 12

static gboolean replJobsAll;
static gboolean replJobsWatch;

static void
replJobsFree(virtReplicationJob **jobs)
{
    size_t i;

    for (i = 0; jobs && jobs[i]; i++)
        virtReplicationJobFree(jobs[i]);
    free(jobs);
}

static void
replJobsRow(const ReplClient *client, ReplTable *table, const virtReplicationJob *job)
{
    bool ended = virtReplicationJobStateIsEnded(job->state);

    replTableTake(table, g_strdup_printf("%.8s", job->id));
    replTableTake(table, g_strdup_printf("%s/%s", job->pool, job->volume));
    replTableAdd(table, job->region);
    replTableAddColored(table, replBarPhase(job),
                        job->state == VIRT_REPLICATION_JOB_FAILED ? REPL_COLOR_BAD : REPL_COLOR_BUSY);
    replTableTake(table, replBar(&client->out, REPL_JOBS_BAR, job->progress));
    replTableTake(table, g_strdup_printf("%u %%", job->progress));
    replTableTake(table, job->rate > 0 && !ended ? replRateText(job->rate) : NULL);
    replTableTake(table, ended ? NULL : replTimeText(job->eta));
}

/* The list as text; NULL after an error, which is reported. The caller frees. */
static char *
replJobsText(ReplClient *client)
{
    const char *const titles[] = {_("Job"), _("Replica"), _("Region"), _("State"), _("Progress"),
                                  ">",      _(">Rate"),   _(">ETA"),   NULL};
    g_autoptr(ReplTable) table = replTableNew(&client->out, titles);
    virtReplicationJob **jobs = NULL;
    size_t i;

    if (virtReplicationListJobs(client->conn, &jobs, replJobsAll ? VIRT_REPLICATION_LIST_IMAGES : 0) < 0) {
        replClientFail();
        return NULL;
    }
    for (i = 0; jobs[i]; i++)
        replJobsRow(client, table, jobs[i]);
    replJobsFree(jobs);
    return i > 0 ? replTableText(table) : g_strdup_printf("%s\n", _("No job."));
}

static int
replJobsJson(ReplClient *client, bool line)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    virtReplicationJob **jobs = NULL;
    size_t i;

    if (virtReplicationListJobs(client->conn, &jobs, replJobsAll ? VIRT_REPLICATION_LIST_IMAGES : 0) < 0)
        return replClientFail();
    json_builder_begin_array(json);
    for (i = 0; jobs[i]; i++)
        replJsonJob(json, jobs[i]);
    json_builder_end_array(json);
    if (line)
        replJsonPrintLine(json);
    else
        replJsonPrint(json);
    replJobsFree(jobs);
    return REPL_EXIT_DONE;
}

/* In a pipe the list is printed when it has changed. */
static int
replJobsWatchText(ReplClient *client, ReplRedraw *redraw, char **last)
{
    g_autofree char *text = NULL;

    replRedrawResize(redraw);
    if (!(text = replJobsText(client)))
        return REPL_EXIT_FAILED;
    if (client->out.tty) {
        replRedraw(redraw, text);
    } else if (g_strcmp0(text, *last) != 0) {
        printf("%s%s", *last ? "\n" : "", text);
        fflush(stdout);
        g_free(*last);
        *last = g_steal_pointer(&text);
    }
    return REPL_EXIT_DONE;
}

static int
replJobsFollow(ReplClient *client)
{
    ReplRedraw redraw;
    g_autofree char *last = NULL;
    int status = REPL_EXIT_DONE;

    replRedrawInit(&redraw, &client->out);
    replProgressCatchInterrupt();
    while (status == REPL_EXIT_DONE && !replProgressInterrupted()) {
        int round;

        status = client->json ? replJobsJson(client, true) : replJobsWatchText(client, &redraw, &last);
        for (round = 0; round < 5 && !replProgressInterrupted(); round++)
            g_usleep(100 * 1000);
    }
    replRedrawClear(&redraw);
    return status;
}

static int
replJobsRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv G_GNUC_UNUSED)
{
    g_autofree char *text = NULL;

    if (replJobsWatch)
        return replJobsFollow(client);
    if (client->json)
        return replJobsJson(client, false);
    if (!(text = replJobsText(client)))
        return REPL_EXIT_FAILED;
    fputs(text, stdout);
    return REPL_EXIT_DONE;
}

static const GOptionEntry replJobsEntries[] = {
    {"all", 'a', 0, G_OPTION_ARG_NONE, &replJobsAll, N_("also the last job of each image, if it has ended"),
     NULL},
    {"watch", 'w', 0, G_OPTION_ARG_NONE, &replJobsWatch, N_("draw the list again and again, until Ctrl-C"),
     NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdJobs = {
    .name = "jobs",
    .args = "",
    .summary = N_("list jobs that have not ended, or have failed"),
    .examples = (const char *const[]){"virt-replicate jobs", "virt-replicate jobs --watch", NULL},
    .entries = replJobsEntries,
    .max = 0,
    .run = replJobsRun,
};
