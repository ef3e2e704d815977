/*
 * convert.c: layers are encrypted, decrypted and given other keys
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/convert.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/files.h"
#include "luks/flow.h"
#include "luks/layout.h"
#include "luks/open.h"
#include "qcow2/backing.h"
#include "qcow2/bytes.h"

/* One conversion; what it holds is freed in convertClear. */
typedef struct {
    const ReplLuksConvert *params;
    int src;
    ReplWriter *dst;
    ReplLuksHeader *fresh; /* the target's LUKS header, NULL: plain */
    ReplLuksLayout *layout;
    ReplXts *decrypt;
    ReplXts *encrypt;
    ReplLuksFlow flow;
} ReplConversionRun;

static void
convertClear(ReplConversionRun *run)
{
    replLuksHeaderFree(run->fresh);
    replLuksLayoutFree(run->layout);
    replXtsFree(run->decrypt);
    replXtsFree(run->encrypt);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplConversionRun, convertClear)

/* Walks are stopped by asking the copy's watch, with nothing to read. */
static int
convertProceed(void *opaque, guint64 bytes, GError **err)
{
    const ReplCopyWatch *watch = opaque;

    (void)bytes;
    return watch->admit ? watch->admit(watch->opaque, 0, err) : 0;
}

/* A writer without a file is new by contract. */
static int
convertCheckTarget(const ReplConversionRun *run, GError **err)
{
    int fd = replWriterFd(run->dst);
    struct stat st;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the target of volume '%s'"), run->params->what);
        return -1;
    }
    if (st.st_size != 0) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The target of volume '%s' must be an empty regular file"),
                     run->params->what);
        return -1;
    }
    return 0;
}

/* Keys of both sides; a wrong passphrase shows before anything is written. */
static int
convertKeys(ReplConversionRun *run, const ReplQcow2Header *header, GError **err)
{
    const ReplLuksConvert *p = run->params;

    if (header->cryptMethod != REPL_QCOW2_CRYPT_NONE) {
        g_autoptr(ReplSecretBuf) key = replLuksOpenQcow2(run->src, header, p, err);

        if (!key || !(run->decrypt = replXtsNew(key, FALSE, err)))
            return -1;
    }
    if (p->target) {
        g_autoptr(ReplSecretBuf) key = NULL;

        run->fresh = replLuksHeaderCreate(p->keyBytes ? p->keyBytes : 64, p->target, p->kdf, &key, err);
        if (!run->fresh || !(run->encrypt = replXtsNew(key, TRUE, err)))
            return -1;
    }
    return 0;
}

static int
convertLayOut(ReplConversionRun *run, GError **err)
{
    ReplQcow2Watch watch = {.proceed = convertProceed, .opaque = (void *)run->params->watch};

    run->layout =
        replLuksLayoutMake(run->src, run->params->what, run->fresh ? replLuksHeaderLength(run->fresh) : 0,
                           !run->decrypt && run->encrypt, run->params->watch ? &watch : NULL, err);
    if (!run->layout)
        return -1;
    run->flow.layout = run->layout;
    run->flow.decrypt = run->decrypt;
    run->flow.encrypt = run->encrypt;
    return 0;
}

/* The first cluster of the target. */
static guint8 *
convertHeader(ReplConversionRun *run, guint64 *used, GError **err)
{
    const ReplLuksLayout *l = run->layout;
    ReplQcow2Edit edit = {.setBacking = run->params->setBacking,
                          .backing = run->params->backing,
                          .format = run->params->backingFormat,
                          .setLuks = TRUE,
                          .luksOffset = l->luksOffset,
                          .luksLength = l->luksLength};
    guint8 *buf = replQcow2HeaderRebuild(run->src, l->header, &edit, run->params->what, used, err);

    if (!buf)
        return NULL;
    replPutBe64(buf + 48, l->tableOffset);
    replPutBe32(buf + 56, l->tableClusters);
    /* Refcounts were counted: nothing is dirty. */
    if (l->header->version >= 3)
        replPutBe64(buf + 72, l->header->incompatible & ~(guint64)REPL_QCOW2_INCOMPAT_DIRTY);
    return buf;
}

/* The source's last cluster, of which the file holds only a part; the rest reads as zeros. */
static int
convertTail(ReplConversionRun *run, GError **err)
{
    const ReplLuksLayout *l = run->layout;
    guint64 cluster = replQcow2ClusterSize(l->header);
    guint64 offset = l->header->fileSize_bytes / cluster * cluster;
    ReplExtent part = {.srcOffset_bytes = offset, .dstOffset_bytes = offset, .length_bytes = cluster};
    g_autofree guint8 *buf = NULL;
    ssize_t n;
    int kind;

    if (offset == l->header->fileSize_bytes)
        return 0;
    if ((kind = replLuksKindOf(l, replQcow2MapClass(l->map, offset))) < 0)
        return 0;
    part.kind = kind;
    buf = g_malloc0(cluster);
    if ((n = replPreadFull(run->src, buf, cluster, offset)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), run->params->what);
        return -1;
    }
    /* What the file does not hold of encrypted data is not there to be decrypted, but QEMU reads it as zeros and
     * decrypts those: so do we. */
    if (replLuksFlowApply(&run->flow, &part, buf, err) < 0)
        return -1;
    return replWriterWrite(run->dst, buf, cluster, offset, err);
}

static int
convertCopy(ReplConversionRun *run, GError **err)
{
    g_autoptr(ReplReader) reader = replFileReaderNew(run->src, NULL, err);
    ReplLuksStream stream = {.layout = run->layout};
    ReplExtentSource extents = {.next = replLuksStreamNext, .opaque = &stream};
    ReplTransform transform = {
        .apply = replLuksFlowApply, .opaque = &run->flow, .align_bytes = replLuksFlowAlign(run->layout)};
    ReplCopyJob job = {.extents = &extents,
                       .transform = &transform,
                       .watch = run->params->watch,
                       .size_bytes = run->layout->size_bytes};

    if (!reader)
        return -1;
    return replCopyRun(reader, run->dst, &job, err);
}

int
replLuksConvert(int src, ReplWriter *dst, const ReplLuksConvert *params, GError **err)
{
    g_auto(ReplConversionRun) run = {.params = params, .src = src, .dst = dst};
    g_autoptr(ReplQcow2Header) header = replQcow2HeaderRead(src, params->what, err);
    g_autofree guint8 *first = NULL;
    guint64 used;

    if (!header || convertCheckTarget(&run, err) < 0 || convertKeys(&run, header, err) < 0 ||
        convertLayOut(&run, err) < 0 || !(first = convertHeader(&run, &used, err)))
        return -1;
    if (replWriterResize(dst, run.layout->size_bytes, err) < 0 ||
        replLuksLayoutWriteRefcounts(run.layout, dst, err) < 0 || convertTail(&run, err) < 0)
        return -1;
    if (run.fresh && replLuksHeaderWrite(run.fresh, dst, run.layout->luksOffset, params->what, err) < 0)
        return -1;
    /* Syncs all of it. */
    if (convertCopy(&run, err) < 0)
        return -1;
    /* From here on it is an image. */
    if (replWriterWrite(dst, first, used, 0, err) < 0)
        return -1;
    return replWriterFlush(dst, TRUE, err);
}

int
replLuksConvertBytes(int src, const char *what, gboolean encrypt, guint64 *bytes, GError **err)
{
    /* The size of the header does not matter here. */
    g_autoptr(ReplLuksLayout) layout =
        replLuksLayoutMake(src, what, encrypt ? 2 << 20 : 0, encrypt, NULL, err);

    if (!layout)
        return -1;
    *bytes = replLuksStreamBytes(layout);
    return 0;
}
