/*
 * resume.c: jobs that an earlier life of the daemon did not finish
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/pins.h"
#include "region/lease.h"
#include "region/region.h"
#include "replicate/life.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/partial.h"
#include "store/record.h"
#include "virt/report.h"

/* The image is in place, with all its layers: only the end of the job was not recorded any more. */
static gboolean
replResumeIsDone(const ReplRegion *region, const ReplJobRecord *record)
{
    struct stat st;

    return record->info->state == REPL_JOB_PUBLISHING &&
           fstatat(region->dir->dirFd, record->volume, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

static void
replResumeComplete(const ReplRegion *region, ReplStaging *staging, ReplJobRecord *record)
{
    g_autoptr(ReplImage) image = replRecordLoad(staging, record->volume, NULL);
    g_autoptr(GError) err = NULL;

    record->info->state = REPL_JOB_COMPLETED;
    record->info->ended_s = g_get_real_time() / G_USEC_PER_SEC;
    record->holdsPlaceholder = FALSE;
    if (image) {
        image->status = REPL_IMAGE_AVAILABLE;
        replJobInfoFree(image->job);
        image->job = replJobInfoCopy(record->info);
        if (replRecordSave(staging, record->volume, image, &err) < 0)
            replWarn("The record of '%s' cannot be written: %s", record->volume, err->message);
        g_clear_error(&err);
    }
    if (replPartialsDrop(staging, record->id, &err) < 0 || replJobRecordSave(staging, record, &err) < 0)
        replWarn("Job %s of pool '%s' is not completed on disk: %s", record->id, region->name, err->message);
    else
        replInfo("Replication job %s had completed before the daemon ended", record->id);
}

/* The record of the replica is what the client was promised; without it the job is as good as new.
 */
static ReplImage *
replResumeImage(ReplStaging *staging, const ReplJobRecord *record)
{
    ReplImage *image = replRecordLoad(staging, record->volume, NULL);

    if (image)
        return image;
    image = replImageNew(record->imageId);
    image->status = REPL_IMAGE_PENDING;
    image->source.region = g_strdup(record->sourceRegion);
    image->source.id = g_strdup(record->sourceId);
    image->source.pool = g_strdup(record->sourcePool);
    image->source.volume = g_strdup(record->sourceVolume);
    return image;
}

/* A source pool that is not active yet: the job waits for it. */
static void
replResumeHoldSource(const ReplReplication *replication)
{
    g_autoptr(ReplRegion) source = replRegionOfUuidString(replication->sourceUuidstr);

    if (!source || !source->dir)
        replQueueHold(replServiceQueue(), replication->sourceUuidstr);
}

/* Bytes of data in a partial file; what was only reserved reads as a hole. */
static guint64
replResumeData(int dirFd, const char *name)
{
    g_auto(ReplFd) fd = openat(dirFd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    guint64 bytes = 0;
    off_t data, hole = 0;

    while (fd >= 0 && (data = lseek(fd, hole, SEEK_DATA)) >= 0 && (hole = lseek(fd, data, SEEK_HOLE)) > data)
        bytes += hole - data;
    return bytes;
}

/* What an interrupted job has written, so that its progress does not seem to go back. */
static guint64
replResumeWritten(ReplStaging *staging, const ReplJobRecord *record)
{
    guint64 bytes = 0;
    guint i;

    for (i = 0; i < record->layers->len; i++) {
        g_autofree char *name = g_strdup_printf("%s.%u", record->id, i);

        bytes += replResumeData(replStagingFd(staging, REPL_STAGING_PARTIAL), name);
    }
    return bytes;
}

/* As the request did when it was accepted: the plan that comes later pins the same again. */
static void
replResumePin(const ReplRegion *region, const ReplJobRecord *record)
{
    ReplPins *pins = replServicePins();
    g_autoptr(GError) err = NULL;
    guint i;

    if (replPinsClaim(pins, record->id, record->sourcePoolUuid, record->sourceVolume, record->targetRegion,
                      &err) < 0)
        replWarn("Replication job %s: %s", record->id, err->message);
    replPinsAdd(pins, record->sourcePoolUuid, record->sourcePool, record->sourceVolume, record->id,
                REPL_PIN_SOURCE, NULL);
    replPinsAdd(pins, region->uuidstr, region->name, record->volume, record->id, REPL_PIN_TARGET, NULL);
    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        replPinsAdd(pins, layer->sourcePoolUuid, record->sourcePool, layer->sourceVolume, record->id,
                    REPL_PIN_BASE, record->sourceVolume);
        replPinsAdd(pins, region->uuidstr, region->name, layer->volume, record->id,
                    layer->action == REPL_STEP_REUSE ? REPL_PIN_REUSE : REPL_PIN_LAYER, record->volume);
    }
}

/* A layer that was put in place just before the daemon ended is known by its partial file, which is
 * gone. */
static void
replResumeNotePublished(const ReplRegion *region, ReplStaging *staging, ReplJobRecord *record)
{
    struct stat st;
    guint i;

    for (i = 0; i < record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(record->layers, i);
        g_autofree char *name = g_strdup_printf("%s.%u", record->id, record->layers->len - 1 - i);

        if (record->info->state == REPL_JOB_PUBLISHING && layer->placeholder && !layer->published &&
            fstatat(region->dir->dirFd, layer->volume, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0 &&
            fstatat(replStagingFd(staging, REPL_STAGING_PARTIAL), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            layer->published = TRUE;
    }
}

static void
replResumeJob(const ReplRegion *region, ReplStaging *staging, ReplJobRecord *record)
{
    g_autoptr(ReplImage) image = replResumeImage(staging, record);
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;
    struct stat st;
    ReplPhase phase;
    ReplReplication *replication;

    if (!record->request) {
        replWarn("Job %s of pool '%s' has no request in its record and cannot go on", record->id,
                 region->name);
        replJobRecordFree(record);
        return;
    }
    /* The daemon ended before the request was accepted. */
    if (fstatat(region->dir->dirFd, record->volume, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
        replJobRecordDrop(staging, record->id, NULL);
        replJobRecordFree(record);
        return;
    }
    /* What was recorded before it was queued was to start at once. */
    if (record->info->state == REPL_JOB_PLANNED && record->request->start)
        record->info->state = REPL_JOB_QUEUED;
    record->info->processed_bytes = MIN(
        record->info->total_bytes, MAX(record->info->processed_bytes, replResumeWritten(staging, record)));
    replResumeNotePublished(region, staging, record);
    replication = replReplicationNew(region, record, g_steal_pointer(&image), FALSE);
    replication->resumed = TRUE;
    replication->listed = TRUE;
    replReplicationShowNames(replication);
    phase = replPhaseOfRecord(record);
    if (phase != REPL_PHASE_PLANNED && phase != REPL_PHASE_ENDED)
        replReplicationLease(replication, staging, TRUE, NULL);
    job = replReplicationToJob(replication);
    replJobRestore(job, record->info);
    if (phase != REPL_PHASE_ENDED)
        replResumePin(region, record);
    replResumeHoldSource(replication);
    if (replQueueSubmit(replServiceQueue(), job, FALSE, &err) < 0) {
        replWarn("Replication job %s does not go on: %s", replication->id, err->message);
        replMakersRemove(region->uuidstr, replication->replica, job);
        replPinsDropJob(replServicePins(), replication->id);
    }
}

static gboolean
replResumeKeeps(const char *jobId, void *opaque)
{
    GPtrArray *records = opaque;
    guint i;

    for (i = 0; i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);

        if (record && g_str_equal(record->id, jobId))
            return record->info->state != REPL_JOB_COMPLETED && record->info->state != REPL_JOB_CANCELLED;
    }
    return FALSE;
}

static void
replResumeAgain(const char *poolUuid);

/* On shared storage only one host goes on with the jobs; the other looks again later. */
static gboolean
replResumeMay(const ReplRegion *region, ReplStaging *staging)
{
    g_autoptr(GError) err = NULL;

    if (replLeasesHold(region->uuidstr, staging, &err) == 0)
        return TRUE;
    replInfo("The jobs of pool '%s' are left alone for now: %s", region->name, err->message);
    replLeasesWatch(region->uuidstr, replResumeAgain);
    return FALSE;
}

static gboolean
replResumeIsOpen(const ReplJobRecord *record)
{
    ReplJobState state = record->info->state;

    return state != REPL_JOB_COMPLETED && state != REPL_JOB_CANCELLED &&
           !(state == REPL_JOB_FAILED && !record->holdsPlaceholder);
}

static gboolean
replResumeAnyOpen(const GPtrArray *records)
{
    guint i;

    for (i = 0; i < records->len; i++) {
        if (replResumeIsOpen(g_ptr_array_index(records, i)))
            return TRUE;
    }
    return FALSE;
}

static void
replResumeRegion(const ReplRegion *region)
{
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GPtrArray) records = NULL;
    g_autoptr(GError) err = NULL;
    guint unread = 0;
    guint i;

    if (!region->dir)
        return;
    replQueueRelease(replServiceQueue(), region->uuidstr);
    if (!(staging = replRegionStaging(region, FALSE, &err)) ||
        !(records = replJobRecordList(staging, &unread, &err))) {
        if (err)
            replWarn("The jobs of pool '%s' cannot be read: %s", region->name, err->message);
        return;
    }
    if (!replResumeAnyOpen(records) || !replResumeMay(region, staging))
        return;
    /* A record that cannot be read may need its partial files. */
    if (unread == 0)
        replPartialsSweep(staging, replResumeKeeps, records, NULL);
    for (i = 0; i < records->len; i++) {
        ReplJobRecord *record = g_ptr_array_index(records, i);
        g_autoptr(ReplJob) known = replQueueFind(replServiceQueue(), record->id);

        if (known || !replResumeIsOpen(record))
            continue;
        if (replResumeIsDone(region, record))
            replResumeComplete(region, staging, record);
        else
            replResumeJob(region, staging, replJobRecordCopy(record));
    }
    /* The jobs hold it for themselves now. */
    replLeasesDrop(region->uuidstr);
}

static void
replResumeAgain(const char *poolUuid)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(poolUuid);

    if (region)
        replResumeRegion(region);
}

static void
replResumeVisit(const unsigned char *uuid, const ReplLabel *label, gboolean persistent, void *opaque)
{
    g_autoptr(ReplRegion) region = replRegionOfUuid(uuid);

    (void)label;
    (void)persistent;
    (void)opaque;
    if (region)
        replResumeRegion(region);
}

void
replResumeAll(void)
{
    if (replRegionsLabels())
        replLabelsEach(replRegionsLabels(), replResumeVisit, NULL);
}

void
replResumePool(virStoragePoolPtr pool)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);

    if (region)
        replResumeRegion(region);
}
