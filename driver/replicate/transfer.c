/*
 * transfer.c: the layers of a plan are written, each to where the target wants it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/transfer.h"

#include "base/fd.h"
#include "copy/files.h"
#include "replicate/bundling.h"
#include "replicate/scratch.h"
#include "service/service.h"
#include "virt/report.h"

/* One layer on its way. */
typedef struct {
    ReplJob *job;
    ReplReplication *replication;
    ReplPrepared *prepared;
    guint index; /* step */
    ReplWriter *writer;
    ReplLayerProgress progress;
} ReplTransfer;

static int
replTransferAdmit(void *opaque, guint64 bytes, GError **err)
{
    ReplTransfer *transfer = opaque;

    return replJobAdmit(transfer->job, bytes, err);
}

static void
replTransferAdvance(void *opaque, guint64 bytes)
{
    ReplTransfer *transfer = opaque;

    replJobAdvance(transfer->job, bytes);
}

static int
replTransferCheckpoint(void *opaque, guint64 offset, GError **err)
{
    ReplTransfer *transfer = opaque;

    return replTargetNote(transfer->prepared->target, offset, err);
}

static int
replTransferCopy(ReplTransfer *transfer, ReplReader *reader, const ReplPlanLayer *layer, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplCopyWatch watch = {.admit = replTransferAdmit,
                                 .advance = replTransferAdvance,
                                 .checkpoint = replTransferCheckpoint,
                                 .spared = replTransferAdvance,
                                 .opaque = transfer};
    const ReplCopyJob copy = {
        .watch = &watch,
        .size_bytes = layer->size_bytes,
        .start_bytes = transfer->progress.start_bytes,
        .checkpoint_bytes = config->checkpoint_bytes,
    };

    return replCopyRun(reader, transfer->writer, &copy, err);
}

/* Shares the blocks where the plan says so and the file system agrees, else copies. */
static int
replTransferBytes(ReplTransfer *transfer, const ReplPlanStep *step, GError **err)
{
    const ReplPrepared *prepared = transfer->prepared;
    g_autoptr(ReplReader) reader = replSourceOpenLayer(prepared->source, step->layer, err);
    int rc = 0;

    if (!reader)
        return -1;
    if (step->action == REPL_STEP_CLONE)
        rc = replWriterClone(transfer->writer, reader, err);
    if (rc == 0)
        rc = replTransferCopy(transfer, reader, replPreparedLayer(prepared, step), err);
    return rc < 0 ? -1 : 0;
}

/* Converts into @convert->target. Where that would have to be a regular file and is none, or takes bytes in
 * order only, converts into a scratch file of this host and sends that on. */
static int
replTransferConvertTo(ReplTransfer *transfer, ReplConvertJob *convert, ReplConvertResult *result,
                      GError **err)
{
    int needsFile = replWriterFd(convert->target) >= 0 ? 0
                    : convert->target->inOrder         ? 1
                                                       : replConvertNeedsFile(convert, err);
    g_autoptr(ReplWriter) writer = NULL;
    g_auto(ReplFd) fd = -1;

    if (needsFile < 0)
        return -1;
    if (!needsFile)
        return replConvertRun(convert, result, err);
    if ((fd = replScratchFile(transfer->replication->journal->targetUuid, transfer->replication->id, err)) <
            0 ||
        !(writer = replFileWriterNew(fd, NULL, err)))
        return -1;
    convert->target = writer;
    if (replConvertRun(convert, result, err) < 0)
        return -1;
    return replScratchSend(fd, transfer->writer, convert->watch, err);
}

static int
replTransferConvert(ReplTransfer *transfer, const ReplPlanStep *step, GError **err)
{
    ReplPrepared *prepared = transfer->prepared;
    const ReplCopyWatch watch = {
        .admit = replTransferAdmit, .advance = replTransferAdvance, .opaque = transfer};
    const ReplReplication *replication = transfer->replication;
    ReplConvertJob convert =
        replPreparedConversion(prepared, step, replication->journal->record->request, &watch);
    ReplConvertResult result = {0};

    convert.target = transfer->writer;
    convert.chain =
        replScratchChain(replication->journal->targetUuid, replication->id, prepared, &watch, err);
    if (!convert.chain || replTransferConvertTo(transfer, &convert, &result, err) < 0)
        return -1;
    if (result.snapshotsLost > 0 || result.bitmapsLost > 0)
        replInfo("Layer '%s' of job %s lost %u internal snapshots and %u bitmaps in its conversion",
                 step->volume, transfer->replication->id, result.snapshotsLost, result.bitmapsLost);
    return 0;
}

/* Writes the bundle. Progress counts the layers' data; how much an earlier attempt has packed is known only
 * when its file is looked at. */
static int
replTransferBundle(ReplTransfer *transfer, GError **err)
{
    const ReplCopyWatch watch = {.admit = replTransferAdmit,
                                 .advance = replTransferAdvance,
                                 .checkpoint = replTransferCheckpoint,
                                 .opaque = transfer};
    const ReplBundling bundling = {.replication = transfer->replication,
                                   .prepared = transfer->prepared,
                                   .fd = replWriterFd(transfer->writer),
                                   .start_bytes = transfer->progress.start_bytes,
                                   .watch = &watch};

    if (bundling.fd >= 0)
        return replBundlingRun(&bundling, err);
    replErrorSet(err, VIR_ERR_NO_SUPPORT, "%s", _("A bundle can be written into a pool of this host only"));
    return -1;
}

/* Bytes of the step that are there from an earlier attempt. */
static guint64
replTransferBefore(const ReplTransfer *transfer, const ReplPlanStep *step)
{
    switch (transfer->progress.state) {
    case REPL_LAYER_WRITTEN:
    case REPL_LAYER_IN_PLACE:
        return step->bytes;
    case REPL_LAYER_BEGUN:
        if (step->convert.bundle) /* told when it is looked at */
            return 0;
        return MIN(transfer->progress.start_bytes, step->bytes);
    case REPL_LAYER_FRESH:
        break;
    }
    return 0;
}

static int
replTransferWrite(ReplTransfer *transfer, const ReplPlanStep *step, GError **err)
{
    if (transfer->progress.state == REPL_LAYER_WRITTEN)
        return 0;
    if (step->convert.bundle)
        return replTransferBundle(transfer, err);
    return step->action == REPL_STEP_CONVERT ? replTransferConvert(transfer, step, err)
                                             : replTransferBytes(transfer, step, err);
}

/* @before_bytes: of the steps before this one. */
static int
replTransferLayerOnce(ReplTransfer *transfer, guint64 before_bytes, GError **err)
{
    const ReplPrepared *prepared = transfer->prepared;
    const ReplPlanStep *step = replPreparedStep(prepared, transfer->index);
    g_autoptr(ReplWriter) writer = NULL;

    if (replTargetOpenLayer(prepared->target, transfer->index,
                            step->action == REPL_STEP_CONVERT ? NULL : prepared->source, &writer,
                            &transfer->progress, err) < 0)
        return -1;
    replJobSetProcessed(transfer->job, before_bytes + replTransferBefore(transfer, step));
    if (transfer->progress.state == REPL_LAYER_IN_PLACE)
        return 0;
    transfer->writer = writer;
    if (replTransferWrite(transfer, step, err) < 0)
        return -1;
    return replTargetFinishLayer(prepared->target, transfer->index, writer, err);
}

/* Writes the layer. When the target's host goes away in the middle and is expected back, begins the layer
 * anew. */
static int
replTransferLayer(ReplTransfer *transfer, guint64 before_bytes, GError **err)
{
    for (;;) {
        g_autoptr(GError) why = NULL;

        if (replTransferLayerOnce(transfer, before_bytes, &why) == 0)
            return 0;
        if (!replTargetAgain(transfer->prepared->target, why, err) || replJobCheck(transfer->job, err) < 0)
            return -1;
    }
}

int
replTransferRun(ReplJob *job, ReplReplication *replication, GError **err)
{
    ReplPrepared *prepared = replication->prepared;
    guint64 before_bytes = 0;
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        ReplTransfer transfer = {.job = job, .replication = replication, .prepared = prepared, .index = i};

        if (step->action != REPL_STEP_REUSE) {
            replJobSetStepState(job, i, REPL_STEP_RUNNING);
            if (replTransferLayer(&transfer, before_bytes, err) < 0) {
                replJobSetStepState(job, i, REPL_STEP_FAILED);
                return -1;
            }
        }
        before_bytes += step->bytes;
        replJobSetStepState(job, i, REPL_STEP_DONE);
        if (replJobCheck(job, err) < 0)
            return -1;
    }
    return 0;
}

int
replTransferVerify(ReplJob *job, ReplReplication *replication, GError **err)
{
    const ReplPrepared *prepared = replication->prepared;
    guint i;

    if (replSourceUnchanged(prepared->source, err) < 0)
        return -1;
    for (i = 0; i < prepared->plan->steps->len; i++) {
        if (replJobCheck(job, err) < 0)
            return -1;
        if (replPreparedStep(prepared, i)->action != REPL_STEP_REUSE &&
            replTargetVerify(prepared->target, i, err) < 0)
            return -1;
    }
    return 0;
}
