/*
 * raw.c: raw and raw LUKS files are converted, into the same forms or into qcow2
 *
 * Raw LUKS counts its sectors from the start of the payload, LUKS in qcow2 from the start of the file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/convert.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/files.h"
#include "luks/flat.h"
#include "luks/open.h"
#include "luks/xts.h"

#define REPL_RAW_EXTENT 2

typedef struct {
    const ReplLuksConvert *params;
    int src;
    ReplWriter *dst;
    ReplXts *decrypt;
    ReplXts *encrypt;
    ReplLuksHeader *fresh;
    guint64 srcPayload_bytes; /* where guest data begins in the source */
    guint64 srcSize_bytes;    /* of the source file */
    guint64 guestSize_bytes;  /* rounded up to 512 */
    ReplFlat *flat;           /* of a qcow2 target; of a raw one only its single run is used */
    guint64 dstBase_bytes;    /* what the target's sector numbers count from */
    guint run;                /* the stream's position */
} ReplRawRun;

static void
rawClear(ReplRawRun *raw)
{
    replXtsFree(raw->decrypt);
    replXtsFree(raw->encrypt);
    replLuksHeaderFree(raw->fresh);
    replFlatFree(raw->flat);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplRawRun, rawClear)

static int
rawApply(void *opaque, const ReplExtent *part, guint8 *buf, GError **err)
{
    ReplRawRun *raw = opaque;

    if (raw->decrypt &&
        replXtsRun(raw->decrypt, (part->srcOffset_bytes - raw->srcPayload_bytes) / REPL_LUKS_SECTOR, buf,
                   part->length_bytes, err) < 0)
        return -1;
    if (!raw->encrypt)
        return 0;
    return replXtsRun(raw->encrypt, (part->dstOffset_bytes - raw->dstBase_bytes) / REPL_LUKS_SECTOR, buf,
                      part->length_bytes, err);
}

/* How much of @run the source file has in whole clusters (or sectors, in a raw target). */
static guint64
rawWhole(const ReplRawRun *raw, const ReplFlatRun *run)
{
    guint64 unit = raw->flat->l1Entries ? REPL_FLAT_CLUSTER : REPL_LUKS_SECTOR;
    guint64 there = raw->srcSize_bytes - raw->srcPayload_bytes;

    if (there < run->guest_bytes)
        return 0;
    return MIN(run->length_bytes, (there - run->guest_bytes) / unit * unit);
}

static int
rawNext(void *opaque, ReplExtent *extent, GError **err)
{
    ReplRawRun *raw = opaque;

    (void)err;
    while (raw->run < raw->flat->runs->len) {
        const ReplFlatRun *run = &g_array_index(raw->flat->runs, ReplFlatRun, raw->run++);

        extent->srcOffset_bytes = raw->srcPayload_bytes + run->guest_bytes;
        extent->dstOffset_bytes = run->host_bytes;
        extent->length_bytes = rawWhole(raw, run);
        extent->kind = raw->decrypt || raw->encrypt ? REPL_RAW_EXTENT : REPL_EXTENT_PLAIN;
        if (extent->length_bytes > 0)
            return 1;
    }
    return 0;
}

/* The last unit of the last run, where the source file ends inside it. */
static int
rawTail(ReplRawRun *raw, GError **err)
{
    const ReplFlatRun *run =
        raw->flat->runs->len ? &g_array_index(raw->flat->runs, ReplFlatRun, raw->flat->runs->len - 1) : NULL;
    guint64 whole = run ? rawWhole(raw, run) : 0;
    ReplExtent part = {.kind = REPL_RAW_EXTENT};
    g_autofree guint8 *buf = NULL;

    if (!run || whole == run->length_bytes)
        return 0;
    part.srcOffset_bytes = raw->srcPayload_bytes + run->guest_bytes + whole;
    part.dstOffset_bytes = run->host_bytes + whole;
    part.length_bytes = run->length_bytes - whole;
    buf = g_malloc0(part.length_bytes);
    if (replPreadFull(raw->src, buf, part.length_bytes, part.srcOffset_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), raw->params->what);
        return -1;
    }
    if (rawApply(raw, &part, buf, err) < 0)
        return -1;
    return replWriterWrite(raw->dst, buf, part.length_bytes, part.dstOffset_bytes, err);
}

static int
rawCheck(ReplRawRun *raw, ReplFormat from, ReplFormat to, GError **err)
{
    int fd = replWriterFd(raw->dst);
    struct stat src, dst = {0}; /* a writer without a file is new by contract */

    if (fstat(raw->src, &src) < 0 || (fd >= 0 && fstat(fd, &dst) < 0)) {
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s' and its target"), raw->params->what);
        return -1;
    }
    if (!S_ISREG(src.st_mode) || dst.st_size != 0 || (from != REPL_FORMAT_RAW && from != REPL_FORMAT_LUKS) ||
        (from == REPL_FORMAT_RAW && to == REPL_FORMAT_RAW) ||
        (to != REPL_FORMAT_QCOW2 && to != (raw->params->target ? REPL_FORMAT_LUKS : REPL_FORMAT_RAW))) {
        replErrorSet(
            err, VIR_ERR_INVALID_ARG,
            _("Volume '%s' cannot be converted from %s to %s this way, or not into a file with content"),
            raw->params->what, replFormatToString(from), replFormatToString(to));
        return -1;
    }
    raw->srcSize_bytes = src.st_size;
    return 0;
}

static int
rawKeys(ReplRawRun *raw, ReplFormat from, GError **err)
{
    const ReplLuksConvert *p = raw->params;

    if (from == REPL_FORMAT_LUKS) {
        g_autoptr(ReplSecretBuf) key = replLuksOpenRaw(raw->src, p, &raw->srcPayload_bytes, err);

        if (!key || !(raw->decrypt = replXtsNew(key, FALSE, err)))
            return -1;
        if (raw->srcSize_bytes < raw->srcPayload_bytes) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Volume '%s' is malformed: its file ends inside the LUKS header"), p->what);
            return -1;
        }
    }
    if (p->target) {
        g_autoptr(ReplSecretBuf) key = NULL;

        raw->fresh = replLuksHeaderCreate(p->keyBytes ? p->keyBytes : 64, p->target, p->kdf, &key, err);
        if (!raw->fresh || !(raw->encrypt = replXtsNew(key, TRUE, err)))
            return -1;
    }
    raw->guestSize_bytes = (raw->srcSize_bytes - raw->srcPayload_bytes + 511) & ~511ULL;
    return 0;
}

/* Adds what has data. In an encrypted source every sector has: a hole is noise, not zeros. */
static int
rawFindData(ReplRawRun *raw, GError **err)
{
    guint64 pos = 0;

    if (raw->decrypt) {
        replFlatAdd(raw->flat, 0, raw->guestSize_bytes);
        return 0;
    }
    while (pos < raw->srcSize_bytes) {
        off_t data = lseek(raw->src, pos, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(raw->src, data, SEEK_HOLE);

        if (data < 0 && errno == ENXIO)
            break;
        if (data < 0 && errno == EINVAL) { /* no SEEK_DATA here */
            data = pos;
            hole = raw->srcSize_bytes;
        }
        if (data < 0 || hole < 0) {
            replErrorSetSystem(err, errno, _("Cannot find the data of volume '%s'"), raw->params->what);
            return -1;
        }
        hole = MIN((guint64)hole, raw->srcSize_bytes);
        if (!replFlatAdd(raw->flat, data, hole - data)) {
            replErrorSet(err, VIR_ERR_NO_SUPPORT,
                         _("Volume '%s' has too many holes to be converted in one go"), raw->params->what);
            return -1;
        }
        pos = hole;
    }
    return 0;
}

/* A raw target is one run behind the LUKS header; only decrypted or encrypted things come here. */
static guint64
rawAssignRaw(ReplRawRun *raw)
{
    ReplFlatRun run = {.length_bytes = raw->guestSize_bytes,
                       .host_bytes = raw->fresh ? replLuksHeaderLength(raw->fresh) : 0};

    raw->flat = replFlatNew(raw->guestSize_bytes, 0);
    if (run.length_bytes > 0)
        g_array_append_val(raw->flat->runs, run);
    raw->dstBase_bytes = run.host_bytes;
    return run.host_bytes + run.length_bytes;
}

/* Lays the target out and writes what is not data. Returns its size in *size. */
static int
rawPrepare(ReplRawRun *raw, ReplFormat to, guint64 *size, GError **err)
{
    const char *what = raw->params->what;

    if (to == REPL_FORMAT_QCOW2) {
        raw->flat = replFlatNew(raw->guestSize_bytes, raw->fresh ? replLuksHeaderLength(raw->fresh) : 0);
        if (rawFindData(raw, err) < 0 || replFlatAssign(raw->flat, what, err) < 0 ||
            replWriterResize(raw->dst, raw->flat->size_bytes, err) < 0 ||
            replFlatWriteTables(raw->flat, raw->dst, err) < 0)
            return -1;
        *size = raw->flat->size_bytes;
    } else {
        *size = rawAssignRaw(raw);
        if (replWriterResize(raw->dst, *size, err) < 0)
            return -1;
    }
    return rawTail(raw, err);
}

int
replLuksConvertRaw(int src, ReplFormat from, ReplWriter *dst, ReplFormat to, const ReplLuksConvert *params,
                   GError **err)
{
    g_auto(ReplRawRun) raw = {.params = params, .src = src, .dst = dst};
    g_autoptr(ReplReader) reader = replFileReaderNew(src, NULL, err);
    ReplExtentSource extents = {.next = rawNext, .opaque = &raw};
    ReplTransform transform = {.apply = rawApply, .opaque = &raw, .align_bytes = REPL_LUKS_SECTOR};
    ReplCopyJob job = {.extents = &extents, .transform = &transform, .watch = params->watch};

    if (!reader || rawCheck(&raw, from, to, err) < 0 || rawKeys(&raw, from, err) < 0 ||
        rawPrepare(&raw, to, &job.size_bytes, err) < 0)
        return -1;
    if (raw.fresh && to == REPL_FORMAT_QCOW2 &&
        replLuksHeaderWrite(raw.fresh, dst, raw.flat->luksOffset, params->what, err) < 0)
        return -1;
    if (replCopyRun(reader, dst, &job, err) < 0)
        return -1;
    /* From here on it is an image. */
    if (to == REPL_FORMAT_QCOW2 && replFlatWriteHeader(raw.flat, dst, err) < 0)
        return -1;
    if (to == REPL_FORMAT_LUKS && replLuksHeaderWrite(raw.fresh, dst, 0, params->what, err) < 0)
        return -1;
    return replWriterFlush(dst, TRUE, err);
}
