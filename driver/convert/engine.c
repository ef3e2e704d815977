/*
 * engine.c: conversions that our own engine does: the only file here that calls luks/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/convert.h"

#include "convert/convertpriv.h"
#include "copy/files.h"

/* Raw files are flat: they lie at the bottom of a chain, and have nothing to lose. */
static gboolean
replEngineIsFlat(ReplFormat format)
{
    return format == REPL_FORMAT_RAW || format == REPL_FORMAT_LUKS;
}

int
replConvertIsOurs(const ReplLayer *layer, const ReplConvert *convert, const ReplRequest *request,
                  GError **err)
{
    gsize keyBytes;
    ReplLuksVerdict verdict;

    if (convert->flatten || (convert->toEncrypted && !replConvertCipherIsOurs(request, &keyBytes)))
        return 0;
    if (!replEngineIsFlat(convert->fromFormat) &&
        (convert->contiguous || convert->fromFormat != REPL_FORMAT_QCOW2 ||
         convert->toFormat != REPL_FORMAT_QCOW2))
        return 0;
    if (replLuksJudge(layer->fd, layer->volume, convert->fromFormat, convert->toEncrypted, &verdict, err) < 0)
        return -1;
    return verdict.way == REPL_LUKS_BY_ENGINE ||
           (verdict.way == REPL_LUKS_BY_COPY && replEngineIsFlat(convert->fromFormat));
}

/* What both ways need to know of the source and the target. */
static ReplLuksConvert
replEngineParams(const ReplConvertJob *job)
{
    guint index = job->step->layer;
    ReplLuksConvert params = {
        .what = replChainLayer(job->chain, index)->volume,
        .source = job->sources ? job->sources[index] : NULL,
        .sourceKey = job->keys ? job->keys[index] : NULL,
        .target = job->step->convert.toEncrypted ? job->secret : NULL,
        .kdf = job->kdf,
        .watch = job->watch,
        .setBacking = TRUE,
        .backing = job->step->backing,
        .backingFormat = job->step->backing ? replFormatToString(job->step->backingFormat) : NULL,
    };

    replConvertCipherIsOurs(job->request, &params.keyBytes);
    return params;
}

int
replConvertByEngine(const ReplConvertJob *job, GError **err)
{
    const ReplLayer *layer = replChainLayer(job->chain, job->step->layer);
    const ReplLuksConvert params = replEngineParams(job);

    if (replEngineIsFlat(layer->format))
        return replLuksConvertRaw(layer->fd, layer->format, job->target, job->step->convert.toFormat, &params,
                                  err);
    return replLuksConvert(layer->fd, job->target, &params, err);
}

int
replConvertBySlot(const ReplConvertJob *job, ReplConvertResult *result, GError **err)
{
    const ReplLayer *layer = replChainLayer(job->chain, job->step->layer);
    const ReplCopyJob copy = {.watch = job->watch, .size_bytes = layer->st.st_size};
    const ReplLuksConvert params = replEngineParams(job);
    g_autoptr(ReplReader) reader = replFileReaderNew(layer->fd, NULL, err);
    int rc = reader ? replWriterClone(job->target, reader, err) : -1;

    if (rc < 0 || (rc == 0 && replCopyRun(reader, job->target, &copy, err) < 0))
        return -1;
    result->cloned = rc > 0;
    return replLuksRekeySlot(replWriterFd(job->target), &params, err);
}
