/*
 * resume.c: jobs that an earlier life of the daemon did not finish
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/resume.h"

#include "base/lock.h"
#include "endpoint/open.h"
#include "peer/pools.h"
#include "region/home.h"
#include "region/lease.h"
#include "region/region.h"
#include "replicate/check.h"
#include "replicate/life.h"
#include "service/ended.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "service/service.h"
#include "stack/resumejob.h"
#include "stack/takeback.h"
#include "store/partial.h"
#include "virt/access.h"
#include "virt/report.h"

/* Removes partial files that belong to no open job. */
static void
replResumeSweep(ReplStaging *staging, const GPtrArray *records)
{
    g_autoptr(GPtrArray) jobs = replPartialsJobs(staging);
    guint i, k;

    for (i = 0; i < jobs->len; i++) {
        const char *id = g_ptr_array_index(jobs, i);
        gboolean keeps = replReplicationIsAlive(id);

        for (k = 0; !keeps && k < records->len; k++) {
            const ReplJobRecord *record = g_ptr_array_index(records, k);

            keeps = g_str_equal(record->id, id) && record->info->state != REPL_JOB_COMPLETED &&
                    record->info->state != REPL_JOB_CANCELLED;
        }
        if (!keeps)
            replPartialsSweep(staging, id, NULL);
    }
}

/* On shared storage only one host goes on with the jobs; the other looks again later. */
static gboolean
replResumeMay(const ReplRegion *region, ReplStaging *staging)
{
    g_autoptr(GError) err = NULL;

    if (replLeasesHold(region->uuidstr, staging, &err) == 0)
        return TRUE;
    replInfo("The jobs of pool '%s' are left alone for now: %s", region->name, err->message);
    return FALSE;
}

static gboolean
replResumeIsOpen(const ReplJobRecord *record)
{
    ReplJobState state = record->info->state;

    if (record->refused || replOverdueHas(record->id))
        return FALSE;
    return state != REPL_JOB_COMPLETED && state != REPL_JOB_CANCELLED &&
           !(state == REPL_JOB_FAILED && !record->holdsPlaceholder);
}

/* Cancels a planned, paused or failed job whose placeholder was removed meanwhile: it cannot make its replica
 * any more, and no volume in the pool shows it. */
static void
replResumeCheckName(ReplJob *job)
{
    ReplReplication *replication = replJobOpaque(job);
    ReplJobState state = replJobState(job);
    g_autoptr(ReplTarget) target = NULL;

    if (state != REPL_JOB_PLANNED && state != REPL_JOB_PAUSED && state != REPL_JOB_FAILED)
        return;
    target = replEndpointTarget(replication->journal, replication->holding);
    if (replTargetLook(target, NULL) != REPL_TARGET_NOTHING)
        return;
    replInfo("Replication job %s ends: the placeholder of its replica was removed", replication->id);
    replJobDo(job, REPL_VERB_CANCEL, NULL);
}

static void
replResumeCheckNames(const ReplRegion *region)
{
    g_autoptr(GPtrArray) list = replMakersList(region->uuidstr, NULL);
    guint i;

    for (i = 0; i < list->len; i++)
        replResumeCheckName(((const ReplMade *)g_ptr_array_index(list, i))->job);
}

/* Returns 0, or -1 when something is left to be looked at again. */
static int
replResumeRecord(const ReplRegion *region, ReplStaging *staging, const ReplJobRecord *record)
{
    g_autoptr(ReplJob) known = NULL;
    g_autoptr(ReplJobRecord) now = NULL;
    g_autoptr(GError) err = NULL;

    if (!replResumeIsOpen(record))
        return 0;
    if ((known = replQueueFind(replServiceQueue(), record->id)))
        return 0;
    /* Skip a request that is being submitted right now, or was refused since the records were listed. When it
     * is refused, its record is dropped before the replication is freed: so what is not alive here and still
     * has a record is to be taken up. */
    if (replReplicationIsAlive(record->id) || replOverdueHas(record->id))
        return 0;
    if (!(now = replJobRecordLoad(staging, record->id, &err)))
        return err ? -1 : 0;
    if (now->check) {
        replCheckResume(region, now);
        return 0;
    }
    if (now->request)
        return replResumeJob(region, staging, g_steal_pointer(&now));
    replWarn("Job %s of pool '%s' has no request in its record and cannot go on", record->id, region->name);
    return 0;
}

static gboolean
replResumeAnyOpen(const GPtrArray *records)
{
    guint i;

    for (i = 0; i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);

        if (replResumeIsOpen(record) && !replReplicationIsAlive(record->id))
            return TRUE;
    }
    return FALSE;
}

/* Does what is still to be done of a job that is over; @record, from replOverdueList(), is taken over. @images: where the
 * records of its images are, or NULL. Returns 0, or -1 when it could not be done. */
static int
replResumeOverdue(const ReplRegion *region, ReplStaging *home, ReplStaging *images, ReplJobRecord *record)
{
    g_autoptr(ReplJobRecord) ended = record->refused ? NULL : record;
    g_autoptr(GError) err = NULL;

    if (!ended)
        return replTakeBack(region, home, record);
    if (replEndedSave(home, ended->info->state == REPL_JOB_COMPLETED ? images : NULL, ended, &err) == 0)
        return 0;
    replDebug("The end of job %s is not on record yet: %s", ended->id, err->message);
    return -1;
}

/* Returns 0, or -1 when something could not be read, or is another host's now. */
static int
replResumeStaging(const ReplRegion *region, ReplStaging *staging)
{
    g_autoptr(GError) err = NULL;
    guint unread = 0;
    g_autoptr(GPtrArray) records = replJobRecordList(staging, &unread, &err);
    g_autoptr(GPtrArray) overdue = NULL;
    g_autoptr(GPtrArray) partials = NULL;
    int ret = unread > 0 ? -1 : 0;
    guint i;

    if (!records) {
        replWarn("The jobs of pool '%s' cannot be read: %s", region->name, err->message);
        return -1;
    }
    replStagingSweep(staging);
    replTakeBackKnow(region, records);
    overdue = replOverdueList(region->uuidstr);
    partials = replPartialsJobs(staging);
    if (!replResumeAnyOpen(records) && overdue->len == 0 && partials->len == 0 &&
        !replLeasesIsLeft(region->uuidstr, staging))
        return ret;
    if (!replResumeMay(region, staging))
        return -1;
    /* Not while there are records that cannot be read: their jobs may need their partial files. */
    if (unread == 0)
        replResumeSweep(staging, records);
    for (i = 0; i < records->len; i++) {
        if (replResumeRecord(region, staging, g_ptr_array_index(records, i)) < 0)
            ret = -1;
    }
    /* Only after the loop above, which skips what is known as overdue: this forgets it when it is done. */
    for (i = 0; i < overdue->len; i++) {
        if (replResumeOverdue(region, staging, staging, replJobRecordCopy(g_ptr_array_index(overdue, i))) < 0)
            ret = -1;
    }
    /* The jobs that were taken up hold the lease for themselves now. */
    replLeasesDrop(region->uuidstr);
    return ret;
}

static void
replResumeRegion(const ReplRegion *region)
{
    /* Held over the whole, so that each job is taken up once: the daemon's start, a pool-refresh and the
     * thread of leases may all come here at the same time. */
    static ReplLock lock = REPL_LOCK_INIT;
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GError) err = NULL;

    REPL_GUARD(&lock);
    if (region->unread)
        replLeasesWatch(region->uuidstr);
    if (!region->dir)
        return;
    replQueueRelease(replServiceQueue(), region->uuidstr);
    replResumeCheckNames(region);
    staging = replRegionStaging(region, FALSE, &err);
    if (err)
        replWarn("The jobs of pool '%s' cannot be read: %s", region->name, err->message);
    /* Something could not be read or done: the thread of leases calls again. */
    if (err || (staging && replResumeStaging(region, staging) < 0))
        replLeasesWatch(region->uuidstr);
}

/* What is known of a pool of type region with that UUID; NULL: there is none. */
static ReplRegion *
replResumeFarPlace(const char *poolUuid)
{
    g_autoptr(ReplRegion) place = g_new0(ReplRegion, 1);
    g_autoptr(ReplPeerPoolEntry) entry = NULL;

    if (!replUuidParse(poolUuid, place->uuid) || !(entry = replPeerPoolsFind(place->uuid)))
        return NULL;
    g_strlcpy(place->uuidstr, poolUuid, sizeof(place->uuidstr));
    place->name = g_strdup(entry->pool->def->name);
    return g_steal_pointer(&place);
}

/* Does what is still to be done of jobs whose target is on a host without the module. Runs in the thread of leases, since it
 * waits for a peer. */
static void
replResumeFarAgain(const char *poolUuid)
{
    g_autoptr(ReplRegion) place = replResumeFarPlace(poolUuid);
    g_autoptr(ReplStaging) home = place ? replHomeOwn(FALSE, NULL) : NULL;
    g_autoptr(GPtrArray) overdue = home ? replOverdueList(poolUuid) : NULL;
    gboolean left = FALSE;

    for (guint i = 0; overdue && i < overdue->len; i++)
        left = replResumeOverdue(place, home, NULL, replJobRecordCopy(g_ptr_array_index(overdue, i))) < 0 ||
               left;
    if (left)
        replLeasesWatch(poolUuid);
}

/* Takes up a job, or the undo of a refused request, whose target is on a host without the module. */
static void
replResumeFar(ReplStaging *home, const ReplJobRecord *record)
{
    g_autoptr(ReplRegion) place = replResumeFarPlace(record->targetPoolUuid);

    if (!place)
        return;
    if (!record->refused) {
        replResumeJob(place, home, replJobRecordCopy(record));
        return;
    }
    replOverdueAdd(place->uuidstr, replJobRecordCopy(record));
    replLeasesWatch(place->uuidstr);
    replLeasesHurry(place->uuidstr);
}

static void
replResumeAgain(const char *poolUuid)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(poolUuid);

    if (region)
        replResumeRegion(region);
    else
        replResumeFarAgain(poolUuid);
}

void
replResumeRefused(ReplReplication *replication)
{
    replTakeBackNote(replication);
    replLeasesWatch(replication->journal->targetUuidstr);
}

/* Jobs whose targets are on other hosts. */
static void
replResumeOwn(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplStaging) home = replHomeOwn(FALSE, &err);
    g_autoptr(GPtrArray) records = home ? replJobRecordList(home, NULL, &err) : NULL;
    guint i;

    if (err)
        replWarn("The jobs of this host cannot be read: %s", err->message);
    for (i = 0; records && i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);
        g_autoptr(ReplRegion) target = replRegionOfUuidString(record->targetPoolUuid);
        g_autoptr(ReplJob) known = replQueueFind(replServiceQueue(), record->id);

        if (!target && !known && record->request && record->requestXml && replResumeIsOpen(record))
            replResumePush(replJobRecordCopy(record));
        if (!target && !known && record->request && !record->requestXml &&
            (record->refused || replResumeIsOpen(record)))
            replResumeFar(home, record);
        if (target && !known && record->request && replResumeIsOpen(record))
            replResumeJob(target, home, replJobRecordCopy(record));
    }
    if (records) {
        replStagingSweep(home);
        replResumeSweep(home, records);
    }
}

void
replResumeAll(void)
{
    g_autoptr(GPtrArray) uuids = NULL;
    guint i;

    replLeasesStart(replResumeAgain);
    if (!replRegionsLabels())
        return;
    uuids = replLabelsOf(replRegionsLabels(), NULL);
    for (i = 0; i < uuids->len; i++) {
        g_autoptr(ReplRegion) region = replRegionOfUuid(g_ptr_array_index(uuids, i));

        if (region)
            replResumeRegion(region);
    }
    replResumeOwn();
}

void
replResumePool(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (region)
        replResumeRegion(region);
    else if (virStoragePoolGetUUIDString(pool, uuidstr) == 0)
        replLeasesHurry(uuidstr);
}
