/*
 * job.c: steering jobs, and finding them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "overview.h"
#include "update.h"

virtReplicationJob *
virtReplicationJobGet(virStorageVolPtr vol)
{
    g_autoptr(virtReplicationImage) image = virtReplicationImageGet(vol, 0);

    if (!image)
        return NULL;
    if (!image->job)
        replError(VIR_ERR_OPERATION_INVALID, _("No job of volume '%s' in pool '%s' is known"), image->volume,
                  image->pool);
    return g_steal_pointer(&image->job);
}

static int
replJobAct(virStorageVolPtr vol, const char *action)
{
    g_autofree char *inner = g_strdup_printf(
        "<replication:" VIRT_REPLICATION_ELEMENT_JOB " " VIRT_REPLICATION_JOB_ACTION "='%s'/>", action);

    replErrorReset();
    return replUpdateVolume(vol, inner);
}

int
virtReplicationJobStart(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_START);
}

int
virtReplicationJobCancel(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_CANCEL);
}

int
virtReplicationJobPause(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_PAUSE);
}

int
virtReplicationJobResume(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_RESUME);
}

int
virtReplicationJobRetry(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_RETRY);
}

int
virtReplicationVerify(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_VERIFY);
}

int
virtReplicationHeal(virStorageVolPtr vol)
{
    return replJobAct(vol, VIRT_REPLICATION_ACTION_HEAL);
}

/* The job that @id begins, in @jobs; NULL and an error when there is none, or several. */
static virtReplicationJob *
replJobFind(virtReplicationJob **jobs, const char *id)
{
    virtReplicationJob *found = NULL;

    for (; *jobs; jobs++) {
        if (!(*jobs)->id || g_ascii_strncasecmp((*jobs)->id, id, strlen(id)) != 0)
            continue;
        if (found) {
            replError(VIR_ERR_INVALID_ARG, _("Several jobs begin with '%s': %s and %s"), id, found->id,
                      (*jobs)->id);
            return NULL;
        }
        found = *jobs;
    }
    if (!found)
        replError(VIR_ERR_NO_STORAGE_VOL, _("There is no job '%s' that has not ended"), id);
    return found;
}

virStorageVolPtr
virtReplicationJobLookup(virConnectPtr conn, const char *id)
{
    g_autoptr(virStoragePool) pool = NULL;
    virtReplicationJob **jobs = NULL;
    virtReplicationJob *job;
    virStorageVolPtr vol = NULL;
    size_t i;

    replErrorReset();
    REPL_NEED(id, NULL);
    if (strlen(id) < 4) {
        replError(VIR_ERR_INVALID_ARG, _("'%s' is too short for the id of a job: give at least 4 characters"),
                  id);
        return NULL;
    }
    if (virtReplicationListJobs(conn, &jobs, 0) < 0)
        return NULL;
    if ((job = replJobFind(jobs, id))) {
        pool = virStoragePoolLookupByName(conn, job->pool);
        vol = pool ? virStorageVolLookupByName(pool, job->volume) : NULL;
        if (!vol)
            replErrorFromLibvirt();
    }
    for (i = 0; jobs[i]; i++)
        virtReplicationJobFree(jobs[i]);
    g_free(jobs);
    return vol;
}
