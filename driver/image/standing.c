/*
 * standing.c: how a volume stands
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/standing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/writes.h"
#include "region/lease.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "store/jobrecord.h"
#include "store/record.h"
#include "store/uploads.h"
#include "virt/report.h"

void
replStandingClear(ReplStanding *standing)
{
    replImageFree(standing->record);
    g_clear_pointer(&standing->job, replJobUnref);
    g_clear_pointer(&standing->holding, replHoldingUnref);
    replJobInfoFree(standing->info);
    *standing = (ReplStanding){0};
}

/* Loads the record and tells what it says. */
static ReplSays
replStandingSays(ReplStaging *staging, const char *volume, ReplImage **record)
{
    g_autoptr(GError) err = NULL;

    if (!(*record = replRecordLoad(staging, volume, &err))) {
        if (!err)
            return REPL_SAYS_NOTHING;
        replDebug("The record of '%s' cannot be read: %s", volume, err->message);
        return REPL_SAYS_UNREADABLE;
    }
    if ((*record)->status == REPL_IMAGE_AVAILABLE)
        return REPL_SAYS_AVAILABLE;
    /* A failed job does not make content doubtful: a file with content under its name is whole. */
    if ((*record)->status == REPL_IMAGE_PENDING ||
        ((*record)->job && (*record)->job->state == REPL_JOB_FAILED))
        return REPL_SAYS_PENDING;
    return REPL_SAYS_DAMAGED;
}

/* Whether the job on record has the file @ino under the name @volume: the one that it has put there, or that holds the name
 * for it. Another file may have the name by now. */
static gboolean
replStandingHolds(const ReplJobRecord *record, int dirFd, const char *volume, guint64 ino)
{
    guint i;

    if ((replJobStateIsEnded(record->info->state) && !record->holdsPlaceholder) || record->refused ||
        record->check || replOverdueHas(record->id))
        return FALSE;
    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (g_str_equal(layer->volume, volume) && (layer->placeholder || g_str_equal(record->volume, volume)))
            return replJobLayerIsHeldBy(layer, dirFd, ino) || replJobLayerIsPlacedAs(layer, dirFd, ino);
    }
    return g_str_equal(record->volume, volume);
}

/* A job on record that this daemon has not taken up. *unread: there may be one. */
static ReplJobInfo *
replStandingElsewhere(const ReplRegion *region, ReplStaging *staging, const char *volume, guint64 ino,
                      gboolean *unread)
{
    guint unreadable = 0;
    g_autoptr(GPtrArray) records = replJobRecordList(staging, &unreadable, NULL);
    guint i;

    *unread = !records || unreadable > 0;
    for (i = 0; records && i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);

        if (replStandingHolds(record, region->dir->dirFd, volume, ino))
            return replJobInfoCopy(record->info);
    }
    return NULL;
}

/* Whether the system disk that @record's data disk came with is in place. */
static gboolean
replStandingSetIsThere(const ReplRegion *region, ReplStaging *staging, const ReplImage *record)
{
    g_autoptr(ReplImage) system = replRecordLoad(staging, record->setVolume, NULL);
    struct stat st;

    return system && g_strcmp0(system->id, record->setId) == 0 &&
           fstatat(region->dir->dirFd, record->setVolume, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

/* A data disk of a full machine counts as an empty file from when it is put in place until its job has put
 * the system disk in place. If there is no system disk, the job's record decides, since the system disk may
 * have been deleted later. */
static ReplDisk
replStandingOfSet(const ReplRegion *region, ReplStaging *staging, const char *volume, guint64 ino,
                  ReplStanding *standing)
{
    gboolean unread = FALSE;

    if (replStandingSetIsThere(region, staging, standing->record))
        return REPL_DISK_CONTENT;
    standing->info = replStandingElsewhere(region, staging, volume, ino, &unread);
    if (!standing->info && !unread)
        return REPL_DISK_CONTENT;
    g_clear_pointer(&standing->info, replJobInfoFree);
    return REPL_DISK_EMPTY;
}

static ReplUse
replStandingUse(const ReplRegion *region, const char *volume, ReplStanding *standing)
{
    standing->job = replMakersFind(region->uuidstr, volume, &standing->holding);
    if (!standing->job)
        standing->job = replMakersFindAny(region->uuidstr, volume);
    if (standing->job) {
        standing->info = replJobInfo(standing->job);
        if (standing->info->state == REPL_JOB_FAILED)
            return REPL_USE_FAILED;
        if (standing->info->state != REPL_JOB_COMPLETED && standing->info->state != REPL_JOB_CANCELLED)
            return REPL_USE_MAKING;
        /* The job has just ended: the records already say what it has left. */
        g_clear_pointer(&standing->job, replJobUnref);
        g_clear_pointer(&standing->holding, replHoldingUnref);
        g_clear_pointer(&standing->info, replJobInfoFree);
    }
    return replWritesIs(region, volume) ? REPL_USE_WRITING : REPL_USE_NOTHING;
}

void
replStandingRecordsOpen(const ReplRegion *region, ReplStandingRecords *records)
{
    g_autoptr(GError) err = NULL;

    records->staging = replRegionStaging(region, FALSE, &err);
    /* A folder that is not ours holds no records of ours. */
    records->doubt = err && !g_error_matches(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
    g_clear_error(&err);
    if (records->staging)
        records->marks = replUploadMarks(records->staging, &err);
    records->doubt = records->doubt || err;
}

void
replStandingRecordsClear(ReplStandingRecords *records)
{
    g_clear_pointer(&records->staging, replStagingUnref);
    g_clear_pointer(&records->marks, g_ptr_array_unref);
}

void
replStandingFind(const ReplRegion *region, const ReplStandingRecords *records, const char *volume,
                 const ReplFileLook *look, ReplStanding *standing)
{
    ReplStaging *staging = records->staging;
    ReplDisk disk = look->isRegular && look->identity.size_bytes == 0 ? REPL_DISK_EMPTY : REPL_DISK_CONTENT;
    ReplUse use = replStandingUse(region, volume, standing);
    ReplSays says = REPL_SAYS_NOTHING;
    gboolean unread = FALSE;

    if (staging)
        says = replStandingSays(staging, volume, &standing->record);
    if (staging && disk == REPL_DISK_CONTENT && use == REPL_USE_NOTHING && standing->record &&
        standing->record->setVolume && region->dir)
        disk = replStandingOfSet(region, staging, volume, look->identity.ino, standing);
    /* Few volumes are empty: only for these the records of jobs are gone through. */
    if (staging && region->dir && disk == REPL_DISK_EMPTY && use == REPL_USE_NOTHING) {
        if ((standing->info = replStandingElsewhere(region, staging, volume, look->identity.ino, &unread)))
            use = REPL_USE_ELSEWHERE;
        else if (unread && says != REPL_SAYS_DAMAGED)
            says = REPL_SAYS_UNREADABLE;
    }
    if (says != REPL_SAYS_DAMAGED && says != REPL_SAYS_UNREADABLE) {
        if (records->doubt)
            says = REPL_SAYS_UNREADABLE;
        else if (disk == REPL_DISK_CONTENT && replUploadIsMarked(records->marks, volume, look->identity.ino))
            says = REPL_SAYS_UNFINISHED;
    }
    standing->state = replStateOf(disk, use, says);
    if (standing->state.next == REPL_NEXT_ASK_AGAIN)
        replLeasesHurry(region->uuidstr);
}

void
replStandingOf(const ReplRegion *region, const char *volume, ReplStanding *standing)
{
    g_auto(ReplStandingRecords) records = {0};
    ReplFileLook look;

    /* A volume that cannot be looked at counts as not there; stock calls on it say what is wrong. */
    if (region->dir && replFileLook(region->dir->dirFd, volume, &look) == 0) {
        replStandingRecordsOpen(region, &records);
        replStandingFind(region, &records, volume, &look, standing);
    } else {
        standing->state = replStateOf(REPL_DISK_NONE, REPL_USE_NOTHING, REPL_SAYS_NOTHING);
    }
}
