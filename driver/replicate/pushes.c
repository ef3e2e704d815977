/*
 * pushes.c: pushes as others find them: the table of those that have not ended, and their records
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "base/log.h"
#include "region/home.h"
#include "region/lease.h"
#include "replicate/pushpriv.h"
#include "service/overdue.h"

/* All pushes that have not ended. A call on a replica's volume on the other host finds the job here. */
static struct {
    ReplLock lock;
    GPtrArray *jobs; /* of ReplJob, references */
} replPushes = {.lock = REPL_LOCK_INIT};

/* --- the record --- */

static int
replPushSaveRecord(ReplPush *push, GError **err)
{
    g_autoptr(ReplStaging) home = replHomeOwn(TRUE, err);
    g_autoptr(ReplJobRecord) copy = NULL;
    REPL_GUARD(&push->saving);

    if (!home)
        return -1;
    {
        REPL_GUARD(&push->lock);
        copy = replJobRecordCopy(push->record);
    }
    return replJobRecordSave(home, copy, err);
}

int
replPushSave(ReplJob *job, GError **err)
{
    return replPushSaveRecord(replJobOpaque(job), err);
}

void
replPushRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplPush *push = opaque;
    g_autoptr(ReplJobRecord) record = NULL;
    g_autoptr(GError) err = NULL;
    const char *pool;

    (void)job;
    {
        REPL_GUARD(&push->lock);
        replJobInfoFree(push->record->info);
        push->record->info = replJobInfoCopy(info);
        push->record->holdsPlaceholder =
            info->state == REPL_JOB_FAILED && (push->resumed || push->record->request->async);
        record = replJobRecordCopy(push->record);
    }
    if (replPushSaveRecord(push, &err) == 0) {
        replOverdueForget(record->id);
        return;
    }
    replWarn("The record of job %s cannot be written: %s", record->id, err->message);
    if (!replJobStateIsEnded(info->state) || record->holdsPlaceholder)
        return;
    pool = record->targetPoolUuid;
    replLeasesWatch(pool);
    replOverdueAdd(pool, g_steal_pointer(&record));
}

/* --- the table --- */

void
replPushAdd(ReplJob *job)
{
    REPL_GUARD(&replPushes.lock);

    if (!replPushes.jobs)
        replPushes.jobs = g_ptr_array_new();
    g_ptr_array_add(replPushes.jobs, replJobRef(job));
}

void
replPushForget(ReplJob *job)
{
    gboolean was;

    {
        REPL_GUARD(&replPushes.lock);
        was = replPushes.jobs && g_ptr_array_remove_fast(replPushes.jobs, job);
    }
    if (was)
        replJobUnref(job);
}

GPtrArray *
replPushList(const char *targetPoolUuid)
{
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    REPL_GUARD(&replPushes.lock);

    for (guint i = 0; replPushes.jobs && i < replPushes.jobs->len; i++) {
        ReplJob *job = g_ptr_array_index(replPushes.jobs, i);

        if (g_str_equal(((ReplPush *)replJobOpaque(job))->record->targetPoolUuid, targetPoolUuid))
            g_ptr_array_add(found, replJobRef(job));
    }
    return found;
}

ReplJob *
replPushFind(const char *targetPoolUuid, const char *volume)
{
    g_autoptr(GPtrArray) pushes = replPushList(targetPoolUuid);

    for (guint i = 0; i < pushes->len; i++) {
        ReplJob *job = g_ptr_array_index(pushes, i);
        g_autofree char *made = replPushVolume(job);

        if (g_str_equal(made, volume))
            return replJobRef(job);
    }
    return NULL;
}

gboolean
replPushIsListed(ReplJob *job)
{
    ReplPush *push = replJobOpaque(job);
    REPL_GUARD(&push->lock);

    return push->listed;
}

char *
replPushVolume(ReplJob *job)
{
    ReplPush *push = replJobOpaque(job);
    REPL_GUARD(&push->lock);

    return g_strdup(push->record->volume);
}
