/*
 * resumejob.c: one job that an earlier life of the daemon did not finish
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/resumejob.h"

#include "endpoint/open.h"
#include "endpoint/pushed_source.h"
#include "region/region.h"
#include "replicate/life.h"
#include "replicate/pinning.h"
#include "replicate/push.h"
#include "replicate/undo.h"
#include "service/ended.h"
#include "service/service.h"
#include "store/partial.h"
#include "store/record.h"
#include "virt/below.h"
#include "virt/report.h"

static void
replResumeJobComplete(const ReplRegion *region, ReplStaging *staging, ReplJobRecord *record)
{
    g_autoptr(GError) err = NULL;

    record->info->state = REPL_JOB_COMPLETED;
    record->info->ended_s = g_get_real_time() / G_USEC_PER_SEC;
    record->holdsPlaceholder = FALSE;
    if (replPartialsDrop(staging, record->id, &err) < 0 || replEndedSave(staging, staging, record, &err) < 0)
        replWarn("Job %s of pool '%s' is not completed on disk: %s", record->id, region->name, err->message);
    else
        replInfo("Replication job %s had completed before the daemon ended", record->id);
}

/* Loads the record of the replica. When there is none, makes it anew from the job's record, as for a new
 * request.
 */
static ReplImage *
replResumeJobImage(ReplStaging *staging, const ReplJobRecord *record, const char *volume, const char *imageId,
                   const char *sourceVolume, const char *sourceId)
{
    ReplImage *image = replRecordLoad(staging, volume, NULL);

    if (image)
        return image;
    image = replImageNew(imageId);
    image->status = REPL_IMAGE_PENDING;
    image->source.region = g_strdup(record->sourceRegion);
    image->source.id = g_strdup(sourceId);
    image->source.pool = g_strdup(record->sourcePool);
    image->source.volume = g_strdup(sourceVolume);
    return image;
}

static ReplReplication *
replResumeJobReplication(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record)
{
    ReplImage *image = replResumeJobImage(home, record, record->volume, record->imageId, record->sourceVolume,
                                          record->sourceId);
    ReplReplication *replication = replReplicationNew(region->uuid, record, image, FALSE);
    guint i;

    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        replReplicationAddMember(replication,
                                 replResumeJobImage(home, record, member->volume, member->imageId,
                                                    member->sourceVolume, member->sourceId));
    }
    return replication;
}

/* Holds the job in the queue while the pool of its source is not active yet. */
static void
replResumeJobHoldSource(const ReplReplication *replication)
{
    const ReplJobRecord *record = replication->journal->record;
    g_autoptr(ReplRegion) source = replRegionOfUuidString(replication->sourceUuidstr);
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplLabel) label = NULL;

    /* The source is pushed from another host: the attempt itself waits for that host. */
    if (replPushedIs(record)) {
        replPushedExpect(record->id, record->sourcePool);
        return;
    }
    if (!replUuidParse(replication->sourceUuidstr, uuid) || replBelowUuid(uuid) != &replNext)
        return;
    /* The source is a bundle in a pool without a label. Do not hold the job: only pools with a label release
     * jobs when they become active. */
    if (!(label = replLabelsGet(replRegionsLabels(), uuid, NULL)))
        return;

    if (!source || !source->dir)
        replQueueHold(replServiceQueue(), replication->sourceUuidstr);
}

/* Makes a job of @replication (taken over) and puts it into the queue, where it goes on, or waits for a
 * client to start, resume or retry it. */
static void
replResumeJobQueue(const ReplRegion *region, ReplReplication *replication, ReplPhase phase)
{
    const ReplJobRecord *record = replication->journal->record;
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;

    replication->resumed = TRUE;
    if (phase != REPL_PHASE_PLANNED && phase != REPL_PHASE_ENDED)
        replReplicationLease(replication, TRUE, NULL);
    job = replReplicationToJob(replication);
    replJobRestore(job, record->info);
    if (phase != REPL_PHASE_ENDED) {
        if (replPinningTakeRoute(replication, &err) < 0)
            replWarn("Replication job %s: %s", replication->id, err->message);
        g_clear_error(&err);
        replPinningJournal(replication);
    }
    replResumeJobHoldSource(replication);
    if (replQueueSubmit(replServiceQueue(), job, FALSE, &err) < 0) {
        replWarn("Replication job %s does not go on: %s", replication->id, err->message);
        replReplicationForget(replication, job);
        replPinsDropJob(replServicePins(), replication->id);
    }
}

/* Queues a job whose target still holds the replica's name. The next attempt plans again; until then the job
 * shows what it showed before the restart. */
static void
replResumeJobGoOn(const ReplRegion *region, ReplReplication *replication, ReplTarget *target)
{
    ReplJobRecord *record = replication->journal->record;

    /* The daemon ended after the record was written and before the job was queued: the request was to start
     * at once. */
    if (record->info->state == REPL_JOB_PLANNED && record->request->start)
        record->info->state = REPL_JOB_QUEUED;
    record->info->processed_bytes =
        MIN(record->info->total_bytes, MAX(record->info->processed_bytes, replTargetWritten(target)));
    replHoldingSetForm(replication->holding, record->capacity_bytes, record->format);
    replResumeJobQueue(region, replication, replPhaseOfRecord(record));
}

/* Drops a job that cannot go on: the daemon ended before the request was accepted, or the replica's
 * placeholder was removed meanwhile. Removes what else there is of the job, its record last. */
static int
replResumeJobGiveUp(ReplReplication *replication, ReplStaging *home, GError **err)
{
    if (replUndo(replication, REPL_UNDO_ALL, err) < 0)
        return -1;
    return replJobRecordDrop(home, replication->id, err);
}

/* Whether the request was accepted before the daemon ended. Accepting writes the image's record before it
 * answers the client and before it notes in the journal which file holds the name. So when a planned job's
 * journal has no such note, the image's record tells. */
static gboolean
replResumeJobWasAccepted(const ReplReplication *replication, ReplStaging *staging)
{
    const ReplJobRecord *record = replication->journal->record;
    const ReplJobLayer *layer = replJournalImageLayer(replication->journal);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplImage) image = NULL;

    if (record->info->state != REPL_JOB_PLANNED || !layer || layer->holder != 0)
        return TRUE;
    image = replRecordLoad(staging, record->volume, &err);
    return err || (image && g_strcmp0(image->id, record->imageId) == 0);
}

int
replResumeJob(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record)
{
    ReplReplication *replication = replResumeJobReplication(region, home, record);
    g_autoptr(ReplTarget) target = replEndpointTarget(replication->journal, replication->holding);
    g_autoptr(GError) err = NULL;

    switch (replTargetLook(target, &err)) {
    case REPL_TARGET_HELD:
        if (replResumeJobWasAccepted(replication, home)) {
            replResumeJobGoOn(region, replication, target);
            return 0;
        }
        replResumeJobGiveUp(replication, home, &err);
        break;
    case REPL_TARGET_COMMITTED:
        replResumeJobComplete(region, home, record);
        break;
    case REPL_TARGET_NOTHING:
        replResumeJobGiveUp(replication, home, &err);
        break;
    default:
        break;
    }
    if (err)
        replWarn("Replication job %s waits: %s", record->id, err->message);
    g_clear_pointer(&target, replTargetFree);
    replReplicationFree(replication);
    return err ? -1 : 0;
}

void
replResumePush(ReplJobRecord *record)
{
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;

    if (record->info->state == REPL_JOB_PLANNED && record->request->start)
        record->info->state = REPL_JOB_QUEUED;
    job = replPushJobNew(record, TRUE);
    replJobRestore(job, record->info);
    if (replQueueSubmit(replServiceQueue(), job, FALSE, &err) < 0)
        replWarn("Replication job %s does not go on: %s", replJobId(job), err->message);
}
