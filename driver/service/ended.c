/*
 * ended.c: the end of a job is put on record
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/ended.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "service/overdue.h"
#include "store/record.h"
#include "virt/report.h"

static void
replEndedShow(ReplStaging *images, const char *volume, ReplJobInfo *info)
{
    g_autoptr(GError) err = NULL;

    if (replRecordNoteJob(images, volume, info, &err) < 0)
        replWarn("The record of '%s' cannot be written: %s", volume, err->message);
}

int
replEndedSave(ReplStaging *home, ReplStaging *images, const ReplJobRecord *record, GError **err)
{
    guint i;

    /* The job's record comes last: if the daemon is killed before it, a restart finds the images in place and does all of this
     * again. */
    for (i = 0; images && i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        replEndedShow(images, member->volume, record->info);
    }
    if (images)
        replEndedShow(images, record->volume, record->info);
    if (replJobRecordSave(home, record, err) < 0)
        return -1;
    replOverdueForget(record->id);
    return 0;
}

/* Whether the record says of a job that has made the file that it has not ended. */
static gboolean
replEndedIsBehind(const ReplJobRecord *record, int dirFd, const char *volume, guint64 ino)
{
    guint i;

    if (record->check || replJobStateIsEnded(record->info->state) || !g_str_equal(record->volume, volume))
        return FALSE;
    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (g_str_equal(layer->volume, volume))
            return replJobLayerIsPlacedAs(layer, dirFd, ino);
    }
    return FALSE;
}

/* Whether the record shows the job that made the image, as completed: a later verification shows itself there. */
static gboolean
replEndedIsShown(const ReplImage *image)
{
    const ReplJobInfo *info = image->job;
    const ReplStep *first = info && info->steps->len > 0 ? g_ptr_array_index(info->steps, 0) : NULL;

    return info && info->state == REPL_JOB_COMPLETED && (!first || first->action != REPL_STEP_VERIFY) &&
           !replOverdueHas(info->id);
}

int
replEndedForget(ReplStaging *staging, int dirFd, const char *volume, GError **err)
{
    g_autoptr(GError) unread = NULL;
    g_autoptr(ReplImage) image = replRecordLoad(staging, volume, &unread);
    g_autoptr(GPtrArray) records = NULL;
    struct stat st;
    guint i;

    /* Other volumes are spared the look at all jobs: they are no replicas, or their jobs' records say that they have
     * completed. */
    if (!unread && (!image || !image->source.id || replEndedIsShown(image)))
        return 0;
    if (fstatat(dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s'"), volume);
        return -1;
    }
    if (!(records = replJobRecordList(staging, NULL, err)))
        return -1;
    for (i = 0; i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);

        if (!replEndedIsBehind(record, dirFd, volume, st.st_ino))
            continue;
        if (replJobRecordDrop(staging, record->id, err) < 0)
            return -1;
        replOverdueForget(record->id);
    }
    return 0;
}
