/*
 * formed.c: a source whose layers get the form that a request asks for on this host, before they leave it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/formedpriv.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/files.h"
#include "luks/header.h"
#include "replicate/scratch.h"
#include "store/partial.h"

/* The partial file of the layer that is being converted: it is renamed when it is whole. */
#define REPL_FORMED_UNFINISHED (REPL_JOB_LAYERS_MAX - 2)
/* Of the header on which the key is tried: AES-256. */
#define REPL_FORMED_KEY_BYTES 64

static const ReplPlanStep *
replFormedStep(const ReplFormed *self, guint layer)
{
    return replPreparedStep(self->prepared, g_array_index(self->steps, guint, layer));
}

static int
replFormedDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts, GError **err)
{
    ReplFormed *self = (ReplFormed *)base;
    ReplPrepared *prepared = self->prepared;

    (void)request; /* its own counts */
    *facts = &self->facts;
    if (self->described)
        return 0;
    if (replSourceDescribe(prepared->source, self->request, &prepared->facts, err) < 0)
        return -1;
    if (!prepared->present)
        prepared->present = g_new0(ReplPresent, prepared->facts->layerCount);
    if (replFormedPlan(self, err) < 0)
        return -1;
    self->described = TRUE;
    return 0;
}

/* --- making a layer --- */

static int
replFormedProceed(void *opaque, guint64 bytes, GError **err)
{
    ReplFormed *self = opaque;

    (void)bytes;
    if (!g_atomic_int_get(&self->cancelled))
        return self->params.proceed(self->params.opaque, err);
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("The replication was cancelled"));
    return -1;
}

/* Converts into the file that is renamed when it is whole; its descriptor, or -1 with @err set. */
static int
replFormedConvert(ReplFormed *self, guint index, GError **err)
{
    const ReplCopyWatch watch = {.admit = replFormedProceed, .opaque = self};
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_auto(ReplFd) fd = replPartialOpen(self->home, self->jobId, REPL_FORMED_UNFINISHED, NULL, err);
    g_autoptr(ReplWriter) writer = NULL;
    ReplConvertJob job;
    ReplConvertResult result;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot empty the partial file of '%s'"),
                           replPreparedStep(self->prepared, index)->volume);
        return -1;
    }
    replUuidParse(self->targetUuid, uuid);
    job = replPreparedConversion(self->prepared, replPreparedStep(self->prepared, index), self->request,
                                 &watch);
    if (!(job.target = writer = replFileWriterNew(fd, NULL, err)) ||
        !(job.chain = replScratchChain(uuid, self->jobId, self->prepared, &watch, err)) ||
        replConvertRun(&job, &result, err) < 0 ||
        replPartialRename(self->home, self->jobId, REPL_FORMED_UNFINISHED, index, err) < 0)
        return -1;
    return replFdSteal(&fd);
}

/* The file of step @index: one that an earlier attempt has left, or a new one. */
static int
replFormedFile(ReplFormed *self, guint index, GError **err)
{
    ReplFileIdentity there;

    if (self->fds[index] >= 0)
        return self->fds[index];
    self->fds[index] = replPartialIdentity(self->home, self->jobId, index, &there, NULL) == 0
                           ? replPartialOpen(self->home, self->jobId, index, NULL, err)
                           : replFormedConvert(self, index, err);
    return self->fds[index];
}

/* Each making of a layer is encrypted with a volume key of its own: a number tells them apart. */
static guint64
replFormedNumber(int fd, const struct stat *st)
{
    g_autofree char *what =
        g_strdup_printf("%llu %llu %lld.%09ld %" G_GINT64_FORMAT, (unsigned long long)st->st_ino,
                        (unsigned long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                        replFileBorn_ns(fd, ""));
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, what, -1);

    digest[16] = '\0';
    return g_ascii_strtoull(digest, NULL, 16);
}

static int
replFormedMakeLayer(ReplSource *base, guint layer, ReplSourceMade *made, GError **err)
{
    ReplFormed *self = (ReplFormed *)base;
    struct stat st;
    int fd;

    if (!self->layers || layer >= self->layers->len || !replFormedLayer(self, layer)->onDemand) {
        replErrorSet(err, VIR_ERR_RPC, _("Layer %u is not made on demand"), layer);
        return -1;
    }
    if ((fd = replFormedFile(self, g_array_index(self->steps, guint, layer), err)) < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file of '%s'"),
                           replFormedLayer(self, layer)->volume);
        return -1;
    }
    *made = (ReplSourceMade){replFormedNumber(fd, &st), st.st_size};
    return 0;
}

static int
replFormedNewKey(ReplSource *base, guint layer, ReplSourceKey *key, GError **err)
{
    ReplFormed *self = (ReplFormed *)base;
    const ReplPreparedKey *with;
    g_autoptr(ReplLuksHeader) header = NULL;
    g_autoptr(ReplSecretBuf) volumeKey = NULL;

    if (!self->layers || layer >= self->layers->len || !replFormedLayer(self, layer)->onDemand ||
        !replFormedLayer(self, layer)->encrypted) {
        replErrorSet(err, VIR_ERR_RPC, _("Layer %u gets no key"), layer);
        return -1;
    }
    with = replPreparedKey(self->prepared, replFormedStep(self, layer)->disk);
    if (!(header = replLuksHeaderCreate(REPL_FORMED_KEY_BYTES, with->secret, with->kdf, &volumeKey, err)))
        return -1;
    key->header_bytes = replLuksHeaderLength(header);
    return (key->header = replLuksHeaderBytes(header, err)) ? 0 : -1;
}

/* --- the rest of the table --- */

static int
replFormedHold(ReplSource *base, GError **err)
{
    return replSourceHold(((ReplFormed *)base)->prepared->source, err);
}

static int
replFormedUnchanged(ReplSource *base, GError **err)
{
    return replSourceUnchanged(((ReplFormed *)base)->prepared->source, err);
}

/* The source's layer that goes as it is as layer @layer; -1: it is converted. */
static int
replFormedAsItIs(const ReplFormed *self, guint layer)
{
    const ReplPlanStep *step;

    if (!self->layers)
        return (int)layer;
    step = replFormedStep(self, layer);
    return step->action == REPL_STEP_CONVERT ? -1 : (int)step->layer;
}

static ReplReader *
replFormedOpenLayer(ReplSource *base, guint layer, GError **err)
{
    ReplFormed *self = (ReplFormed *)base;
    int asItIs = replFormedAsItIs(self, layer);
    int fd;

    if (asItIs >= 0)
        return replSourceOpenLayer(self->prepared->source, (guint)asItIs, err);
    if ((fd = self->fds[g_array_index(self->steps, guint, layer)]) >= 0)
        return replFileReaderNew(fd, NULL, err);
    replErrorSet(err, VIR_ERR_RPC, _("Layer %u has not been made yet"), layer);
    return NULL;
}

/* Ciphertext of a new key is found nowhere. */
static gssize
replFormedDigests(ReplSource *base, guint layer, ReplDigestLevel level, guint64 first, guint count,
                  guint8 *digests, GError **err)
{
    ReplFormed *self = (ReplFormed *)base;
    int asItIs = replFormedAsItIs(self, layer);

    return asItIs < 0
               ? 0
               : replSourceDigests(self->prepared->source, (guint)asItIs, level, first, count, digests, err);
}

static void
replFormedCancel(ReplSource *base)
{
    ReplFormed *self = (ReplFormed *)base;

    g_atomic_int_set(&self->cancelled, TRUE);
    replSourceCancel(self->prepared->source);
}

static void
replFormedWatch(ReplSource *base, ReplTraffic *traffic)
{
    replSourceWatch(((ReplFormed *)base)->prepared->source, traffic);
}

static void
replFormedFree(ReplSource *base)
{
    ReplFormed *self = (ReplFormed *)base;

    for (guint i = 0; self->fds && i < self->prepared->plan->steps->len; i++)
        replFdClose(self->fds[i]);
    g_free(self->fds);
    g_clear_pointer(&self->steps, g_array_unref);
    g_clear_pointer(&self->layers, g_array_unref);
    g_clear_pointer(&self->images, g_ptr_array_unref);
    g_clear_pointer(&self->usages, g_ptr_array_unref);
    g_clear_pointer(&self->home, replStagingUnref);
    replPreparedFree(self->prepared);
    replRequestFree(self->request);
    g_free(self->jobId);
    g_free(self->targetUuid);
    g_free(self->targetRegion);
    g_free(self);
}

ReplSource *
replFormedNew(ReplSource *source, const ReplFormedParams *params)
{
    static const ReplSourceOps ops = {
        .hold = replFormedHold,
        .describe = replFormedDescribe,
        .unchanged = replFormedUnchanged,
        .openLayer = replFormedOpenLayer,
        .digests = replFormedDigests,
        .makeLayer = replFormedMakeLayer,
        .newKey = replFormedNewKey,
        .cancel = replFormedCancel,
        .watch = replFormedWatch,
        .free = replFormedFree,
    };
    ReplFormed *self = g_new0(ReplFormed, 1);

    self->base.ops = &ops;
    self->request = replRequestCopy(params->request);
    self->jobId = g_strdup(params->jobId);
    self->targetUuid = g_strdup(params->targetPoolUuid);
    self->targetRegion = g_strdup(params->targetRegion);
    self->params = *params;
    self->prepared = g_new0(ReplPrepared, 1);
    self->prepared->source = source;
    return &self->base;
}

const ReplSourceFacts *
replFormedFrom(ReplSource *formed)
{
    return ((ReplFormed *)formed)->prepared->facts;
}
