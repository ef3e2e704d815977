/*
 * local_names.c: names in a pool of this host: taken, and held by empty volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "endpoint/local_undo.h"
#include "endpoint/localpriv.h"
#include "endpoint/placeholder.h"
#include "image/guard.h"
#include "image/writes.h"
#include "store/imagelock.h"
#include "store/partial.h"
#include "store/record.h"
#include "store/uploads.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

/* Which file holds the name. Called with the journal's lock held; @layer may be NULL. */
static void
replLocalNoteHolder(const ReplLocalTarget *target, ReplJobLayer *layer)
{
    struct stat st;

    if (!layer || fstatat(target->dir->dirFd, layer->volume, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size > 0)
        return;
    layer->holder = st.st_ino;
    layer->holderBorn_ns = replFileBorn_ns(target->dir->dirFd, layer->volume);
}

/* Refuses a name that a client may be writing to: a call that was allowed for the volume that had the name
 * before would write into the placeholder. */
static int
replLocalCheckWriters(const ReplLocalTarget *target, const char *volume, GError **err)
{
    if (!replWritesMayHit(target->region, volume))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' is being written to"), volume);
    return -1;
}

/* Whether stock, which failed to make the volume for the reason @why, has left an empty file that it could
 * not remove. In doubt yes: the file is then removed with the job if it is empty. */
static gboolean
replLocalIsLeft(const ReplLocalTarget *target, const char *volume, const GError *why)
{
    struct stat st;

    if (g_error_matches(why, REPL_ERROR, VIR_ERR_STORAGE_VOL_EXIST))
        return FALSE;
    if (fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(st.st_mode) && st.st_size == 0;
    return errno != ENOENT;
}

/* Takes the name with the lock of deletions held. So a client that was allowed to delete the volume that had
 * the name before has done so by now, or sees that the new volume is pinned. */
static virStorageVolPtr
replLocalTakeName(const ReplLocalTarget *target, virStoragePoolPtr pool, const char *volume, const char *xml)
{
    REPL_GUARD(replGuardDeleting());
    virStorageVolPtr vol = replBelowPool(pool)->storageVolCreateXML(pool, xml, 0);

    if (!vol && virGetLastErrorCode() == VIR_ERR_STORAGE_VOL_EXIST &&
        replPlaceholderUnlist(target->region, volume, NULL) > 0)
        vol = replBelowPool(pool)->storageVolCreateXML(pool, xml, 0);
    if (vol)
        replUploadForget(target->staging, volume);
    return vol;
}

/* The journal's layer that becomes the volume, or NULL. Called with the journal's lock held. */
static ReplJobLayer *
replLocalLayerNamed(const ReplLocalTarget *target, const char *volume)
{
    const GPtrArray *layers = target->journal->record->layers;
    guint i;

    for (i = 0; i < layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(layers, i);

        if (g_str_equal(layer->volume, volume))
            return layer;
    }
    return NULL;
}

/* Notes whether an empty file of this job holds, or is going to hold, the layer's name. */
static void
replLocalOwnName(ReplLocalTarget *target, const char *volume, gboolean own)
{
    REPL_GUARD(&target->journal->lock);
    ReplJobLayer *layer = replLocalLayerNamed(target, volume);

    if (layer)
        layer->placeholder = own;
}

/* Notes a data disk's name on record before it is taken. Data disks' names are taken before the replica's
 * own: a restart that finds the replica's name not taken gives them back. */
static int
replLocalAnnounceMember(ReplLocalTarget *target, const char *volume, GError **err)
{
    replLocalOwnName(target, volume, TRUE);
    return replJournalSave(target->journal, err);
}

/* Notes that the name could not be taken. @left: stock has left an empty file, which this job has to
 * remove. */
static void
replLocalNoteLeft(ReplLocalTarget *target, const char *volume, gboolean left)
{
    REPL_GUARD(&target->journal->lock);
    ReplJobLayer *layer = replLocalLayerNamed(target, volume);

    if (g_str_equal(volume, target->journal->record->volume))
        target->journal->accepted = target->journal->accepted || left;
    else if (layer)
        layer->placeholder = left;
    if (left)
        replLocalNoteHolder(target, layer);
}

int
replLocalAccept(ReplTarget *base, virStoragePoolPtr pool, const char *volume, const char *xml,
                const ReplImage *image, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    ReplJournal *journal = target->journal;
    gboolean isReplica = g_str_equal(volume, journal->record->volume);
    g_autoptr(ReplVol) vol = NULL;
    g_autoptr(GError) why = NULL;
    gboolean existed, left;
    struct stat st;

    if (replLocalTargetOpen(target, err) < 0 ||
        (!isReplica && replLocalAnnounceMember(target, volume, err) < 0))
        return -1;
    existed = fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!(vol = replLocalTakeName(target, pool, volume, xml))) {
        replTakeError(&why);
        left = !existed && replLocalIsLeft(target, volume, why);
        replLocalNoteLeft(target, volume, left);
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    replLockTake(&journal->lock);
    journal->accepted = journal->accepted || isReplica;
    replLocalNoteHolder(target, replLocalLayerNamed(target, volume));
    replLocalShowNames(target);
    replLockDrop(&journal->lock);
    if (replLocalCheckWriters(target, volume, err) < 0 ||
        replRecordSave(target->staging, volume, image, err) < 0)
        return -1;
    /* The journal knows now which files hold the job's names. A planned job may sit for days, so save that; a
     * job that starts at once saves it with its next note. */
    return journal->record->request->start || !isReplica ? 0 : replJournalSave(journal, err);
}

/* --- the plan goes into the journal --- */

/* Takes over what an earlier attempt has of a layer, if this plan makes the same layer from the same source.
 * What is taken over is cleared in @old, so that it is not given back with the rest of the earlier plan. */
static void
replLocalTakeOver(ReplLocalTarget *target, ReplJobLayer *layer, ReplJobLayer *old)
{
    gboolean sameName = g_str_equal(old->volume, layer->volume);
    gboolean inPlace = old->placeholder && replLocalIsInPlace(target, old);

    gboolean begun = old->done || old->checkpoint_bytes > 0;

    if (begun && old->action == layer->action && replFileIdentityEqual(&old->source, &layer->source) &&
        (sameName || !inPlace)) {
        layer->done = old->done;
        layer->checkpoint_bytes = old->checkpoint_bytes;
        layer->partial = old->partial;
        layer->making = old->making;
        layer->ino = old->ino;
        layer->born_ns = old->born_ns;
        layer->published = inPlace;
        layer->placeholder = inPlace;
        old->placeholder = old->placeholder && !inPlace;
        old->ino = 0;
        old->born_ns = 0;
    }
    if (sameName) {
        layer->holder = old->holder;
        layer->holderBorn_ns = old->holderBorn_ns;
    }
    if (sameName && !inPlace) {
        layer->placeholder = old->placeholder;
        old->placeholder = FALSE;
    }
}

static gboolean
replLocalNumberIsUsed(const GPtrArray *layers, guint count, guint number)
{
    guint i;

    for (i = 0; i < count; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(layers, i);

        if (layer->partial == number && layer->action != REPL_STEP_REUSE)
            return TRUE;
    }
    return FALSE;
}

/* Layers of the plan, with what the journal has of them already. Called with the journal's lock held. */
static GPtrArray *
replLocalLayersOf(ReplLocalTarget *target, const ReplPlan *plan, const ReplSourceFacts *facts)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    guint number = 0;
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);
        const ReplPlanLayer *from = &facts->layers[step->layer];
        ReplJobLayer *layer = replJobLayerNew(from->volume, from->poolUuid, step->volume, step->action);
        ReplJobLayer *old = replJournalFind(target->journal, from->poolUuid, from->volume);

        layer->source = from->identity;
        if (old)
            replLocalTakeOver(target, layer, old);
        if (!layer->done && layer->checkpoint_bytes == 0)
            layer->partial = REPL_JOB_LAYERS_MAX; /* none yet */
        g_ptr_array_add(layers, layer);
    }
    for (i = 0; i < layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(layers, i);

        if (layer->action == REPL_STEP_REUSE)
            layer->partial = 0; /* it has none */
        if (layer->partial < REPL_JOB_LAYERS_MAX)
            continue;
        while (replLocalNumberIsUsed(layers, layers->len, number))
            number++;
        layer->partial = number;
    }
    return layers;
}

/* Gives back names and files of the earlier plan that this one has no use for. What cannot be given back stays in
 * the journal behind the layers of the plan: the next attempt, or the undo, tries it again. */
static int
replLocalDropUnused(ReplLocalTarget *target, GPtrArray *earlier, GError **err)
{
    GPtrArray *layers = target->journal->record->layers;
    guint count = layers->len;
    g_autoptr(GError) why = NULL;
    guint i;

    for (i = earlier->len; i-- > 0;) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);

        g_clear_error(&why);
        if (replLocalGiveBack(target, old, &why) == 0 &&
            (replLocalNumberIsUsed(layers, count, old->partial) ||
             replPartialDrop(target->staging, target->journal->record->id, old->partial, &why) == 0))
            continue;
        replLockTake(&target->journal->lock);
        g_ptr_array_add(layers, g_ptr_array_steal_index(earlier, i));
        replLockDrop(&target->journal->lock);
        if (err && !*err)
            g_propagate_error(err, g_steal_pointer(&why));
    }
    return layers->len > count ? -1 : 0;
}

/* --- holding --- */

/* No guest may start on an empty file that is about to become a disk. */
static int
replLocalLock(ReplLocalTarget *target, const char *volume, GError **err)
{
    g_auto(ReplFd) fd = openat(target->dir->dirFd, volume, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the placeholder '%s' in pool '%s'"), volume,
                           target->region->name);
        return -1;
    }
    if (replImageLockWrite(fd, volume, err) < 0)
        return -1;
    g_array_append_val(target->held, fd);
    replFdSteal(&fd);
    return 0;
}

/* What is to be done for a step's name. */
typedef enum {
    REPL_NAME_HELD,  /* nothing: it is held, or needs no holding */
    REPL_NAME_MAKE,  /* make the placeholder */
    REPL_NAME_AGAIN, /* ours is there, perhaps half made and not listed: make it anew */
} ReplLocalName;

/* Called with the journal's lock held. */
static ReplLocalName
replLocalName(const ReplLocalTarget *target, const ReplPlanStep *step, const ReplJobLayer *layer)
{
    if (step->action == REPL_STEP_REUSE || step->isImage)
        return REPL_NAME_HELD;
    if (!layer->placeholder)
        return REPL_NAME_MAKE;
    if (replLocalIsInPlace(target, layer))
        return REPL_NAME_HELD;
    if (!replLocalIsPlaceholder(target, layer))
        return REPL_NAME_MAKE;
    return layer->holder == 0 ? REPL_NAME_AGAIN : REPL_NAME_HELD;
}

/* Notes the placeholders in the journal before they are made, so that a restart knows those that a crash
 * leaves as the job's. Sets @make to what is to be done for each step: a crash may have kept a placeholder
 * that is noted from being made. */
static int
replLocalAnnounce(ReplLocalTarget *target, ReplLocalName *make, GError **err)
{
    ReplJournal *journal = target->journal;
    guint i;

    replLockTake(&journal->lock);
    for (i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = replLocalStep(target, i);
        ReplJobLayer *layer = replLocalLayer(target, i);

        make[i] = replLocalName(target, step, layer);
        if (step->action != REPL_STEP_REUSE)
            layer->placeholder = TRUE;
        if (make[i] != REPL_NAME_HELD) /* Which file will hold it is not known yet. */
            layer->holder = layer->holderBorn_ns = 0;
    }
    journal->record->holdsPlaceholder = TRUE;
    replLocalShowNames(target);
    replLockDrop(&journal->lock);
    return replJournalSave(journal, err);
}

/* Another client was quicker with these names: they are not ours to remove. */
static void
replLocalDisown(ReplLocalTarget *target, const ReplLocalName *make, guint from)
{
    guint i;

    replLockTake(&target->journal->lock);
    for (i = from; i < target->journal->record->layers->len; i++) {
        if (make[i] == REPL_NAME_MAKE)
            replLocalLayer(target, i)->placeholder = FALSE;
    }
    replLocalShowNames(target);
    replLockDrop(&target->journal->lock);
}

/* Checks that this job still holds the name of the replica. *like gets the owner and mode of its file. */
static int
replLocalCheckReplica(ReplLocalTarget *target, const char *replica, struct stat *like, GError **err)
{
    const ReplJobLayer *layer;
    gboolean ours;

    if (fstatat(target->dir->dirFd, replica, like, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSetSystem(err, errno, _("The placeholder of replica '%s' in pool '%s' is gone"), replica,
                           target->region->name);
        return -1;
    }
    replLockTake(&target->journal->lock);
    layer = replLocalLayerNamed(target, replica);
    ours = !layer || replLocalIsPlaceholder(target, layer) || replLocalIsInPlace(target, layer);
    replLockDrop(&target->journal->lock);
    if (ours)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' of pool '%s' is not the placeholder of the replica any more: another file "
                   "has its name"),
                 replica, target->region->name);
    return -1;
}

/* Checks the names of all images of the job, the replica's own last. *like gets the owner and mode with which
 * placeholders of layers are made. */
static int
replLocalCheckReplicas(ReplLocalTarget *target, struct stat *like, GError **err)
{
    guint i;

    for (i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = replLocalStep(target, i);

        if (step->isImage && replLocalCheckReplica(target, step->volume, like, err) < 0)
            return -1;
    }
    return 0;
}

/* Makes a placeholder, or with @again makes one anew. *left: this failed, and an empty file is there that was not there before
 * or was the job's: the job has to remove it. */
static int
replLocalMake(ReplLocalTarget *target, const char *volume, gboolean again, const struct stat *like,
              gboolean *left, GError **err)
{
    REPL_GUARD(replGuardDeleting());
    g_autoptr(GError) why = NULL;
    gboolean existed;
    struct stat st;

    if (again && replPlaceholderRemove(target->region, volume, FALSE, err) < 0) {
        *left = TRUE;
        return -1;
    }
    existed = fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (replPlaceholderMake(target->region, volume, like, &why) == 0)
        return 0;
    *left = !existed && replLocalIsLeft(target, volume, why);
    replPlaceholderUnlist(target->region, volume, NULL);
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

static int
replLocalHold(ReplLocalTarget *target, GError **err)
{
    g_autofree ReplLocalName *make = g_new0(ReplLocalName, target->plan->steps->len);
    gboolean made = FALSE;
    gboolean left = FALSE;
    struct stat like;
    guint i;

    if (replLocalCheckReplicas(target, &like, err) < 0 || replLocalAnnounce(target, make, err) < 0)
        return -1;
    for (i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = replLocalStep(target, i);

        gboolean again = make[i] == REPL_NAME_AGAIN;

        if (again)
            make[i] = REPL_NAME_MAKE;
        if (make[i] != REPL_NAME_HELD && replLocalMake(target, step->volume, again, &like, &left, err) < 0) {
            replLocalDisown(target, make, left ? i + 1 : i);
            return -1;
        }
        if (step->action != REPL_STEP_REUSE && (replLocalCheckWriters(target, step->volume, err) < 0 ||
                                                replLocalLock(target, step->volume, err) < 0)) {
            replLocalDisown(target, make, i + 1);
            return -1;
        }
        made = made || make[i] != REPL_NAME_HELD;
        replLockTake(&target->journal->lock);
        if (step->action != REPL_STEP_REUSE)
            replLocalNoteHolder(target, replLocalLayer(target, i));
        replLockDrop(&target->journal->lock);
    }
    /* Save which files hold the names: other clients may remove them and take the names while the daemon is
     * away. */
    return made ? replJournalSave(target->journal, err) : 0;
}

int
replLocalBegin(ReplTarget *base, const ReplPlan *plan, const ReplSourceFacts *facts,
               const ReplPresent *present, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    ReplJournal *journal = target->journal;
    g_autoptr(GPtrArray) earlier = NULL;

    if (replLocalTargetOpen(target, err) < 0)
        return -1;
    target->plan = plan;
    target->source = facts;
    target->present = present;
    replLockTake(&journal->lock);
    earlier = journal->record->layers;
    journal->record->layers = replLocalLayersOf(target, plan, facts);
    journal->dirty = TRUE;
    replLockDrop(&journal->lock);
    return replLocalDropUnused(target, earlier, err) < 0 ? -1 : replLocalHold(target, err);
}
