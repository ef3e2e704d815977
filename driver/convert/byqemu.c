/*
 * byqemu.c: conversions that qemu-img does
 *
 * A layer on top of others is written on top of the source's own lower layers: what a guest sees there is the same as
 * in the target's, and they are complete and open already. The target then gets its real backing
 * reference, so QEMU never opens a file of the target but the one it writes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "convert/convertpriv.h"

/* CPU time that a conversion may spend without anything to be seen of it: decompressing or encrypting a percent of
 * a large image takes seconds. */
#define REPL_CONVERT_STALL_S 300
/* Attempts to make a LUKS header: three in ten were seen to fail on an idle, fast machine, each within 10 ms. */
#define REPL_CONVERT_ROUNDS 50
/* A random secret of this size cannot be guessed. */
#define REPL_CONVERT_RANDOM_ITER_MS 10

/* One conversion. */
typedef struct {
    const ReplConvertJob *job;
    const ReplLayer *layer;
    const ReplConvert *convert;
    ReplQemuFile *files; /* from the layer down */
    ReplQemuChain chain; /* of them */
    ReplQemuTarget target;
    ReplConvertCipher cipher;
} ReplByQemu;

/* A conversion of @layers layers has this much address space. */
static guint64
replConvertMemory(guint layers)
{
    /* Code, stacks and buffers of 16 coroutines and its worker threads; each layer's tables. */
    return (G_GUINT64_CONSTANT(4) << 30) + layers * (G_GUINT64_CONSTANT(64) << 20);
}

/* Layer @index and all below as qemu-img gets them; an array of @count to be freed. */
static ReplQemuFile *
replConvertFiles(const ReplChain *chain, guint index, const ReplSecretBuf *const *sources, guint *count)
{
    guint i;
    ReplQemuFile *files;

    *count = replChainEnd(chain, index) - index;
    files = g_new0(ReplQemuFile, *count);
    for (i = 0; i < *count; i++) {
        const ReplLayer *layer = replChainLayer(chain, index + i);

        files[i].fd = layer->fd;
        files[i].format = layer->format;
        files[i].secret = sources ? sources[index + i] : NULL;
        files[i].legacyAes = layer->qcow2 && layer->qcow2->cryptMethod == REPL_QCOW2_CRYPT_AES;
    }
    return files;
}

static gboolean
replByQemuIsEncrypted(const ReplLayer *layer)
{
    return layer->format == REPL_FORMAT_LUKS ||
           (layer->qcow2 && layer->qcow2->cryptMethod != REPL_QCOW2_CRYPT_NONE);
}

int
replConvertCheckText(const ReplSecretBuf *secret, const char *volume, GError **err)
{
    if (!secret) {
        replErrorSet(err, VIR_ERR_INVALID_SECRET, _("Volume '%s' is encrypted, and its secret is missing"),
                     volume);
        return -1;
    }
    if (g_utf8_validate((const char *)secret->data, (gssize)secret->length, NULL))
        return 0;
    replErrorSet(err, VIR_ERR_INVALID_SECRET,
                 _("The secret of volume '%s' is no UTF-8 text, which qemu-img needs to convert it"), volume);
    return -1;
}

int
replConvertCheckTexts(const ReplConvertJob *job, GError **err)
{
    guint i;

    for (i = job->step->layer; i < replChainEnd(job->chain, job->step->layer); i++) {
        const ReplLayer *layer = replChainLayer(job->chain, i);

        if (replByQemuIsEncrypted(layer) &&
            replConvertCheckText(job->sources ? job->sources[i] : NULL, layer->volume, err) < 0)
            return -1;
    }
    if (job->step->convert.toEncrypted && job->secret)
        return replConvertCheckText(job->secret, job->step->volume, err);
    return 0;
}

/* The form of the new layer: that of a qcow2 source, so far as it is kept. */
static int
replByQemuTarget(ReplByQemu *q, GError **err)
{
    const ReplQcow2Header *header = q->layer->qcow2;
    ReplQemuTarget *target = &q->target;

    target->fd = replWriterFd(q->job->target);
    target->format = q->convert->toFormat;
    target->preallocate = q->convert->contiguous && target->format == REPL_FORMAT_QCOW2;
    if (header && !q->convert->contiguous) {
        target->clusterBits = header->clusterBits;
        target->refcountOrder = header->refcountOrder;
        target->lazyRefcounts =
            header->version >= 3 && (header->compatible & REPL_QCOW2_COMPAT_LAZY_REFCOUNTS);
        target->extendedL2 = replQcow2IsExtendedL2(header);
        target->zstd = header->compression == REPL_QCOW2_COMPRESSION_ZSTD;
    }
    if (!q->convert->toEncrypted)
        return 0;
    if (replConvertCipher(q->job->request, &q->cipher, &target->luks, err) < 0)
        return -1;
    target->luks.secret = q->job->secret;
    if (q->job->kdf == REPL_LUKS_KDF_RANDOM)
        target->luks.iterTime_ms = REPL_CONVERT_RANDOM_ITER_MS;
    return 0;
}

/* QEMU measures how fast the machine is before it makes a LUKS header, and gives up where it sees no CPU time pass,
 * since the kernel counts by ticks: nothing but the beginning of the header is written by then. */
static gboolean
replByQemuTryAgain(const ReplByQemu *q, const GError *failed, guint round)
{
    if (!strstr(failed->message, "Unable to get accurate CPU usage") || round >= REPL_CONVERT_ROUNDS ||
        ftruncate(replWriterFd(q->job->target), 0) < 0)
        return FALSE;
    replInfo("qemu-img could not measure the CPU for a LUKS header of volume '%s': trying again",
             q->layer->volume);
    return TRUE;
}

void
replConvertQemuError(GError *failed, const char *volume, GError **err)
{
    /* QEMU's words (LC_ALL=C), crypto/block-luks.c. */
    if (!strstr(failed->message, "Invalid password")) {
        g_propagate_error(err, failed);
        return;
    }
    replErrorSet(err, VIR_ERR_AUTH_FAILED, _("A passphrase does not open volume '%s' or a layer below it"),
                 volume);
    g_error_free(failed);
}

static int
replByQemuRun(const ReplByQemu *q, const ReplQemuCommand *command, guint64 bytes, GError **err)
{
    const ReplQemuRun run = {
        .memory_bytes = replConvertMemory(q->chain.count),
        .stall_s = REPL_CONVERT_STALL_S,
        .watch = q->job->watch,
        .meterFd = bytes ? replWriterFd(q->job->target) : -1,
        .total_bytes = bytes,
    };
    guint round;

    for (round = 1;; round++) {
        g_autoptr(GError) local = NULL;

        if (replQemuImgRun(command, &run, q->layer->volume, NULL, NULL, &local) == 0)
            return 0;
        if (replByQemuTryAgain(q, local, round))
            continue;
        replConvertQemuError(g_steal_pointer(&local), q->layer->volume, err);
        return -1;
    }
}

static int
replByQemuConvert(const ReplByQemu *q, GError **err)
{
    gboolean onTop = q->chain.count > 1 && !q->convert->flatten;
    /* The option is an error where there are none. */
    gboolean bitmaps = q->layer->qcow2 && q->layer->qcow2->bitmapCount > 0 && !onTop &&
                       q->convert->toFormat == REPL_FORMAT_QCOW2;
    g_autoptr(ReplQemuCommand) create = NULL, convert = NULL;

    if (!onTop) {
        convert = replQemuArgvConvert(&q->chain, &q->target, bitmaps);
        return replByQemuRun(q, convert, q->job->step->bytes, err);
    }
    create = replQemuArgvCreate(&q->target, q->layer->virtualSize_bytes);
    convert = replQemuArgvConvertLayer(&q->chain, &q->target);
    if (replByQemuRun(q, create, 0, err) < 0)
        return -1;
    return replByQemuRun(q, convert, q->job->step->bytes, err);
}

/* Opens what was made as anybody would, and looks for errors. (Leaked clusters, status 3, are none.) */
static int
replByQemuCheck(const ReplByQemu *q, GError **err)
{
    const ReplQemuFile file = {
        .fd = q->target.fd, .format = q->target.format, .secret = q->target.luks.secret};
    const ReplQemuRun run = {.memory_bytes = replConvertMemory(1),
                             .stall_s = REPL_CONVERT_STALL_S,
                             .watch = q->job->watch,
                             .meterFd = -1};
    g_autoptr(ReplQemuCommand) command = replQemuArgvCheck(&file);
    int status;

    if (file.format != REPL_FORMAT_QCOW2)
        return 0;
    if (replQemuImgRun(command, &run, q->job->step->volume, NULL, &status, err) < 0)
        return -1;
    if (status == 0 || status == 3)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("The converted layer '%s' is not in order: qemu-img check ended with status %d"),
                 q->job->step->volume, status);
    return -1;
}

int
replConvertByQemu(const ReplConvertJob *job, ReplConvertResult *result, GError **err)
{
    ReplByQemu q = {
        .job = job, .layer = replChainLayer(job->chain, job->step->layer), .convert = &job->step->convert};
    g_autofree ReplQemuFile *files = NULL;
    int ret = -1;

    q.files = files = replConvertFiles(job->chain, job->step->layer, job->sources, &q.chain.count);
    q.chain.files = files;
    if (replConvertCheckTexts(job, err) == 0 && replByQemuTarget(&q, err) == 0 &&
        replByQemuConvert(&q, err) == 0 && replByQemuCheck(&q, err) == 0)
        ret = 0;
    g_free(q.cipher.cipher);
    return ret;
}

int
replConvertByOverlay(const ReplConvertJob *job, GError **err)
{
    const ReplQemuTarget target = {.fd = replWriterFd(job->target), .format = REPL_FORMAT_QCOW2};
    const ReplQemuRun run = {.memory_bytes = replConvertMemory(1),
                             .stall_s = REPL_CONVERT_STALL_S,
                             .watch = job->watch,
                             .meterFd = -1};
    g_autoptr(ReplQemuCommand) create =
        replQemuArgvCreate(&target, replChainLayer(job->chain, job->step->layer)->virtualSize_bytes);

    return replQemuImgRun(create, &run, job->step->volume, NULL, NULL, err);
}
