/*
 * local_write.c: layers are written to partial files in the pool's staging folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/amount.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "copy/files.h"
#include "endpoint/localpriv.h"
#include "qcow2/backing.h"
#include "store/partial.h"

/* Half of what may be copied again after a crash; the other half is the engine's checkpoint. */
#define REPL_LOCAL_UNSAVED_bytes (32 * 1024 * 1024)

/* QEMU counts images in these. */
#define REPL_LOCAL_SECTOR_bytes 512

/* How far the layer is, given whether its partial file is there. Conversions cannot go on in the middle. Called with the
 * journal's lock held. */
static ReplLayerProgress
replLocalProgress(const ReplLocalTarget *target, guint index, const ReplJobLayer *layer, gboolean existed)
{
    const ReplPlanStep *step = replLocalStep(target, index);
    struct stat st;

    /* Believe the journal only if this is the very file that it was noted for (inode and time of birth). */
    if (!existed || fstat(target->fd, &st) < 0 || layer->ino != st.st_ino ||
        (layer->born_ns && layer->born_ns != replFileBorn_ns(target->fd, "")))
        return (ReplLayerProgress){REPL_LAYER_FRESH, 0};
    if (layer->done)
        return (ReplLayerProgress){REPL_LAYER_WRITTEN, 0};
    if (layer->checkpoint_bytes > 0 && (step->action == REPL_STEP_COPY || step->convert.bundle))
        return (ReplLayerProgress){REPL_LAYER_BEGUN, layer->checkpoint_bytes};
    return (ReplLayerProgress){REPL_LAYER_FRESH, 0};
}

/* Has a source that makes the layer on demand make it, and notes which making it is: what an earlier attempt has of another
 * one is worth nothing. Called without the journal's lock. */
static int
replLocalMake(ReplLocalTarget *target, guint index, ReplSource *source, ReplLayerProgress *progress,
              GError **err)
{
    guint layer = replLocalStep(target, index)->layer;
    ReplSourceMade made;

    if (!source || !target->source->layers[layer].onDemand || progress->state == REPL_LAYER_WRITTEN)
        return 0;
    if (replSourceMakeLayer(source, layer, &made, err) < 0)
        return -1;
    replLockTake(&target->journal->lock);
    if (replLocalLayer(target, index)->making != made.making)
        *progress = (ReplLayerProgress){REPL_LAYER_FRESH, 0};
    replLocalLayer(target, index)->making = made.making;
    replLockDrop(&target->journal->lock);
    return 0;
}

static int
replLocalOpenPartial(ReplLocalTarget *target, guint number, gboolean *existed, GError **err)
{
    replFdClose(target->fd);
    target->fd = replPartialOpen(target->staging, target->journal->record->id, number, existed, err);
    return target->fd < 0 ? -1 : 0;
}

int
replLocalOpenLayer(ReplTarget *base, guint index, ReplSource *source, ReplWriter **writer,
                   ReplLayerProgress *progress, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    ReplJournal *journal = target->journal;
    ReplJobLayer *layer;
    gboolean existed, inPlace;
    struct stat st;
    guint number;

    *writer = NULL;
    replLockTake(&journal->lock);
    layer = replLocalLayer(target, index);
    inPlace = layer->published;
    number = layer->partial;
    replLockDrop(&journal->lock);
    if (inPlace) {
        *progress = (ReplLayerProgress){REPL_LAYER_IN_PLACE, 0};
        return 0;
    }
    if (replLocalOpenPartial(target, number, &existed, err) < 0)
        return -1;
    replLockTake(&journal->lock);
    *progress = replLocalProgress(target, index, layer, existed);
    replLockDrop(&journal->lock);
    if (replLocalMake(target, index, source, progress, err) < 0)
        return -1;
    replLockTake(&journal->lock);
    if (progress->state == REPL_LAYER_FRESH) {
        layer->done = FALSE;
        layer->checkpoint_bytes = 0;
        layer->ino = fstat(target->fd, &st) == 0 ? st.st_ino : 0;
        layer->born_ns = replFileBorn_ns(target->fd, "");
    }
    replLockDrop(&journal->lock);
    if (progress->state == REPL_LAYER_FRESH && ftruncate(target->fd, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot empty the partial file of '%s'"),
                           replLocalStep(target, index)->volume);
        return -1;
    }
    target->open = index;
    if (!(*writer = replFileWriterNew(target->fd, NULL, err)))
        return -1;
    if (source && progress->state != REPL_LAYER_WRITTEN)
        *writer = replLocalOnBasis(target, source, replLocalStep(target, index)->layer, *writer,
                                   progress->state != REPL_LAYER_FRESH);
    return 0;
}

int
replLocalNote(ReplTarget *base, guint64 offset_bytes, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;

    replLockTake(&target->journal->lock);
    replLocalLayer(target, target->open)->checkpoint_bytes = offset_bytes;
    replLockDrop(&target->journal->lock);
    return replJournalSave(target->journal, err);
}

/* The reference to the layer below: relative, with its format. Everything else stays the source's. */
static int
replLocalRebase(const ReplLocalTarget *target, const ReplPlanStep *step, GError **err)
{
    const char *format = step->backing ? replFormatToString(step->backingFormat) : NULL;

    if (target->source->layers[step->layer].format != REPL_FORMAT_QCOW2 || step->action == REPL_STEP_CONVERT)
        return 0;
    if (replQcow2SetBacking(target->fd, step->backing, format, step->volume, err) < 0)
        return -1;
    if (fsync(target->fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the partial file of '%s'"), step->volume);
        return -1;
    }
    return 0;
}

int
replLocalFinishLayer(ReplTarget *base, guint index, ReplWriter *writer, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    ReplJournal *journal = target->journal;
    const ReplPlanStep *step = replLocalStep(target, index);
    ReplJobLayer *layer;
    struct stat st;
    gboolean save;

    (void)writer;
    if (replLocalRebase(target, step, err) < 0)
        return -1;
    if (fstat(target->fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file of '%s'"), step->volume);
        return -1;
    }
    replLockTake(&journal->lock);
    layer = replLocalLayer(target, index);
    layer->done = TRUE;
    layer->ino = st.st_ino;
    layer->born_ns = replFileBorn_ns(target->fd, "");
    journal->dirty = TRUE;
    journal->unsaved_bytes += step->bytes;
    save = journal->unsaved_bytes >= REPL_LOCAL_UNSAVED_bytes;
    replLockDrop(&journal->lock);
    /* A few small layers are copied again as quickly as they would be recorded. */
    return save ? replJournalSave(journal, err) : 0;
}

/* The image is named by no layer above, so libvirt will look for its format: it has to find that of the plan, whatever
 * another host has sent. */
static int
replLocalVerifyFormat(const ReplPlanStep *step, int fd, GError **err)
{
    ReplFormat format;

    if (!step->isImage)
        return 0;
    if (replFormatProbe(fd, step->volume, &format, err) < 0)
        return -1;
    if (format == step->format)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("The copy of '%s' has the format %s instead of %s"),
                 step->volume, replFormatToString(format), replFormatToString(step->format));
    return -1;
}

/* What another host has converted is as large as its source, but for a rounding up to sectors, or smaller by a LUKS header, and
 * encrypted when that was said. */
static gboolean
replLocalIsAsTold(const ReplPlanStep *step, const ReplPlanLayer *source, const ReplQcow2Header *header)
{
    if (step->action == REPL_STEP_CONVERT)
        return TRUE;
    if (!source->onDemand)
        return header->virtualSize_bytes == source->virtualSize_bytes;
    return header->virtualSize_bytes < source->virtualSize_bytes + REPL_LOCAL_SECTOR_bytes &&
           (header->cryptMethod == REPL_QCOW2_CRYPT_LUKS) == source->encrypted;
}

/* What can be told without reading it all again: size, and that a qcow2 header is a good one which names the planned
 * layer below. (Every write was checked when it was made.) */
static int
replLocalVerifyFile(const ReplPlanStep *step, const ReplPlanLayer *source, int fd, GError **err)
{
    g_autoptr(ReplQcow2Header) header = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file of '%s'"), step->volume);
        return -1;
    }
    /* The size of what is converted, here or by the source, was not known before. */
    if (step->action != REPL_STEP_CONVERT && !source->onDemand && (guint64)st.st_size != source->size_bytes) {
        g_autofree char *is = replAmount((guint64)st.st_size);
        g_autofree char *should = replAmount(source->size_bytes);

        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("The copy of layer '%s' has %s instead of %s"),
                     source->volume, is, should);
        return -1;
    }
    if (step->action != REPL_STEP_CONVERT && replLocalVerifyFormat(step, fd, err) < 0)
        return -1;
    if (step->format != REPL_FORMAT_QCOW2)
        return 0;
    if (!(header = replQcow2HeaderRead(fd, step->volume, err)))
        return -1;
    if (header->hasDataFile || header->dataFile || !replLocalIsAsTold(step, source, header)) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The copy of layer '%s' is not what its source was said to be"), source->volume);
        return -1;
    }
    if (g_strcmp0(header->backing, step->backing) != 0) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The copy of layer '%s' has the backing file '%s' instead of '%s'"), source->volume,
                     header->backing ? header->backing : "", step->backing ? step->backing : "");
        return -1;
    }
    return 0;
}

int
replLocalVerify(ReplTarget *base, guint index, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    const ReplPlanStep *step = replLocalStep(target, index);
    gboolean inPlace;
    guint number;

    replLockTake(&target->journal->lock);
    inPlace = replLocalLayer(target, index)->published;
    number = replLocalLayer(target, index)->partial;
    replLockDrop(&target->journal->lock);
    if (inPlace)
        return 0;
    if (replLocalOpenPartial(target, number, NULL, err) < 0)
        return -1;
    return replLocalVerifyFile(step, &target->source->layers[step->layer], target->fd, err);
}

guint64
replLocalWritten(ReplTarget *base)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    guint64 data_bytes = 0;

    if (replLocalTargetOpen(target, NULL) == 0)
        replPartialsMeasure(target->staging, target->journal->record->id, NULL, &data_bytes);
    return data_bytes;
}
