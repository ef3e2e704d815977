/*
 * publish.c: names in the target: held by placeholders, then taken by finished layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/graph.h"
#include "stack/guard.h"
#include "stack/keys.h"
#include "stack/report.h"
#include "stack/service.h"
#include "stack/work.h"
#include "store/imagelock.h"
#include "store/partial.h"
#include "store/record.h"

/* A file system with less than this left is full for everybody. */
#define REPL_PUBLISH_FULL_bytes (64 * 1024 * G_GUINT64_CONSTANT(1024))

/* --- holding --- */

static char *
replPublishPlaceholderXml(const char *volume, const struct stat *like)
{
    return g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>0</capacity>"
                                   "<allocation unit='bytes'>0</allocation>"
                                   "<target><format type='raw'/><permissions><mode>0%o</mode>"
                                   "<owner>%u</owner><group>%u</group></permissions></target></volume>",
                                   volume, (unsigned int)(like->st_mode & 07777), like->st_uid,
                                   like->st_gid);
}

/* Through the stock driver, its checks and its list of volumes. Whether the requester may make the layers was
 * asked on his own connection, when he made the request: access rules name the driver of a connection. */
static int
replPublishMake(const ReplWork *work, const char *volume, const struct stat *like, GError **err)
{
    g_autofree char *xml = replPublishPlaceholderXml(volume, like);
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool = conn ? replNext.storagePoolLookupByUUID(conn, work->targetUuid) : NULL;
    g_autoptr(ReplVol) vol = pool ? replNext.storageVolCreateXML(pool, xml, 0) : NULL;

    if (vol)
        return 0;
    replTakeError(err);
    return -1;
}

/* No guest may start on an empty file that is about to become a disk. */
static int
replPublishLock(ReplAttempt *attempt, const char *volume, GError **err)
{
    g_auto(ReplFd) fd = openat(attempt->targetDir->dirFd, volume, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the placeholder '%s' in pool '%s'"), volume,
                           attempt->target->name);
        return -1;
    }
    if (replImageLockWrite(fd, volume, err) < 0)
        return -1;
    g_array_append_val(attempt->held, fd);
    replFdSteal(&fd);
    return 0;
}

static gboolean
replPublishIsThere(const ReplAttempt *attempt, const char *volume)
{
    struct stat st;

    return fstatat(attempt->targetDir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The record names the placeholders before they are there: whatever a crash leaves is known as ours. (And what a
 * crash kept from being made has to be made now.) */
static int
replPublishAnnounce(ReplWork *work, ReplAttempt *attempt, gboolean *make, GError **err)
{
    guint i;

    g_mutex_lock(&work->lock);
    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);
        ReplJobLayer *layer = g_ptr_array_index(work->record->layers, i);

        make[i] = step->action != REPL_STEP_REUSE && step->layer > 0 &&
                  !(layer->placeholder && replPublishIsThere(attempt, step->volume));
        if (step->action != REPL_STEP_REUSE)
            layer->placeholder = TRUE;
    }
    work->record->holdsPlaceholder = TRUE;
    g_mutex_unlock(&work->lock);
    return replWorkSave(work, attempt->staging, err);
}

/* Somebody else was quicker with these names: they are not ours to remove. */
static void
replPublishDisown(ReplWork *work, const gboolean *make, guint from)
{
    guint i;

    g_mutex_lock(&work->lock);
    for (i = from; i < work->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(work->record->layers, i);

        if (make[i])
            layer->placeholder = FALSE;
    }
    g_mutex_unlock(&work->lock);
}

int
replPublishHold(ReplWork *work, ReplAttempt *attempt, GError **err)
{
    g_autofree gboolean *make = g_new0(gboolean, attempt->plan->steps->len);
    struct stat like;
    guint i;

    if (fstatat(attempt->targetDir->dirFd, work->replica, &like, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSetSystem(err, errno, _("The placeholder of replica '%s' in pool '%s' is gone"),
                           work->replica, attempt->target->name);
        return -1;
    }
    if (replPublishAnnounce(work, attempt, make, err) < 0)
        return -1;
    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);

        if (make[i] && replPublishMake(work, step->volume, &like, err) < 0) {
            replPublishDisown(work, make, i);
            return -1;
        }
        if (step->action != REPL_STEP_REUSE && replPublishLock(attempt, step->volume, err) < 0) {
            replPublishDisown(work, make, i + 1);
            return -1;
        }
    }
    return 0;
}

/* --- taking --- */

/* libvirt looks at this one volume again; the pool is not refreshed. */
static void
replPublishProbe(const ReplRegion *target, const char *volume)
{
    g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(target->uuid);
    ReplVirtVolDef *def = obj ? replVirt.StorageVolDefFindByName(obj, volume) : NULL;

    if (!def || replVirt.StorageBackendRefreshVolTargetUpdate(def) < 0) {
        replWarn("Volume '%s' of pool '%s' shows its size only after the next pool-refresh: %s",
                 volume, target->name, def ? virGetLastErrorMessage() : "libvirt does not list it");
        virResetLastError();
    }
}

static void
replPublishIdentity(int dirFd, const char *volume, ReplFileIdentity *identity)
{
    struct stat st;

    if (fstatat(dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    identity->dev = st.st_dev;
    identity->ino = st.st_ino;
    identity->size_bytes = st.st_size;
    identity->mtime_ns = st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec;
    identity->ctime_ns = st.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_ctim.tv_nsec;
}

/* The record of a layer that is now in place: where its content came from, and what it is now. */
static void
replPublishRecord(ReplWork *work, const ReplPlanStep *step)
{
    const ReplAttempt *attempt = work->attempt;
    const ReplLayer *source = replChainLayer(attempt->chain, step->layer);
    gboolean keepsLayout = step->action != REPL_STEP_CONVERT || step->convert.rekey == REPL_REKEY_SLOT;
    g_autofree char *id = g_uuid_string_random();
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (step->layer == 0) {
        g_mutex_lock(&work->lock);
        work->image->status = REPL_IMAGE_AVAILABLE;
        /* An overlay is quick to make, but is no image to make others from. */
        work->image->fastCreate = step->convert.contiguous || (keepsLayout && attempt->sourceIsFast);
        image = replImageCopy(work->image);
        g_mutex_unlock(&work->lock);
    } else {
        image = replImageNew(id);
        image->source.region = g_strdup(attempt->source->label->name);
        image->source.pool = g_strdup(source->pool->name);
        image->source.volume = g_strdup(source->volume);
    }
    if (step->action == REPL_STEP_CONVERT) {
        /* Not the same bytes: nobody may take it for the source's layer. */
        replKeysRecord(work, step, image);
    } else {
        g_free(image->secret);
        image->secret = replKeysOfLayer(source->pool->uuid, source->volume);
        image->hasOrigin = TRUE;
        image->originPool = g_strdup(source->pool->uuid);
        image->origin = source->identity;
    }
    replPublishIdentity(attempt->targetDir->dirFd, step->volume, &image->self);
    if (replRecordSave(attempt->staging, step->volume, image, &err) < 0)
        replWarn("The record of '%s' in pool '%s' cannot be written: %s", step->volume,
                 attempt->target->name, err->message);
}

/* Layers of the target that the replica is going to stand on are what they were when they were looked at. */
static int
replPublishCheckReuse(const ReplAttempt *attempt, GError **err)
{
    guint i;

    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);
        const ReplFileIdentity *was = &g_array_index(attempt->presentWas, ReplFileIdentity, step->layer);
        ReplFileIdentity now = {0};

        if (step->action != REPL_STEP_REUSE)
            continue;
        replPublishIdentity(attempt->targetDir->dirFd, step->volume, &now);
        if (replFileIdentityEqual(was, &now))
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("Volume '%s' of pool '%s', a layer that the replica was to reuse, was deleted or "
                       "changed meanwhile"),
                     step->volume, attempt->target->name);
        return -1;
    }
    return 0;
}

static int
replPublishStep(ReplWork *work, guint index, GError **err)
{
    ReplAttempt *attempt = work->attempt;
    const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, index);
    ReplJobLayer *layer = g_ptr_array_index(work->record->layers, index);

    if (step->action == REPL_STEP_REUSE)
        return 0;
    if (replPartialPublish(attempt->staging, work->id, step->layer, attempt->targetDir->dirFd,
                           step->volume, err) < 0)
        return -1;
    g_mutex_lock(&work->lock);
    layer->published = TRUE;
    if (step->layer == 0)
        work->listed = work->record->holdsPlaceholder = FALSE;
    g_mutex_unlock(&work->lock);
    replPublishProbe(attempt->target, step->volume);
    replPublishRecord(work, step);
    return 0;
}

int
replPublishCommit(ReplJob *job, ReplWork *work, GError **err)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = NULL;
    guint i;

    if (replAttemptCheckQuota(job, work, work->attempt, err) < 0)
        return -1;
    /* No volume is deleted between this look and the replica's being there to be seen by the guards. */
    locker = g_mutex_locker_new(replGuardDeleting());
    if (replPublishCheckReuse(work->attempt, err) < 0)
        return -1;
    /* Bases first; the last rename, that of the image, is the commit point. */
    for (i = 0; i < work->attempt->plan->steps->len; i++) {
        if (replPublishStep(work, i, err) < 0)
            return -1;
    }
    return 0;
}

/* --- giving back --- */

/* Through the stock driver, which knows whether somebody reads the volume now. */
static int
replPublishDelete(const ReplRegion *target, const char *name)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool = conn ? replNext.storagePoolLookupByUUID(conn, target->uuid) : NULL;
    g_autoptr(ReplVol) vol = pool ? replNext.storageVolLookupByName(pool, name) : NULL;

    if (vol)
        return replNext.storageVolDelete(vol, 0);
    /* Not in libvirt's list (a refresh may have come in between). */
    virResetLastError();
    return unlinkat(target->dir->dirFd, name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

void
replPublishRemove(const ReplRegion *target, const char *name, gboolean whatever)
{
    struct stat st;

    if (!target->dir || fstatat(target->dir->dirFd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!S_ISREG(st.st_mode) || (!whatever && st.st_size > 0)) {
        replWarn("Volume '%s' of pool '%s' is not the placeholder that was left there; it stays", name,
                 target->name);
        return;
    }
    if (replPublishDelete(target, name) < 0) {
        replWarn("The placeholder '%s' in pool '%s' cannot be removed: %s", name, target->name,
                 virGetLastErrorMessage());
        virResetLastError();
    }
}

/* Somebody may have put an overlay on a layer that was in place for a moment. */
static gboolean
replPublishIsNeeded(const ReplRegion *target, const char *volume)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet();
    const ReplPoolDir *dir = replPoolSetFindUuid(set, target->uuidstr);
    g_autoptr(ReplGraph) graph = dir ? replGraphScan(replServiceCache(), set, dir, NULL) : NULL;
    g_autoptr(GPtrArray) overlays = NULL;

    if (!graph)
        return TRUE;
    overlays = replGraphDependents(graph, dir, volume);
    return overlays->len > 0;
}

/* The record of the replica goes with its name, if both are this job's. */
static void
replPublishDropRecord(const ReplWork *work, ReplStaging *staging)
{
    g_autoptr(ReplImage) image = replRecordLoad(staging, work->replica, NULL);

    if (image && g_strcmp0(image->id, work->record->imageId) == 0)
        replRecordDrop(staging, work->replica, NULL);
}

static void
replPublishUndoLayer(const ReplWork *work, const ReplRegion *target, ReplStaging *staging,
                     ReplJobLayer *layer, gboolean all)
{
    if (!g_str_equal(layer->volume, work->replica)) {
        if (layer->published && all && !replPublishIsNeeded(target, layer->volume)) {
            replPublishRemove(target, layer->volume, TRUE);
            if (staging)
                replRecordDrop(staging, layer->volume, NULL);
        } else if (layer->placeholder && !layer->published) {
            replPublishRemove(target, layer->volume, FALSE);
        }
    }
    layer->done = layer->placeholder = layer->published = FALSE;
    layer->checkpoint_bytes = 0;
}

void
replPublishMakeRoom(ReplWork *work)
{
    g_autoptr(ReplRegion) target = replRegionOfUuid(work->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GError) err = NULL;
    guint64 free_bytes;
    guint i;

    if (!target || !target->dir || replPoolDirFree(target->dir, &free_bytes, NULL) < 0 ||
        free_bytes >= REPL_PUBLISH_FULL_bytes || !(staging = replRegionStaging(target, FALSE, NULL)))
        return;
    if (replPartialsDrop(staging, work->id, &err) < 0)
        replWarn("Partial files of job %s keep pool '%s' full: %s", work->id, target->name, err->message);
    g_mutex_lock(&work->lock);
    for (i = 0; i < work->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(work->record->layers, i);

        layer->done = FALSE;
        layer->checkpoint_bytes = 0;
    }
    g_mutex_unlock(&work->lock);
}

void
replPublishUndo(ReplWork *work, gboolean all)
{
    g_autoptr(ReplRegion) target = replRegionOfUuid(work->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GPtrArray) layers = NULL;
    g_autoptr(GError) err = NULL;
    guint i;

    if (!target || !target->dir)
        return;
    if ((staging = replRegionStaging(target, FALSE, NULL))) {
        if (replPartialsDrop(staging, work->id, &err) < 0)
            replWarn("Partial files of job %s in pool '%s' stay: %s", work->id, target->name,
                     err->message);
        if (work->listed)
            replPublishDropRecord(work, staging);
    }
    /* The image first: what is above goes before what it stands on. */
    if (work->listed)
        replPublishRemove(target, work->replica, FALSE);
    g_mutex_lock(&work->lock);
    layers = g_steal_pointer(&work->record->layers);
    work->record->layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    work->listed = FALSE;
    work->record->holdsPlaceholder = FALSE;
    g_mutex_unlock(&work->lock);
    for (i = layers->len; i-- > 0;)
        replPublishUndoLayer(work, target, staging, g_ptr_array_index(layers, i), all);
}
