/*
 * local_undo.c: what a job has in a pool of this host: looked at, and given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/local_undo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/placeholder.h"
#include "image/guard.h"
#include "probe/graph.h"
#include "service/service.h"
#include "store/partial.h"
#include "store/record.h"

/* A file system with less than this left is full for everybody. */
#define REPL_LOCAL_FULL_bytes (64 * 1024 * G_GUINT64_CONSTANT(1024))

/* Whether the empty file under the replica's name is this job's. It is if the journal notes this very file.
 * When the daemon ended before that was noted, it is unless a record says that the name is another
 * image's. */
static gboolean
replLocalIsHeld(const ReplLocalTarget *target, const ReplJobRecord *record, const ReplJobLayer *image)
{
    g_autoptr(ReplImage) other = NULL;

    if (!replLocalIsPlaceholder(target, image))
        return FALSE;
    if (image->holder != 0)
        return TRUE;
    other = replRecordLoad(target->staging, record->volume, NULL);
    return !other || g_strcmp0(other->id, record->imageId) == 0;
}

/* What has the replica's name: the image, its placeholder, or another file. */
static int
replLocalStateOf(const ReplLocalTarget *target, const ReplJobRecord *record, const struct stat *st)
{
    const ReplJobLayer *image = NULL;
    guint i;

    for (i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);

        if (g_str_equal(layer->volume, record->volume))
            image = layer;
    }
    if (image && replLocalIsInPlace(target, image))
        return REPL_TARGET_COMMITTED;
    if (image ? replLocalIsHeld(target, record, image) : S_ISREG(st->st_mode) && st->st_size == 0)
        return REPL_TARGET_HELD;
    /* Records of earlier versions note no inodes: for these the job's state tells. */
    return image && image->ino == 0 && record->info->state == REPL_JOB_PUBLISHING ? REPL_TARGET_COMMITTED
                                                                                  : REPL_TARGET_NOTHING;
}

/* Returns a ReplTargetState, or -1 with @err set. */
static int
replLocalState(const ReplLocalTarget *target, const ReplJobRecord *record, GError **err)
{
    struct stat st;

    if (fstatat(target->dir->dirFd, record->volume, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return replLocalStateOf(target, record, &st);
    if (errno == ENOENT)
        return REPL_TARGET_NOTHING;
    replErrorSetSystem(err, errno, _("Cannot look at volume '%s' of pool '%s'"), record->volume,
                       target->region->name);
    return -1;
}

int
replLocalLook(ReplTarget *base, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    g_autoptr(ReplJobRecord) record = replJournalCopy(target->journal);
    int state;

    if (replLocalTargetOpen(target, err) < 0)
        return -1;
    if ((state = replLocalState(target, record, err)) == REPL_TARGET_HELD) {
        replLockTake(&target->journal->lock);
        target->journal->accepted = TRUE;
        replLocalShowNames(target);
        replLockDrop(&target->journal->lock);
    }
    return state;
}

/* Whether other volumes need @volume: while the layer was in place, another client may have put an overlay on
 * it. */
static gboolean
replLocalIsNeeded(const ReplLocalTarget *target, const char *volume)
{
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), target->set, target->dir, REPL_GRAPH_NOW, NULL);
    g_autoptr(GPtrArray) overlays = NULL;

    if (!graph)
        return TRUE;
    overlays = replGraphDependents(graph, target->dir, volume);
    return overlays->len > 0;
}

int
replLocalGiveBack(ReplLocalTarget *target, const ReplJobLayer *layer, GError **err)
{
    REPL_GUARD(replGuardDeleting());
    gboolean inPlace = layer->placeholder && replLocalIsInPlace(target, layer);

    if ((layer->action == REPL_STEP_REUSE && !layer->placeholder) ||
        (inPlace && replLocalIsNeeded(target, layer->volume)))
        return 0;
    /* Another file has the name by now, or none: then stock's list may still have it. */
    if (!inPlace && !(layer->placeholder && replLocalIsPlaceholder(target, layer)))
        return replPlaceholderUnlist(target->region, layer->volume, err) < 0 ? -1 : 0;
    if (replPlaceholderRemove(target->region, layer->volume, inPlace, err) < 0)
        return -1;
    return replRecordDropGone(target->staging, target->dir->dirFd, layer->volume, err);
}

static int
replLocalUndoPartials(ReplLocalTarget *target, GError **err)
{
    const GPtrArray *layers;
    guint64 free_bytes;
    guint i;

    if (replPoolDirFree(target->dir, &free_bytes, NULL) < 0 || free_bytes >= REPL_LOCAL_FULL_bytes)
        return 0;
    if (replPartialsDrop(target->staging, target->journal->record->id, err) < 0)
        return -1;
    replLockTake(&target->journal->lock);
    layers = target->journal->record->layers;
    for (i = 0; i < layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(layers, i);

        /* A file that is in place stays known as the job's, also if putting it there is said to have failed. */
        if (layer->published || replLocalIsInPlace(target, layer))
            continue;
        layer->done = FALSE;
        layer->checkpoint_bytes = 0;
        layer->ino = 0;
    }
    replLockDrop(&target->journal->lock);
    return 0;
}

/* Removes the replica's own file: its placeholder, or the image if it was put in place although the job
 * failed (a folder that could not be synced, say). Another file that has the name by now stays. @accepted: the
 * name is the job's. */
static int
replLocalUndoFile(ReplLocalTarget *target, const ReplJobRecord *was, gboolean accepted, GError **err)
{
    REPL_GUARD(replGuardDeleting());
    const ReplJobLayer *image = NULL;
    gboolean inPlace;
    guint i;

    for (i = 0; i < was->layers->len && !image; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(was->layers, i);

        if (g_str_equal(layer->volume, was->volume))
            image = layer;
    }
    inPlace = image && replLocalIsInPlace(target, image);
    if (!accepted || (image && !inPlace && !replLocalIsHeld(target, was, image)))
        return replPlaceholderUnlist(target->region, was->volume, err) < 0 ? -1 : 0;
    if (inPlace && replLocalIsNeeded(target, was->volume)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' cannot be removed: other volumes need it as backing file"),
                     was->volume, target->region->name);
        return -1;
    }
    return replPlaceholderRemove(target->region, was->volume, inPlace, err);
}

/* Drops the record after the file. A client that changes the record checks that the file is there
 * (image/change.c), so the record cannot come back. */
static int
replLocalUndoImage(ReplLocalTarget *target, const ReplJobRecord *was, GError **err)
{
    gboolean accepted;

    replLockTake(&target->journal->lock);
    accepted = target->journal->accepted;
    replLockDrop(&target->journal->lock);
    if (replLocalUndoFile(target, was, accepted, err) < 0)
        return -1;
    return replRecordDropId(target->staging, was->volume, was->imageId, err);
}

static int
replLocalUndoAll(ReplLocalTarget *target, GError **err)
{
    g_autoptr(ReplJobRecord) was = replJournalCopy(target->journal);
    int ret = replPartialsDrop(target->staging, was->id, err);
    guint i;

    /* Remove overlays before their backing files. */
    if (ret == 0)
        ret = replLocalUndoImage(target, was, err);
    for (i = was->layers->len; ret == 0 && i-- > 0;) {
        const ReplJobLayer *layer = g_ptr_array_index(was->layers, i);

        if (!g_str_equal(layer->volume, was->volume))
            ret = replLocalGiveBack(target, layer, err);
    }
    if (ret < 0)
        return -1;
    replLockTake(&target->journal->lock);
    g_ptr_array_set_size(target->journal->record->layers, 0);
    target->journal->accepted = target->journal->record->holdsPlaceholder = FALSE;
    replLocalShowNames(target);
    replLockDrop(&target->journal->lock);
    return 0;
}

int
replLocalUndo(ReplTarget *base, ReplUndo what, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;

    if (replLocalTargetOpen(target, err) < 0)
        return -1;
    return what == REPL_UNDO_ALL ? replLocalUndoAll(target, err) : replLocalUndoPartials(target, err);
}
