/*
 * transfer.c: the layers of a plan become partial files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/transfer.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "copy/clone.h"
#include "copy/copy.h"
#include "copy/files.h"
#include "qcow2/backing.h"
#include "service/service.h"
#include "store/partial.h"
#include "virt/report.h"

/* Half of what may be copied again after a crash; the other half is the engine's checkpoint. */
#define REPL_TRANSFER_UNSAVED_bytes (32 * 1024 * 1024)

/* One layer on its way. */
typedef struct {
    ReplJob *job;
    ReplReplication *replication;
    ReplJobLayer *layer; /* of the record */
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

    replLockTake(&transfer->replication->lock);
    transfer->layer->checkpoint_bytes = offset;
    replLockDrop(&transfer->replication->lock);
    return replReplicationSave(transfer->replication, transfer->replication->prepared->staging, err);
}

/* Returns 1 when the blocks are shared, 0 when they are to be copied, -1 on errors. */
static int
replTransferClone(const ReplLayer *source, const ReplPlanStep *step, int fd, GError **err)
{
    if (step->action != REPL_STEP_CLONE)
        return 0;
    if (ftruncate(fd, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot empty the partial file of '%s'"), step->volume);
        return -1;
    }
    return replCopyClone(source->fd, fd, err);
}

static int
replTransferCopy(ReplTransfer *transfer, const ReplLayer *source, int fd, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplCopyWatch watch = {.admit = replTransferAdmit,
                                 .advance = replTransferAdvance,
                                 .checkpoint = replTransferCheckpoint,
                                 .opaque = transfer};
    const ReplCopyJob copy = {
        .watch = &watch,
        .size_bytes = source->st.st_size,
        .start_bytes = transfer->layer->checkpoint_bytes,
        .checkpoint_bytes = config->checkpoint_bytes,
    };

    return replCopyFiles(source->fd, fd, &copy, err);
}

static int
replTransferConvert(ReplTransfer *transfer, const ReplPlanStep *step, int fd, GError **err)
{
    const ReplPrepared *prepared = transfer->replication->prepared;
    const ReplCopyWatch watch = {
        .admit = replTransferAdmit, .advance = replTransferAdvance, .opaque = transfer};
    g_autoptr(ReplWriter) writer = replFileWriterNew(fd, NULL, err);
    const ReplConvertJob convert = {
        .chain = prepared->chain,
        .step = step,
        .target = writer,
        .sources = (const ReplSecretBuf *const *)prepared->sourceSecrets->pdata,
        .keys = (const ReplSecretBuf *const *)prepared->sourceKeys->pdata,
        .secret = prepared->secret,
        .kdf = prepared->kdf,
        .request = transfer->replication->record->request,
        .limits = replPreparedLimits(),
        .watch = &watch,
    };
    ReplConvertResult result = {0};

    if (!writer || replConvertRun(&convert, &result, err) < 0)
        return -1;
    if (result.snapshotsLost > 0 || result.bitmapsLost > 0)
        replInfo("Layer '%s' of job %s lost %u internal snapshots and %u bitmaps in its conversion",
                 step->volume, transfer->replication->id, result.snapshotsLost, result.bitmapsLost);
    return 0;
}

/* The reference to the layer below: relative, with its format. Everything else stays the source's.
 */
static int
replTransferRebase(const ReplLayer *source, const ReplPlanStep *step, int fd, GError **err)
{
    if (!source->qcow2)
        return 0;
    if (replQcow2SetBacking(fd, step->backing, step->backing ? replFormatToString(step->backingFormat) : NULL,
                            step->volume, err) < 0)
        return -1;
    if (fsync(fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the partial file of '%s'"), step->volume);
        return -1;
    }
    return 0;
}

static int
replTransferDone(ReplTransfer *transfer, const ReplPlanStep *step, GError **err)
{
    ReplReplication *replication = transfer->replication;
    gboolean save;

    replLockTake(&replication->lock);
    transfer->layer->done = TRUE;
    replication->unsaved_bytes += step->bytes;
    save = replication->unsaved_bytes >= REPL_TRANSFER_UNSAVED_bytes;
    replLockDrop(&replication->lock);
    /* A few small layers are copied again as quickly as they would be recorded. */
    return save ? replReplicationSave(replication, replication->prepared->staging, err) : 0;
}

static int
replTransferLayer(ReplTransfer *transfer, const ReplPlanStep *step, GError **err)
{
    const ReplPrepared *prepared = transfer->replication->prepared;
    const ReplLayer *source = replChainLayer(prepared->chain, step->layer);
    gboolean existed = FALSE;
    g_auto(ReplFd) fd = -1;
    int rc;

    fd = replPartialOpen(prepared->staging, transfer->replication->id, step->layer, &existed, err);
    if (fd < 0)
        return -1;
    if (!existed || (!transfer->layer->done &&
                     (transfer->layer->checkpoint_bytes == 0 || step->action == REPL_STEP_CONVERT))) {
        transfer->layer->done = FALSE;
        transfer->layer->checkpoint_bytes = 0;
        if (ftruncate(fd, 0) < 0) {
            replErrorSetSystem(err, errno, _("Cannot empty the partial file of '%s'"), step->volume);
            return -1;
        }
    }
    if (step->action == REPL_STEP_CONVERT) {
        if (!transfer->layer->done && replTransferConvert(transfer, step, fd, err) < 0)
            return -1;
        return replTransferDone(transfer, step, err);
    }
    if (!transfer->layer->done) {
        if ((rc = replTransferClone(source, step, fd, err)) < 0 ||
            (rc == 0 && replTransferCopy(transfer, source, fd, err) < 0))
            return -1;
    }
    if (replTransferRebase(source, step, fd, err) < 0)
        return -1;
    return replTransferDone(transfer, step, err);
}

/* What is there of the layers from an earlier attempt, so that progress goes on from it. */
static guint64
replTransferBefore(const ReplReplication *replication)
{
    guint64 bytes = 0;
    guint i;

    for (i = 0; i < replication->record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(replication->record->layers, i);
        const ReplPlanStep *step = g_ptr_array_index(replication->prepared->plan->steps, i);

        bytes += layer->done ? step->bytes : MIN(layer->checkpoint_bytes, step->bytes);
    }
    return bytes;
}

int
replTransferRun(ReplJob *job, ReplReplication *replication, GError **err)
{
    guint i;

    replJobSetProcessed(job, replTransferBefore(replication));
    for (i = 0; i < replication->prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(replication->prepared->plan->steps, i);
        ReplTransfer transfer = {job, replication, g_ptr_array_index(replication->record->layers, i)};

        if (step->action != REPL_STEP_REUSE) {
            replJobSetStepState(job, i, REPL_STEP_RUNNING);
            if (replTransferLayer(&transfer, step, err) < 0) {
                replJobSetStepState(job, i, REPL_STEP_FAILED);
                return -1;
            }
        }
        replJobSetStepState(job, i, REPL_STEP_DONE);
        if (replJobCheck(job, err) < 0)
            return -1;
    }
    return 0;
}

/* What can be told without reading it all again: size, and that a qcow2 header is a good one which
 * names the planned layer below. (Every write was checked when it was made.) */
static int
replTransferVerifyLayer(const ReplPrepared *prepared, const char *jobId, const ReplPlanStep *step,
                        GError **err)
{
    const ReplLayer *source = replChainLayer(prepared->chain, step->layer);
    g_auto(ReplFd) fd = replPartialOpen(prepared->staging, jobId, step->layer, NULL, err);
    g_autoptr(ReplQcow2Header) header = NULL;
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file of '%s'"), step->volume);
        return -1;
    }
    if (step->action != REPL_STEP_CONVERT && st.st_size != source->st.st_size) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The copy of layer '%s' has %llu bytes instead of %llu"), source->volume,
                     (unsigned long long)st.st_size, (unsigned long long)source->st.st_size);
        return -1;
    }
    if (step->format != REPL_FORMAT_QCOW2)
        return 0;
    if (!(header = replQcow2HeaderRead(fd, step->volume, err)))
        return -1;
    if (g_strcmp0(header->backing, step->backing) != 0) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The copy of layer '%s' has the backing file '%s' instead of '%s'"), source->volume,
                     header->backing ? header->backing : "", step->backing ? step->backing : "");
        return -1;
    }
    return 0;
}

int
replTransferVerify(ReplJob *job, ReplReplication *replication, GError **err)
{
    guint i;

    if (replChainChanged(replication->prepared->chain, err) < 0)
        return -1;
    for (i = 0; i < replication->prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(replication->prepared->plan->steps, i);

        if (replJobCheck(job, err) < 0)
            return -1;
        if (step->action != REPL_STEP_REUSE &&
            replTransferVerifyLayer(replication->prepared, replication->id, step, err) < 0)
            return -1;
    }
    return 0;
}
