/*
 * stock_layers.c: layers into a pool of a host without the module, and into their places there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "endpoint/stock_reader.h"
#include "endpoint/stocktargetpriv.h"
#include "store/partial.h"

/* The journal's layer. Called with its lock held. */
static ReplJobLayer *
replStockJournalLayer(ReplStockTarget *target, guint index)
{
    return g_ptr_array_index(target->journal->record->layers, index);
}

static gboolean
replStockIsPlaced(ReplStockTarget *target, guint index)
{
    REPL_GUARD(&target->journal->lock);

    return replStockJournalLayer(target, index)->published;
}

/* Makes a volume anew that an earlier attempt has begun to write: holes are not sent, so the old data would
 * show through them. */
static int
replStockTargetEmpty(ReplStockTarget *target, guint index, GError **err)
{
    g_autoptr(ReplStockHeld) held = replStockTargetHeld(target, index);
    gboolean written;

    {
        REPL_GUARD(&target->journal->lock);
        ReplJobLayer *layer = replStockJournalLayer(target, index);

        written = layer->checkpoint_bytes > 0;
        layer->checkpoint_bytes = 1;
        layer->done = FALSE;
        layer->ino = 0;
    }
    if (written)
        return replStockTargetTake(target, held, TRUE, NULL, err);
    return replJournalSave(target->journal, err);
}

int
replStockTargetOpenLayer(ReplTarget *base, guint index, ReplSource *source, ReplWriter **writer,
                         ReplLayerProgress *progress, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    const ReplPlanStep *step = replStockStep(target, index);
    gboolean summed = target->journal->record->request->verify;
    gboolean done;

    (void)source;
    *writer = NULL;
    *progress = (ReplLayerProgress){REPL_LAYER_IN_PLACE, 0};
    if (replStockIsPlaced(target, index))
        return 0;
    {
        REPL_GUARD(&target->journal->lock);
        done = replStockJournalLayer(target, index)->done;
    }
    if (!done && replStockTargetEmpty(target, index, err) < 0)
        return -1;
    progress->state = done ? REPL_LAYER_WRITTEN : REPL_LAYER_FRESH;
    target->backing = (ReplStockBacking){
        .set =
            step->action == REPL_STEP_COPY && target->source->layers[step->layer].format == REPL_FORMAT_QCOW2,
        .backing = step->backing,
        .format = step->backing ? replFormatToString(step->backingFormat) : NULL,
    };
    *writer = replStockWriterNew(target->line, step->volume, &target->backing, summed);
    return 0;
}

gboolean
replStockTargetAgain(ReplTarget *base, const GError *why, GError **err)
{
    return replLineRetry(((ReplStockTarget *)base)->line, why, err) == 0;
}

int
replStockTargetFinishLayer(ReplTarget *base, guint index, ReplWriter *writer, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    ReplStockWritten written = {0};
    guint number;

    {
        REPL_GUARD(&target->journal->lock);
        const ReplJobLayer *layer = replStockJournalLayer(target, index);

        if (layer->done)
            return 0;
        number = layer->partial;
    }
    if (replStockWriterFinish(writer, &written, err) < 0 || replStockKeep(target, number, &written, err) < 0)
        return -1;
    {
        REPL_GUARD(&target->journal->lock);
        ReplJobLayer *layer = replStockJournalLayer(target, index);

        layer->done = TRUE;
        layer->ino = replStockDigest(written.block, written.block_bytes);
    }
    return replJournalSave(target->journal, err);
}

/* --- looked at --- */

typedef struct {
    ReplLineWork work;
    char *volume;
    ReplStockFile file; /* result */
} ReplStockMeasure;

static void
replStockMeasureClear(ReplLineWork *work)
{
    replStockFileClear(&((ReplStockMeasure *)work)->file);
    g_free(((ReplStockMeasure *)work)->volume);
}

static int
replStockMeasureRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockMeasure *measure = (ReplStockMeasure *)work;

    return replStockStat(link, pool, measure->volume, &measure->file, err) < 0 ? -1 : 0;
}

static ReplLineWork *
replStockMeasureNew(gpointer opaque)
{
    ReplStockMeasure *measure = replLineWorkNew(sizeof(*measure), replStockMeasureRun, replStockMeasureClear);

    measure->volume = g_strdup(opaque);
    return &measure->work;
}

static int
replStockTargetCheckSize(ReplStockTarget *target, const char *volume, guint64 size_bytes, GError **err)
{
    g_autoptr(ReplLineWork) work = replLineDo(target->line, replStockMeasureNew, (gpointer)volume, err);
    guint64 now_bytes;

    if (!work)
        return -1;
    now_bytes = ((const ReplStockMeasure *)work)->file.size_bytes;
    if (now_bytes == MAX(size_bytes, REPL_STOCK_BLOCK_bytes))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("Volume '%s' of peer '%s' has %llu bytes instead of %llu"),
                 volume, replLineUri(target->line), (unsigned long long)now_bytes,
                 (unsigned long long)size_bytes);
    return -1;
}

/* All but the first block, from the peer's disk (or its cache: no libvirt can be told to leave that aside). */
static int
replStockTargetReadBack(ReplStockTarget *target, const char *volume, const ReplStockWritten *written,
                        GError **err)
{
    g_autoptr(ReplReader) reader = replStockReaderNew(target->line, volume, written->size_bytes);
    g_autoptr(ReplStockSum) sum = replStockSumNew();
    g_autofree guint8 *buf = g_malloc((1u << 20) + REPL_READER_SLACK_BYTES);
    guint8 now[REPL_STOCK_SUM_bytes];
    guint64 at = REPL_STOCK_BLOCK_bytes;
    guint64 offset, length;
    int rc = 0;

    while (at < written->size_bytes && (rc = replReaderData(reader, at, &offset, &length, err)) > 0) {
        guint64 end = offset + length;

        for (at = MAX(at, offset); at < end;) {
            gsize part = MIN(end - at, 1u << 20);

            if (replReaderRead(reader, buf, part, at, err) < 0)
                return -1;
            replStockSumAdd(sum, at, buf, part);
            at += part;
        }
    }
    if (rc < 0)
        return -1;
    replStockSumEnd(g_steal_pointer(&sum), now);
    if (memcmp(now, written->sum, sizeof(now)) == 0)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("Volume '%s' of peer '%s' does not hold what was written to it"), volume,
                 replLineUri(target->line));
    return -1;
}

int
replStockTargetVerify(ReplTarget *base, guint index, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    const ReplPlanStep *step = replStockStep(target, index);
    ReplStockWritten written;
    guint number;

    if (replStockIsPlaced(target, index))
        return 0;
    {
        REPL_GUARD(&target->journal->lock);
        number = replStockJournalLayer(target, index)->partial;
    }
    if (replStockKept(target, number, &written, err) < 0 ||
        replStockTargetCheckSize(target, step->volume, written.size_bytes, err) < 0)
        return -1;
    return target->journal->record->request->verify
               ? replStockTargetReadBack(target, step->volume, &written, err)
               : 0;
}

/* --- in place --- */

static int
replStockTargetPlaceLayer(ReplStockTarget *target, guint index, GError **err)
{
    g_autoptr(ReplStockHeld) held = NULL;
    ReplStockWritten written;
    guint number;

    if (replStockIsPlaced(target, index))
        return 0;
    held = replStockTargetHeld(target, index);
    {
        REPL_GUARD(&target->journal->lock);
        number = replStockJournalLayer(target, index)->partial;
    }
    if (replStockKept(target, number, &written, err) < 0 ||
        replStockTargetPlace(target, held, &written, err) < 0)
        return -1;
    REPL_GUARD(&target->journal->lock);
    replStockJournalLayer(target, index)->published = TRUE;
    replStockTargetShowNames(target);
    return 0;
}

int
replStockTargetPublish(ReplTarget *base, ReplImage *const *records, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    const ReplPlanStep *last = replStockStep(target, target->plan->steps->len - 1);
    g_autoptr(GError) left = NULL;

    (void)records; /* a host without the module keeps no records */
    for (guint i = 0; i < target->plan->steps->len; i++) {
        if (replStockTargetPlaceLayer(target, i, err) < 0)
            return -1;
    }
    /* The image is in place. */
    {
        REPL_GUARD(&target->journal->lock);
        target->journal->accepted = target->journal->record->holdsPlaceholder = FALSE;
    }
    if (replPartialsDrop(target->home, target->journal->record->id, &left) < 0)
        replWarn("Files of job %s stay: %s", target->journal->record->id, left->message);
    replStockTargetSettle(target, last->volume, replFormatToString(last->format));
    return 0;
}
