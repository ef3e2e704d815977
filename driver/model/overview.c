/*
 * overview.c: what a pool shows beside its label
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/overview.h"

static void
replOverviewJobFree(gpointer opaque)
{
    ReplOverviewJob *job = opaque;

    g_free(job->volume);
    replJobInfoFree(job->info);
    g_free(job);
}

static void
replOverviewSharedFree(gpointer opaque)
{
    ReplOverviewShared *shared = opaque;

    g_free(shared->image);
    g_free(shared->name);
    g_free(shared->project);
    g_free(shared->region);
    g_free(shared);
}

ReplOverviewLoan *
replOverviewLoanNew(const char *volume, const char *id, const char *host)
{
    ReplOverviewLoan *loan = g_new0(ReplOverviewLoan, 1);

    loan->volume = g_strdup(volume);
    loan->id = g_strdup(id);
    loan->host = g_strdup(host);
    return loan;
}

ReplOverviewLoan *
replOverviewLoanCopy(const ReplOverviewLoan *loan)
{
    ReplOverviewLoan *copy = replOverviewLoanNew(loan->volume, loan->id, loan->host);

    copy->since_s = loan->since_s;
    copy->waiting = loan->waiting;
    return copy;
}

void
replOverviewLoanFree(ReplOverviewLoan *loan)
{
    g_free(loan->volume);
    g_free(loan->id);
    g_free(loan->host);
    g_free(loan);
}

void
replOverviewImageFree(ReplOverviewImage *image)
{
    if (!image)
        return;
    g_free(image->id);
    g_free(image->volume);
    g_free(image->name);
    g_free(image->backing);
    g_free(image->source);
    replJobInfoFree(image->job);
    g_free(image);
}

ReplOverview *
replOverviewNew(void)
{
    ReplOverview *overview = g_new0(ReplOverview, 1);

    overview->jobs = g_ptr_array_new_with_free_func(replOverviewJobFree);
    overview->loans = g_ptr_array_new_with_free_func((GDestroyNotify)replOverviewLoanFree);
    overview->shared = g_ptr_array_new_with_free_func(replOverviewSharedFree);
    return overview;
}

void
replOverviewWantImages(ReplOverview *overview, guint part)
{
    overview->images = g_ptr_array_new_with_free_func((GDestroyNotify)replOverviewImageFree);
    overview->part = part;
}

void
replOverviewFree(ReplOverview *overview)
{
    if (!overview)
        return;
    g_ptr_array_unref(overview->jobs);
    g_ptr_array_unref(overview->loans);
    g_ptr_array_unref(overview->shared);
    if (overview->images)
        g_ptr_array_unref(overview->images);
    g_free(overview);
}
