/*
 * jobinfo.c: what a job looks like from outside
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/jobinfo.h"

#include "base/words.h"

REPL_WORDS(replJobState, ReplJobState, "planned", "queued", "running", "verifying", "publishing", "paused",
           "completed", "failed", "cancelled", "waiting")
REPL_WORDS(replStepAction, ReplStepAction, "copy", "clone", "reuse", "convert", "verify")
REPL_WORDS(replStepState, ReplStepState, "waiting", "running", "done", "failed")

ReplStep *
replStepNew(const char *layer, const char *volume, ReplStepAction action, guint64 bytes)
{
    ReplStep *step = g_new0(ReplStep, 1);

    step->layer = g_strdup(layer);
    step->volume = g_strdup(volume);
    step->action = action;
    step->bytes = bytes;
    return step;
}

ReplStep *
replStepCopy(const ReplStep *step)
{
    ReplStep *copy = replStepNew(step->layer, step->volume, step->action, step->bytes);

    copy->state = step->state;
    copy->snapshotsLost = step->snapshotsLost;
    copy->bitmapsLost = step->bitmapsLost;
    copy->below = g_strdup(step->below);
    return copy;
}

static gpointer
replStepCopyOf(gconstpointer step, gpointer opaque)
{
    return replStepCopy(step);
}

void
replStepFree(ReplStep *step)
{
    if (!step)
        return;
    g_free(step->layer);
    g_free(step->volume);
    g_free(step->below);
    g_free(step);
}

ReplJobInfo *
replJobInfoNew(const char *id)
{
    ReplJobInfo *info = g_new0(ReplJobInfo, 1);

    info->id = g_strdup(id);
    info->eta_s = -1;
    info->steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    return info;
}

ReplJobInfo *
replJobInfoCopy(const ReplJobInfo *info)
{
    ReplJobInfo *copy = g_memdup2(info, sizeof(*info));

    copy->id = g_strdup(info->id);
    copy->error = g_strdup(info->error);
    copy->peer = g_strdup(info->peer);
    copy->host = g_strdup(info->host);
    copy->without = g_strdup(info->without);
    copy->steps = g_ptr_array_copy(info->steps, replStepCopyOf, NULL);
    g_ptr_array_set_free_func(copy->steps, (GDestroyNotify)replStepFree);
    return copy;
}

void
replJobInfoFree(ReplJobInfo *info)
{
    if (!info)
        return;
    g_free(info->id);
    g_free(info->error);
    g_free(info->peer);
    g_free(info->host);
    g_free(info->without);
    g_ptr_array_unref(info->steps);
    g_free(info);
}

guint
replJobInfoProgress(const ReplJobInfo *info)
{
    if (info->state == REPL_JOB_COMPLETED)
        return 100;
    if (info->total_bytes == 0)
        return 0;
    /* All bytes written is not done yet: they are still to be verified and published. */
    if (info->processed_bytes >= info->total_bytes)
        return 99;
    return (guint)((long double)info->processed_bytes * 100 / info->total_bytes);
}

gboolean
replJobStateIsEnded(ReplJobState state)
{
    return state == REPL_JOB_COMPLETED || state == REPL_JOB_FAILED || state == REPL_JOB_CANCELLED;
}
