/*
 * bar.c: a line of progress
 *
 * Columns that do not fit go in this order: the bar shrinks to 10 columns and goes, then the ETA,
 * then the rate; what stays to the end is label, percent and phase.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bar.h"

#include <libintl.h>
#include <string.h>

#include "size.h"

#define _(str) gettext(str)

#define REPL_BAR_MAX 40
#define REPL_BAR_MIN 10
#define REPL_BAR_DEFAULT_WIDTH 80

char *
replBar(const ReplTerm *term, int width, unsigned int percent)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    GString *out = g_string_new("[");
    int inner = MAX(width - 2, 0);
    int eighths = inner * 8 * (int)MIN(percent, 100) / 100;
    int i, used = eighths / 8;

    for (i = 0; i < used; i++)
        g_string_append(out, term->utf8 ? "█" : "#");
    if (term->utf8 && used < inner && eighths % 8 > 0) {
        g_string_append(out, parts[eighths % 8]);
        used++;
    }
    for (i = used; i < inner; i++)
        g_string_append_c(out, term->utf8 ? ' ' : '.');
    g_string_append_c(out, ']');
    return g_string_free(out, FALSE);
}

const char *
replBarPhase(const virtReplicationJob *job)
{
    switch (job->state) {
    case VIRT_REPLICATION_JOB_PLANNED:
        return _("planned");
    case VIRT_REPLICATION_JOB_QUEUED:
        return _("queued");
    case VIRT_REPLICATION_JOB_RUNNING:
        return job->nsteps > 0 && g_strcmp0(job->steps[0].action, "verify") == 0 ? _("verifying")
                                                                                 : _("copying");
    case VIRT_REPLICATION_JOB_VERIFYING:
        return _("verifying");
    case VIRT_REPLICATION_JOB_PUBLISHING:
        return _("publishing");
    case VIRT_REPLICATION_JOB_PAUSED:
        return _("paused");
    case VIRT_REPLICATION_JOB_COMPLETED:
        return _("completed");
    case VIRT_REPLICATION_JOB_FAILED:
        return _("failed");
    case VIRT_REPLICATION_JOB_CANCELLED:
        return _("cancelled");
    case VIRT_REPLICATION_JOB_WAITING:
        return _("waiting");
    default:
        return job->stateName ? job->stateName : "-";
    }
}

static ReplColor
replBarColor(int state)
{
    switch (state) {
    case VIRT_REPLICATION_JOB_COMPLETED:
        return REPL_COLOR_GOOD;
    case VIRT_REPLICATION_JOB_FAILED:
    case VIRT_REPLICATION_JOB_CANCELLED:
        return REPL_COLOR_BAD;
    case VIRT_REPLICATION_JOB_RUNNING:
    case VIRT_REPLICATION_JOB_VERIFYING:
    case VIRT_REPLICATION_JOB_PUBLISHING:
        return REPL_COLOR_BUSY;
    default:
        return REPL_COLOR_DIM;
    }
}

/* Puts the columns together. @rate and @eta may be "". */
static char *
replBarJoin(const ReplTerm *term, const char *label, int labelWidth, const virtReplicationJob *job,
            const char *phase)
{
    int width = (term->width > 0 ? term->width : REPL_BAR_DEFAULT_WIDTH) - 1; /* a full line would wrap */
    int phaseWidth = replTermWidth(phase);
    int left = width - labelWidth - 6 - 2 - phaseWidth; /* " 100 %" and two blanks */
    bool rate = left >= 13, eta = left >= 13 + 9;
    int barWidth = MIN(left - 13 - 9 - 1, REPL_BAR_MAX);
    g_autofree char *rateText = replRateText(job->rate);
    g_autofree char *etaText = replTimeText(job->eta);
    g_autofree char *shown = NULL;
    GString *out = g_string_new(NULL);

    if (left < 0)
        labelWidth = MAX(labelWidth + left, 4);
    shown = replTermCut(term, label, labelWidth);
    g_string_append_printf(out, "%s%*s", shown, MAX(labelWidth - replTermWidth(shown), 0), "");
    if (barWidth >= REPL_BAR_MIN) {
        g_autofree char *bar = replBar(term, barWidth, job->progress);

        g_string_append_printf(out, " %s%s%s", replTermOn(term, replBarColor(job->state)), bar,
                               replTermOff(term, replBarColor(job->state)));
    }
    g_string_append_printf(out, " %3u %%", MIN(job->progress, 100));
    if (rate)
        g_string_append_printf(out, " %12s", job->rate > 0 ? rateText : "");
    if (eta)
        g_string_append_printf(out, " %8s",
                               job->eta >= 0 && !virtReplicationJobStateIsEnded(job->state) ? etaText : "");
    g_string_append_printf(out, "  %s%s%s", replTermOn(term, replBarColor(job->state)), phase,
                           replTermOff(term, replBarColor(job->state)));
    return g_string_free(out, FALSE);
}

char *
replBarLine(const ReplTerm *term, const char *label, int labelWidth, const virtReplicationJob *job)
{
    g_autofree char *clean = replTermClean(label);
    g_autofree char *position = NULL;

    if (job->state == VIRT_REPLICATION_JOB_QUEUED && job->position > 0)
        position = g_strdup_printf(_("queued (%u)"), job->position);
    return replBarJoin(term, clean, labelWidth, job, position ? position : replBarPhase(job));
}

char *
replBarTotal(const ReplTerm *term, int labelWidth, virtReplicationJob *const *jobs, size_t njobs)
{
    virtReplicationJob sum = {.eta = -1, .state = VIRT_REPLICATION_JOB_COMPLETED};
    g_autofree char *phase = NULL;
    size_t i, ended = 0;

    for (i = 0; i < njobs; i++) {
        sum.total += jobs[i]->total;
        sum.processed += MIN(jobs[i]->processed, jobs[i]->total);
        sum.rate += jobs[i]->rate;
        sum.eta = MAX(sum.eta, jobs[i]->eta);
        if (virtReplicationJobStateIsEnded(jobs[i]->state))
            ended++;
        else
            sum.state = VIRT_REPLICATION_JOB_RUNNING;
    }
    if (sum.total > 0)
        sum.progress = (unsigned int)((double)sum.processed / (double)sum.total * 100);
    else
        sum.progress = ended == njobs ? 100 : 0;
    phase = g_strdup_printf(_("%zu of %zu"), ended, njobs);
    return replBarJoin(term, _("total"), labelWidth, &sum, phase);
}
