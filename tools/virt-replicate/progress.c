/*
 * progress.c: showing jobs while they run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "jsonout.h"
#include "progress.h"
#include "redraw.h"
#include "size.h"

typedef struct {
    ReplClient *client;
    const ReplProgressJob *jobs;
    size_t njobs;
    virtReplicationJob **now; /* what is known of each; fields that a line needs */
    char **said;              /* what was printed of each */
    int labelWidth;
    ReplRedraw redraw;
} ReplProgress;

static volatile sig_atomic_t replProgressSignal;

static void
replProgressOnSignal(int signal)
{
    replProgressSignal = signal;
}

void
replProgressCatchInterrupt(void)
{
    struct sigaction action = {.sa_handler = replProgressOnSignal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool
replProgressInterrupted(void)
{
    return replProgressSignal != 0 || ferror(stdout);
}

/* Takes over what a line needs of a job, which is valid during the callback only. */
static void
replProgressTake(virtReplicationJob *to, const virtReplicationJob *from)
{
    g_free(to->id);
    g_free(to->stateName);
    g_free(to->error);
    *to = *from;
    to->id = g_strdup(from->id);
    to->stateName = g_strdup(from->stateName);
    to->error = g_strdup(from->error);
    to->region = to->pool = to->volume = to->peer = NULL;
    to->steps = NULL;
    to->nsteps = 0;
}

static void
replProgressDraw(ReplProgress *progress)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const ReplTerm *term = &progress->client->out;
    size_t i;

    replRedrawResize(&progress->redraw);
    for (i = 0; i < progress->njobs; i++) {
        g_autofree char *line =
            replBarLine(term, progress->jobs[i].label, progress->labelWidth, progress->now[i]);

        g_string_append_printf(text, "%s\n", line);
    }
    if (progress->njobs > 1) {
        g_autofree char *line = replBarTotal(term, progress->labelWidth, progress->now, progress->njobs);

        g_string_append_printf(text, "%s\n", line);
    }
    replRedraw(&progress->redraw, text->str);
}

/* In a pipe: the state, and how many tens of percent. */
static void
replProgressSay(ReplProgress *progress, size_t i)
{
    const virtReplicationJob *job = progress->now[i];
    unsigned int tens = job->state == VIRT_REPLICATION_JOB_RUNNING ? job->progress / 10 : 0;
    g_autofree char *said = g_strdup_printf("%d %u", job->state, tens);
    g_autofree char *rate = replRateText(job->rate);
    g_autofree char *eta = replTimeText(job->eta);

    if (g_strcmp0(said, progress->said[i]) == 0)
        return;
    g_free(progress->said[i]);
    progress->said[i] = g_steal_pointer(&said);
    if (job->state == VIRT_REPLICATION_JOB_RUNNING && job->rate > 0)
        printf(_("%s: %s %u %%, %s, ETA %s\n"), progress->jobs[i].label, replBarPhase(job), job->progress,
               rate, eta);
    else if (job->state == VIRT_REPLICATION_JOB_RUNNING)
        printf(_("%s: %s %u %%\n"), progress->jobs[i].label, replBarPhase(job), job->progress);
    else
        printf("%s: %s\n", progress->jobs[i].label, replBarPhase(job));
    fflush(stdout);
}

/* With --json: an event for each change of state or percent. */
static void
replProgressEvent(ReplProgress *progress, size_t i, const virtReplicationJob *job)
{
    g_autofree char *said = g_strdup_printf("%d %u", job->state, job->progress);
    g_autoptr(JsonBuilder) json = NULL;

    if (g_strcmp0(said, progress->said[i]) == 0)
        return;
    g_free(progress->said[i]);
    progress->said[i] = g_steal_pointer(&said);
    json = json_builder_new();
    json_builder_begin_object(json);
    replJsonString(json, "event", "progress");
    json_builder_set_member_name(json, "job");
    replJsonJob(json, job);
    json_builder_end_object(json);
    replJsonPrintLine(json);
}

static int
replProgressCallback(size_t i, const virtReplicationJob *job, void *opaque)
{
    ReplProgress *progress = opaque;

    replProgressTake(progress->now[i], job);
    if (progress->jobs[i].verifies && job->state == VIRT_REPLICATION_JOB_RUNNING)
        progress->now[i]->state = VIRT_REPLICATION_JOB_VERIFYING;
    if (progress->client->json)
        replProgressEvent(progress, i, job);
    else if (!progress->client->quiet && !progress->client->out.tty)
        replProgressSay(progress, i);
    else if (!progress->client->quiet && i + 1 == progress->njobs)
        replProgressDraw(progress);
    return replProgressInterrupted();
}

/* Errors of jobs that failed, after the last line. */
static void
replProgressErrors(const ReplProgress *progress)
{
    size_t i;

    for (i = 0; i < progress->njobs; i++) {
        const virtReplicationJob *job = progress->now[i];

        if (job->state != VIRT_REPLICATION_JOB_FAILED)
            continue;
        replClientError("%s: %s", progress->jobs[i].label, job->error ? job->error : _("no error"));
        fprintf(stderr,
                _("To try again: virt-replicate retry %.8s. To give up: virt-replicate cancel %.8s\n"),
                job->id, job->id);
    }
}

static int
replProgressCancel(ReplProgress *progress)
{
    size_t i;

    for (i = 0; i < progress->njobs; i++) {
        if (progress->now[i]->id && virtReplicationJobStateIsEnded(progress->now[i]->state))
            continue;
        if (virtReplicationJobCancel(progress->jobs[i].vol) < 0)
            replClientFail();
        else
            replClientSay(progress->client, _("%s: cancelled"), progress->jobs[i].label);
    }
    return REPL_EXIT_FAILED;
}

static int
replProgressLeave(const ReplProgress *progress)
{
    g_autoptr(GString) ids = g_string_new(NULL);
    size_t i;

    for (i = 0; i < progress->njobs; i++) {
        const virtReplicationJob *job = progress->now[i];

        if (job->id && !virtReplicationJobStateIsEnded(job->state))
            g_string_append_printf(ids, " %.8s", job->id);
    }
    replClientSay(progress->client, _("The jobs go on. To come back: virt-replicate watch%s"), ids->str);
    replClientSay(progress->client, _("To stop them: virt-replicate cancel%s"), ids->str);
    return REPL_EXIT_RUNNING;
}

static int
replProgressEnd(ReplProgress *progress, int left, bool cancel)
{
    if (left >= 0) {
        replProgressErrors(progress);
        return replClientExit((size_t)left, progress->njobs);
    }
    if (virtReplicationGetLastError()->code != VIR_ERR_OPERATION_ABORTED)
        return replClientFail();
    return cancel ? replProgressCancel(progress) : replProgressLeave(progress);
}

static void
replProgressInit(ReplProgress *progress)
{
    size_t i;

    progress->now = g_new0(virtReplicationJob *, progress->njobs);
    progress->said = g_new0(char *, progress->njobs);
    progress->labelWidth = replTermWidth(_("total"));
    for (i = 0; i < progress->njobs; i++) {
        progress->now[i] = g_new0(virtReplicationJob, 1);
        progress->labelWidth = MAX(progress->labelWidth, replTermWidth(progress->jobs[i].label));
    }
    progress->labelWidth = MIN(progress->labelWidth, 40);
    replRedrawInit(&progress->redraw, &progress->client->out);
}

static void
replProgressFree(ReplProgress *progress)
{
    size_t i;

    for (i = 0; i < progress->njobs; i++) {
        virtReplicationJobFree(progress->now[i]);
        g_free(progress->said[i]);
    }
    g_free(progress->now);
    g_free(progress->said);
    replRedrawClear(&progress->redraw);
}

int
replProgressWait(ReplClient *client, const ReplProgressJob *jobs, size_t njobs, bool cancel)
{
    ReplProgress progress = {.client = client, .jobs = jobs, .njobs = njobs};
    g_autofree virStorageVolPtr *vols = g_new0(virStorageVolPtr, njobs);
    int left, status;
    size_t i;

    if (njobs == 0)
        return REPL_EXIT_DONE;
    for (i = 0; i < njobs; i++)
        vols[i] = jobs[i].vol;
    replProgressInit(&progress);
    replProgressCatchInterrupt();
    left = virtReplicationJobWait(vols, njobs, replProgressCallback, &progress, -1);
    status = replProgressEnd(&progress, left, cancel);
    replProgressFree(&progress);
    return status;
}
