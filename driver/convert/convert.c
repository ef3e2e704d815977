/*
 * convert.c: a layer is written in another form
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "convert/convert.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "convert/convertpriv.h"
#include "qcow2/backing.h"

static int
replConvertCheckTarget(const ReplConvertJob *job, GError **err)
{
    int fd = replWriterFd(job->target);
    struct stat st;

    if (fd < 0) /* new by contract */
        return 0;
    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file of '%s'"), job->step->volume);
        return -1;
    }
    if (st.st_size == 0)
        return 0;
    replErrorSet(err, VIR_ERR_INVALID_ARG, _("The partial file of '%s' is not an empty regular file"),
                 job->step->volume);
    return -1;
}

/* What is done by descriptor needs one. */
static int
replConvertNeedFile(const ReplConvertJob *job, GError **err)
{
    if (replWriterFd(job->target) >= 0)
        return 0;
    replErrorSet(err, VIR_ERR_NO_SUPPORT,
                 _("Layer '%s' cannot be converted on its way to another host: this conversion needs a file "
                   "on this one. Replicate it into a region of this host first"),
                 job->step->volume);
    return -1;
}

static gboolean
replConvertIsSlot(const ReplConvert *convert)
{
    return convert->rekey == REPL_REKEY_SLOT && convert->fromEncrypted && convert->toEncrypted &&
           !convert->flatten && !convert->contiguous;
}

int
replConvertNeedsFile(const ReplConvertJob *job, GError **err)
{
    const ReplConvert *convert = &job->step->convert;
    int ours;

    if (convert->overlay || replConvertIsSlot(convert))
        return 1;
    ours = replConvertIsOurs(replChainLayer(job->chain, job->step->layer), convert, job->request, err);
    return ours < 0 ? -1 : !ours;
}

static int
replConvertWrite(const ReplConvertJob *job, ReplConvertResult *result, GError **err)
{
    const ReplConvert *convert = &job->step->convert;
    const ReplLayer *layer = replChainLayer(job->chain, job->step->layer);
    g_autoptr(GError) local = NULL;
    int ours;

    if (convert->overlay) {
        result->way = REPL_CONVERT_BY_QEMU_IMG;
        return replConvertNeedFile(job, err) < 0 ? -1 : replConvertByOverlay(job, err);
    }
    if (replConvertIsSlot(convert)) {
        result->way = REPL_CONVERT_BY_SLOT;
        return replConvertNeedFile(job, err) < 0 ? -1 : replConvertBySlot(job, result, err);
    }
    if ((ours = replConvertIsOurs(layer, convert, job->request, err)) < 0)
        return -1;
    result->way = REPL_CONVERT_BY_ENGINE;
    if (ours && replConvertByEngine(job, &local) == 0)
        return 0;
    /* Only the engine's own tables tell that a layer is too large for it; the plan has seen that, too. */
    if (local && (!g_error_matches(local, REPL_ERROR, VIR_ERR_NO_SUPPORT) || replWriterFd(job->target) < 0 ||
                  ftruncate(replWriterFd(job->target), 0) < 0)) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    result->way = REPL_CONVERT_BY_QEMU_IMG;
    return replConvertNeedFile(job, err) < 0 ? -1 : replConvertByQemu(job, result, err);
}

/* The reference to the layer below: relative, with its format. Our engine has written it already. */
static int
replConvertRebase(const ReplConvertJob *job, GError **err)
{
    const ReplPlanStep *step = job->step;
    int fd = replWriterFd(job->target);

    if (fd < 0)
        return 0;
    if (step->convert.toFormat == REPL_FORMAT_QCOW2 &&
        replQcow2SetBacking(fd, step->backing, step->backing ? replFormatToString(step->backingFormat) : NULL,
                            step->volume, err) < 0)
        return -1;
    if (fsync(fd) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot sync the partial file of '%s'"), step->volume);
    return -1;
}

static int
replConvertWrong(const ReplConvertJob *job, const char *what, guint64 is, guint64 should, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("The converted layer '%s' is not what it should be: %s is %llu instead of %llu"),
                 job->step->volume, what, (unsigned long long)is, (unsigned long long)should);
    return -1;
}

/* What was lost on the way. */
static void
replConvertTell(const ReplConvertJob *job, const ReplQcow2Header *header, ReplConvertResult *result)
{
    const ReplLayer *layer = replChainLayer(job->chain, job->step->layer);
    guint snapshots = 0, bitmaps, i;

    for (i = job->step->layer; i < replChainEnd(job->chain, job->step->layer); i++) {
        const ReplLayer *from = replChainLayer(job->chain, i);

        snapshots += from->qcow2 ? from->qcow2->snapshotCount : 0;
        if (!job->step->convert.flatten)
            break;
    }
    bitmaps = layer->qcow2 ? layer->qcow2->bitmapCount : 0;
    if (job->step->convert.overlay)
        return; /* what the image has stays where it is */
    result->snapshotsLost = snapshots - MIN(snapshots, header ? header->snapshotCount : 0);
    result->bitmapsLost = bitmaps - MIN(bitmaps, header ? header->bitmapCount : 0);
}

static int
replConvertVerify(const ReplConvertJob *job, ReplConvertResult *result, GError **err)
{
    const ReplLayer *layer = replChainLayer(job->chain, job->step->layer);
    const ReplConvert *convert = &job->step->convert;
    guint method = convert->toEncrypted ? REPL_QCOW2_CRYPT_LUKS : REPL_QCOW2_CRYPT_NONE;
    /* QEMU counts in sectors. */
    guint64 size_bytes = (layer->virtualSize_bytes + 511) & ~(guint64)511;
    g_autoptr(ReplQcow2Header) header = NULL;
    int fd = replWriterFd(job->target);
    ReplFormat format;

    if (fd < 0) /* our engine, which loses nothing; the other side looks at what it has */
        return 0;
    if (replFormatProbe(fd, job->step->volume, &format, err) < 0)
        return -1;
    if (convert->toFormat == REPL_FORMAT_QCOW2) {
        if (!(header = replQcow2HeaderRead(fd, job->step->volume, err)))
            return -1;
        if (header->cryptMethod != method)
            return replConvertWrong(job, _("the encryption method"), header->cryptMethod, method, err);
        if (layer->format != REPL_FORMAT_LUKS && header->virtualSize_bytes != size_bytes &&
            header->virtualSize_bytes != layer->virtualSize_bytes)
            return replConvertWrong(job, _("the virtual size"), header->virtualSize_bytes, size_bytes, err);
    } else if (convert->toFormat == REPL_FORMAT_LUKS && format != REPL_FORMAT_LUKS) {
        return replConvertWrong(job, _("the format"), format, REPL_FORMAT_LUKS, err);
    }
    replConvertTell(job, header, result);
    return 0;
}

int
replConvertRun(const ReplConvertJob *job, ReplConvertResult *result, GError **err)
{
    *result = (ReplConvertResult){0};
    if (job->step->convert.toEncrypted && !job->secret) {
        /* Nothing may be written plain by mistake. */
        replErrorSet(err, VIR_ERR_INVALID_SECRET,
                     _("Volume '%s' is to be encrypted, and its secret is missing"), job->step->volume);
        return -1;
    }
    if (replConvertCheckTarget(job, err) < 0 || replConvertWrite(job, result, err) < 0)
        return -1;
    if (replConvertRebase(job, err) < 0)
        return -1;
    return replConvertVerify(job, result, err);
}
