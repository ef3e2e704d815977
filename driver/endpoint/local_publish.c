/*
 * local_publish.c: finished layers take their names in a pool of this host
 *
 * Each partial file is renamed over the empty volume that held its name, bases first. The last rename, that of the
 * image, is the commit point: the journal knows the inodes of all of them before the first one, so that what is in
 * place can be told afterwards, whatever happened in between; and all records say before it what they are to say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/localpriv.h"
#include "image/guard.h"
#include "store/files.h"
#include "store/partial.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/report.h"

/* Checks that the layers of the target that the replica reuses are what they were when they were looked
 * at. */
static int
replLocalCheckReuse(const ReplLocalTarget *target, GError **err)
{
    guint i;

    for (i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = replLocalStep(target, i);
        ReplFileIdentity now = {0};
        struct stat st;

        if (step->action != REPL_STEP_REUSE)
            continue;
        if (fstatat(target->dir->dirFd, step->volume, &st, AT_SYMLINK_NOFOLLOW) == 0)
            replIdentityOfStat(&st, &now);
        if (replFileIdentityEqual(&target->present[step->layer].was, &now))
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("Volume '%s' of pool '%s', a layer that the replica was to reuse, was deleted or "
                       "changed meanwhile"),
                     step->volume, target->region->name);
        return -1;
    }
    return 0;
}

/* libvirt looks at this one volume again; the pool is not refreshed. */
static void
replLocalProbe(const ReplRegion *region, const char *volume)
{
    g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(region->uuid);
    ReplVirtVolDef *def = obj ? replVirt.StorageVolDefFindByName(obj, volume) : NULL;

    if (!def || replVirt.StorageBackendRefreshVolTargetUpdate(def) < 0) {
        replWarn("Volume '%s' of pool '%s' shows its size only after the next pool-refresh: %s", volume,
                 region->name, def ? virGetLastErrorMessage() : "libvirt does not list it");
        virResetLastError();
    }
}

/* Whether the layer's file has its name already; *number is that of its partial file. */
static gboolean
replLocalIsPublished(const ReplLocalTarget *target, guint index, guint *number)
{
    REPL_GUARD(&target->journal->lock);

    *number = replLocalLayer(target, index)->partial;
    return replLocalLayer(target, index)->published;
}

/* Writes the record of a layer before the layer is put in place. The record says already what the layer will
 * be, while an empty file still holds the name: an empty file is no image, whatever a record says. So nothing
 * is left to be written once the image is in place. */
static int
replLocalRecord(const ReplLocalTarget *target, guint index, const ReplImage *record, GError **err)
{
    const ReplPlanStep *step = replLocalStep(target, index);
    g_autoptr(ReplImage) image = NULL;
    guint number;

    if (step->action == REPL_STEP_REUSE || replLocalIsPublished(target, index, &number))
        return 0;
    image = replImageCopy(record);
    if (replPartialIdentity(target->staging, target->journal->record->id, number, &image->self, err) < 0)
        return -1;
    image->self.ctime_ns = 0;
    return replRecordSave(target->staging, step->volume, image, err);
}

/* An earlier attempt has renamed the file, but may have ended before it synced the folder. */
static int
replLocalSyncDir(const ReplLocalTarget *target, const char *volume, GError **err)
{
    if (fsync(target->dir->dirFd) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot put volume '%s' in place"), volume);
    return -1;
}

static int
replLocalPublishLayer(ReplLocalTarget *target, guint index, GError **err)
{
    const ReplPlanStep *step = replLocalStep(target, index);
    ReplJournal *journal = target->journal;
    guint number;

    if (step->action == REPL_STEP_REUSE)
        return 0;
    if ((replLocalIsPublished(target, index, &number)
             ? replLocalSyncDir(target, step->volume, err)
             : replPartialPublish(target->staging, journal->record->id, number, target->dir->dirFd,
                                  step->volume, err)) < 0)
        return -1;
    replLockTake(&journal->lock);
    replLocalLayer(target, index)->published = TRUE;
    if (step->layer == 0)
        journal->accepted = journal->record->holdsPlaceholder = FALSE;
    replLocalShowNames(target);
    replLockDrop(&journal->lock);
    replLocalProbe(target->region, step->volume);
    return 0;
}

/* Checks that the pool's path still leads to the directory that the job has open, and not to one that was put
 * or mounted there meanwhile. */
static int
replLocalCheckDir(const ReplLocalTarget *target, GError **err)
{
    struct stat st;

    if (stat(target->dir->path, &st) == 0 && st.st_dev == target->dir->dev && st.st_ino == target->dir->ino)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("The directory of storage pool '%s' was replaced while the job ran"),
                 target->region->name);
    return -1;
}

/* Puts all layers in place, with the lock of deletions held: a layer that is reused cannot be deleted between
 * the check of it and the moment when guards see that the replica needs it. */
static int
replLocalPublishAll(ReplLocalTarget *target, ReplImage *const *records, GError **err)
{
    REPL_GUARD(replGuardDeleting());
    guint i;

    if (replLocalCheckDir(target, err) < 0 || replLocalCheckReuse(target, err) < 0)
        return -1;
    for (i = 0; i < target->plan->steps->len; i++) {
        if (replLocalRecord(target, i, records[i], err) < 0)
            return -1;
    }
    for (i = 0; i < target->plan->steps->len; i++) {
        if (replLocalPublishLayer(target, i, err) < 0)
            return -1;
    }
    return 0;
}

int
replLocalPublish(ReplTarget *base, ReplImage *const *records, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    gboolean dirty;

    replLockTake(&target->journal->lock);
    dirty = target->journal->dirty;
    replLockDrop(&target->journal->lock);
    if (dirty && replJournalSave(target->journal, err) < 0)
        return -1;
    return replLocalPublishAll(target, records, err);
}
