/*
 * publish.c: names in the target: held by placeholders, then taken by finished layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "image/guard.h"
#include "probe/graph.h"
#include "replicate/keys.h"
#include "replicate/placeholder.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/imagelock.h"
#include "store/partial.h"
#include "store/record.h"
#include "virt/report.h"

/* A file system with less than this left is full for everybody. */
#define REPL_PUBLISH_FULL_bytes (64 * 1024 * G_GUINT64_CONSTANT(1024))

/* --- holding --- */

/* No guest may start on an empty file that is about to become a disk. */
static int
replPublishLock(ReplPrepared *prepared, const char *volume, GError **err)
{
    g_auto(ReplFd) fd =
        openat(prepared->targetDir->dirFd, volume, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the placeholder '%s' in pool '%s'"), volume,
                           prepared->target->name);
        return -1;
    }
    if (replImageLockWrite(fd, volume, err) < 0)
        return -1;
    g_array_append_val(prepared->held, fd);
    replFdSteal(&fd);
    return 0;
}

static gboolean
replPublishIsThere(const ReplPrepared *prepared, const char *volume)
{
    struct stat st;

    return fstatat(prepared->targetDir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The record names the placeholders before they are there: whatever a crash leaves is known as
 * ours. (And what a crash kept from being made has to be made now.) */
static int
replPublishAnnounce(ReplReplication *replication, ReplPrepared *prepared, gboolean *make, GError **err)
{
    guint i;

    replLockTake(&replication->lock);
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);
        ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, i);

        make[i] = step->action != REPL_STEP_REUSE && step->layer > 0 &&
                  !(layer->placeholder && replPublishIsThere(prepared, step->volume));
        if (step->action != REPL_STEP_REUSE)
            layer->placeholder = TRUE;
    }
    replication->record->holdsPlaceholder = TRUE;
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
    return replReplicationSave(replication, prepared->staging, err);
}

/* Somebody else was quicker with these names: they are not ours to remove. */
static void
replPublishDisown(ReplReplication *replication, const gboolean *make, guint from)
{
    guint i;

    replLockTake(&replication->lock);
    for (i = from; i < replication->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, i);

        if (make[i])
            layer->placeholder = FALSE;
    }
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
}

int
replPublishHold(ReplReplication *replication, ReplPrepared *prepared, GError **err)
{
    g_autofree gboolean *make = g_new0(gboolean, prepared->plan->steps->len);
    struct stat like;
    guint i;

    if (fstatat(prepared->targetDir->dirFd, replication->replica, &like, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSetSystem(err, errno, _("The placeholder of replica '%s' in pool '%s' is gone"),
                           replication->replica, prepared->target->name);
        return -1;
    }
    if (replPublishAnnounce(replication, prepared, make, err) < 0)
        return -1;
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);

        if (make[i] && replPlaceholderMake(prepared->target, step->volume, &like, err) < 0) {
            replPublishDisown(replication, make, i);
            return -1;
        }
        if (step->action != REPL_STEP_REUSE && replPublishLock(prepared, step->volume, err) < 0) {
            replPublishDisown(replication, make, i + 1);
            return -1;
        }
    }
    return 0;
}

/* --- taking --- */

/* Images, snapshots and bytes in the target now; the quota against them. 0, or -1 with @err set. */
static int
replPublishCheckQuota(ReplJob *job, const ReplReplication *replication, const ReplPrepared *prepared,
                      GError **err)
{
    g_autoptr(ReplGraph) graph = replGraphScan(replServiceCache(), prepared->set, prepared->targetDir, err);
    g_auto(ReplRefusal) refusal = {0};
    ReplPlanFacts facts = {0};

    if (!graph)
        return -1;
    facts.request = replication->record->request;
    facts.target = (ReplPlanEnd){prepared->target->name, replication->targetUuidstr, prepared->target->label};
    facts.usage = replGraphUsage(graph, prepared->targetDir);
    facts.placeholder = replication->replica;
    replMakersCorrectUsage(replication->targetUuidstr, job, TRUE, &facts.usage);
    if (replPlanCheckQuota(&facts, &prepared->plan->adds, &refusal) == 0)
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

/* libvirt looks at this one volume again; the pool is not refreshed. */
static void
replPublishProbe(const ReplRegion *target, const char *volume)
{
    g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(target->uuid);
    ReplVirtVolDef *def = obj ? replVirt.StorageVolDefFindByName(obj, volume) : NULL;

    if (!def || replVirt.StorageBackendRefreshVolTargetUpdate(def) < 0) {
        replWarn("Volume '%s' of pool '%s' shows its size only after the next pool-refresh: %s", volume,
                 target->name, def ? virGetLastErrorMessage() : "libvirt does not list it");
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
replPublishRecord(ReplReplication *replication, const ReplPlanStep *step)
{
    const ReplPrepared *prepared = replication->prepared;
    const ReplLayer *source = replChainLayer(prepared->chain, step->layer);
    gboolean keepsLayout = step->action != REPL_STEP_CONVERT || step->convert.rekey == REPL_REKEY_SLOT;
    g_autofree char *id = g_uuid_string_random();
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (step->layer == 0) {
        image = replHoldingImage(replication->holding);
        image->status = REPL_IMAGE_AVAILABLE;
        /* An overlay is quick to make, but is no image to make others from. */
        image->fastCreate = step->convert.contiguous || (keepsLayout && prepared->sourceIsFast);
    } else {
        image = replImageNew(id);
        image->source.region = g_strdup(prepared->source->label->name);
        image->source.pool = g_strdup(source->pool->name);
        image->source.volume = g_strdup(source->volume);
    }
    if (step->action == REPL_STEP_CONVERT) {
        /* Not the same bytes: nobody may take it for the source's layer. */
        replKeysRecord(replication, step, image);
    } else {
        g_free(image->secret);
        image->secret = replKeysOfLayer(source->pool->uuid, source->volume);
        image->hasOrigin = TRUE;
        image->originPool = g_strdup(source->pool->uuid);
        image->origin = source->identity;
    }
    replPublishIdentity(prepared->targetDir->dirFd, step->volume, &image->self);
    if (replRecordSave(prepared->staging, step->volume, image, &err) < 0)
        replWarn("The record of '%s' in pool '%s' cannot be written: %s", step->volume,
                 prepared->target->name, err->message);
}

/* Layers of the target that the replica is going to stand on are what they were when they were
 * looked at. */
static int
replPublishCheckReuse(const ReplPrepared *prepared, GError **err)
{
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);
        const ReplFileIdentity *was = &g_array_index(prepared->presentWas, ReplFileIdentity, step->layer);
        ReplFileIdentity now = {0};

        if (step->action != REPL_STEP_REUSE)
            continue;
        replPublishIdentity(prepared->targetDir->dirFd, step->volume, &now);
        if (replFileIdentityEqual(was, &now))
            continue;
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("Volume '%s' of pool '%s', a layer that the replica was to reuse, was deleted or "
                       "changed meanwhile"),
                     step->volume, prepared->target->name);
        return -1;
    }
    return 0;
}

static int
replPublishStep(ReplReplication *replication, guint index, GError **err)
{
    ReplPrepared *prepared = replication->prepared;
    const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, index);
    ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, index);

    if (step->action == REPL_STEP_REUSE)
        return 0;
    if (replPartialPublish(prepared->staging, replication->id, step->layer, prepared->targetDir->dirFd,
                           step->volume, err) < 0)
        return -1;
    replLockTake(&replication->lock);
    layer->published = TRUE;
    if (step->layer == 0)
        replication->listed = replication->record->holdsPlaceholder = FALSE;
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
    replPublishProbe(prepared->target, step->volume);
    replPublishRecord(replication, step);
    return 0;
}

int
replPublishCommit(ReplJob *job, ReplReplication *replication, GError **err)
{
    g_autoptr(ReplLocked) locker G_GNUC_UNUSED = NULL;
    guint i;

    if (replPublishCheckQuota(job, replication, replication->prepared, err) < 0)
        return -1;
    /* No volume is deleted between this look and the replica's being there to be seen by the
     * guards. */
    locker = replLockTake(replGuardDeleting());
    if (replPublishCheckReuse(replication->prepared, err) < 0)
        return -1;
    /* Bases first; the last rename, that of the image, is the commit point. */
    for (i = 0; i < replication->prepared->plan->steps->len; i++) {
        if (replPublishStep(replication, i, err) < 0)
            return -1;
    }
    return 0;
}

/* --- giving back --- */

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
replPublishDropRecord(const ReplReplication *replication, ReplStaging *staging)
{
    g_autoptr(ReplImage) image = replRecordLoad(staging, replication->replica, NULL);

    if (image && g_strcmp0(image->id, replication->record->imageId) == 0)
        replRecordDrop(staging, replication->replica, NULL);
}

static void
replPublishUndoLayer(const ReplReplication *replication, const ReplRegion *target, ReplStaging *staging,
                     ReplJobLayer *layer, gboolean all)
{
    if (!g_str_equal(layer->volume, replication->replica)) {
        if (layer->published && all && !replPublishIsNeeded(target, layer->volume)) {
            replPlaceholderRemove(target, layer->volume, TRUE);
            if (staging)
                replRecordDrop(staging, layer->volume, NULL);
        } else if (layer->placeholder && !layer->published) {
            replPlaceholderRemove(target, layer->volume, FALSE);
        }
    }
    layer->done = layer->placeholder = layer->published = FALSE;
    layer->checkpoint_bytes = 0;
}

void
replPublishMakeRoom(ReplReplication *replication)
{
    g_autoptr(ReplRegion) target = replRegionOfUuid(replication->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GError) err = NULL;
    guint64 free_bytes;
    guint i;

    if (!target || !target->dir || replPoolDirFree(target->dir, &free_bytes, NULL) < 0 ||
        free_bytes >= REPL_PUBLISH_FULL_bytes || !(staging = replRegionStaging(target, FALSE, NULL)))
        return;
    if (replPartialsDrop(staging, replication->id, &err) < 0)
        replWarn("Partial files of job %s keep pool '%s' full: %s", replication->id, target->name,
                 err->message);
    replLockTake(&replication->lock);
    for (i = 0; i < replication->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, i);

        layer->done = FALSE;
        layer->checkpoint_bytes = 0;
    }
    replLockDrop(&replication->lock);
}

void
replPublishUndo(ReplReplication *replication, gboolean all)
{
    g_autoptr(ReplRegion) target = replRegionOfUuid(replication->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GPtrArray) layers = NULL;
    g_autoptr(GError) err = NULL;
    guint i;

    if (!target || !target->dir)
        return;
    if ((staging = replRegionStaging(target, FALSE, NULL))) {
        if (replPartialsDrop(staging, replication->id, &err) < 0)
            replWarn("Partial files of job %s in pool '%s' stay: %s", replication->id, target->name,
                     err->message);
        if (replication->listed)
            replPublishDropRecord(replication, staging);
    }
    /* The image first: what is above goes before what it stands on. */
    if (replication->listed)
        replPlaceholderRemove(target, replication->replica, FALSE);
    replLockTake(&replication->lock);
    layers = g_steal_pointer(&replication->record->layers);
    replication->record->layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    replication->listed = FALSE;
    replication->record->holdsPlaceholder = FALSE;
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
    for (i = layers->len; i-- > 0;)
        replPublishUndoLayer(replication, target, staging, g_ptr_array_index(layers, i), all);
}
