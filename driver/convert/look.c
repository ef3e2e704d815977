/*
 * look.c: what has to be known of a chain before its conversion is planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "convert/convertpriv.h"
#include "luks/convert.h"

/* Time that a look may take asleep, for each second of CPU time. */
#define REPL_LOOK_PATIENCE 4
/* Room for a LUKS header and its key slots, as QEMU makes it. */
#define REPL_LOOK_LUKS_BYTES (G_GUINT64_CONSTANT(4) << 20)
/* A LUKS payload begins at most here. */
#define REPL_LOOK_RAW_LUKS_BYTES (G_GUINT64_CONSTANT(16) << 20)

static gboolean
replLookIsForeign(const ReplLayer *layer)
{
    return layer->format != REPL_FORMAT_RAW && layer->format != REPL_FORMAT_QCOW2 &&
           layer->format != REPL_FORMAT_LUKS;
}

static int
replLookRun(const ReplQemuCommand *command, const ReplLayer *layer, const ReplConvertLimits *limits,
            char **output, GError **err)
{
    const ReplQemuRun run = {
        .memory_bytes = limits->lookMemory_bytes,
        .cpu_s = limits->lookTime_s,
        .wall_s = limits->lookTime_s * REPL_LOOK_PATIENCE,
        .meterFd = -1,
    };

    return replQemuImgRun(command, &run, layer->volume, output, NULL, err);
}

static int
replLookNumber(const char *json, const char *key, const ReplLayer *layer, guint64 *value, GError **err)
{
    if (replQemuNumber(json, key, value) == 0 && *value <= G_MAXINT64)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("qemu-img does not tell the '%s' of volume '%s'"), key,
                 layer->volume);
    return -1;
}

int
replConvertLook(ReplChain *chain, const ReplConvertLimits *limits, GError **err)
{
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        ReplLayer *layer = g_ptr_array_index(chain->layers, i);
        const ReplQemuFile file = {.fd = layer->fd, .format = layer->format};
        const ReplQemuChain one = {&file, 1};
        g_autoptr(ReplQemuCommand) command = NULL;
        g_autofree char *json = NULL;

        if (!replLookIsForeign(layer))
            continue;
        command = replQemuArgvInfo(&one);
        if (replLookRun(command, layer, limits, &json, err) < 0 ||
            replLookNumber(json, "virtual-size", layer, &layer->virtualSize_bytes, err) < 0)
            return -1;
    }
    return 0;
}

/* A file of zeros to stand in for everything below a layer. */
static int
replLookZeros(guint64 size_bytes, GError **err)
{
    int fd = memfd_create("zeros", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0)
        return fd;
    replErrorSetSystem(err, errno, _("Cannot make a file of %llu zeros in memory"),
                       (unsigned long long)size_bytes);
    replFdClose(fd);
    return -1;
}

/* What the data of @layer alone comes to in qcow2, by qemu-img measure. */
static int
replLookMeasure(const ReplLayer *layer, const ReplConvertLimits *limits, guint64 *bytes, GError **err)
{
    ReplQemuFile files[2] = {{.fd = layer->fd, .format = layer->format}, {.format = REPL_FORMAT_RAW}};
    const ReplQemuChain chain = {files, layer->backingVolume ? 2 : 1};
    g_auto(ReplFd) zeros = replLookZeros(layer->virtualSize_bytes, err);
    g_autoptr(ReplQemuCommand) command = NULL;
    g_autofree char *json = NULL;

    if (zeros < 0)
        return -1;
    files[1].fd = zeros;
    command = replQemuArgvMeasure(&chain);
    if (replLookRun(command, layer, limits, &json, err) < 0)
        return -1;
    return replLookNumber(json, "required", layer, bytes, err);
}

/* What of the request concerns whole images. */
typedef struct {
    const ReplRequest *request;
    const ReplConvertLimits *limits;
    gboolean flatten;
    gboolean newKey; /* encrypted, and with another key than before */
} ReplLook;

static gboolean
replLookConverts(const ReplLook *look, const ReplPlanLayer *layer, gboolean isTop)
{
    const ReplRequest *request = look->request;
    gboolean isRaw = layer->format == REPL_FORMAT_RAW || layer->format == REPL_FORMAT_LUKS;

    if (look->flatten || request->fastCreate || look->newKey)
        return TRUE;
    if (request->encryption == REPL_ENCRYPTION_NONE && layer->encrypted)
        return TRUE;
    if (!isRaw && layer->format != REPL_FORMAT_QCOW2)
        return TRUE;
    return isTop && request->format && isRaw != g_str_equal(request->format, "raw");
}

/* How much will be written of @layer, for progress, quota and space. */
static int
replLookBytes(const ReplLook *look, const ReplLayer *from, ReplPlanLayer *layer, GError **err)
{
    gboolean encrypted =
        look->newKey || (layer->encrypted && look->request->encryption == REPL_ENCRYPTION_KEEP);
    gboolean walk = layer->format == REPL_FORMAT_QCOW2;
    /* What is not to be kept compressed counts in full. */
    gboolean inflate = encrypted || look->flatten || look->request->fastCreate;
    g_autoptr(GError) local = NULL;

    layer->written_bytes = layer->allocated_bytes;
    if (replLookIsForeign(from) && replLookMeasure(from, look->limits, &layer->written_bytes, err) < 0)
        return -1;
    if (walk && replLuksConvertBytes(from->fd, from->volume, inflate, &layer->written_bytes, &local) < 0) {
        if (!g_error_matches(local, REPL_ERROR, VIR_ERR_NO_SUPPORT)) {
            g_propagate_error(err, g_steal_pointer(&local));
            return -1;
        }
        /* Too large for our engine only (replConvertWrite). */
        layer->byQemu = TRUE;
        layer->written_bytes = MAX(layer->allocated_bytes, layer->virtualSize_bytes);
    }
    if (encrypted)
        layer->written_bytes += REPL_LOOK_LUKS_BYTES;
    return 0;
}

/* Whether and how the encryption of @layer can be read and written. */
static int
replLookCrypt(const ReplLook *look, const ReplLayer *from, ReplPlanLayer *layer, GError **err)
{
    gboolean known = layer->format == REPL_FORMAT_QCOW2 || layer->format == REPL_FORMAT_LUKS;
    ReplLuksVerdict verdict = {0};
    gsize keyBytes;

    if (!known)
        return 0;
    if (replLuksJudge(from->fd, from->volume, layer->format, look->newKey, &verdict, err) < 0)
        return -1;
    layer->byQemu = verdict.way == REPL_LUKS_BY_QEMU_IMG ||
                    (look->newKey && !replConvertCipherIsOurs(look->request, &keyBytes));
    if (look->newKey && look->request->rekey == REPL_REKEY_SLOT && layer->encrypted)
        layer->compressed = replLuksCheckRekeySlot(from->fd, from->volume, NULL) < 0;
    return 0;
}

int
replConvertFacts(const ReplChain *chain, const ReplRequest *request, const ReplConvertLimits *limits,
                 ReplPlanLayer *layers, GError **err)
{
    const ReplLook look = {
        .request = request,
        .limits = limits,
        .flatten =
            chain->layers->len > 1 && (request->fastCreate || request->snapshots == REPL_SNAPSHOTS_FLATTEN),
        .newKey =
            request->encryption == REPL_ENCRYPTION_DEFAULT || request->encryption == REPL_ENCRYPTION_TARGET,
    };
    ReplConvertCipher cipher = {0};
    ReplQemuLuks luks = {0};
    guint i;

    if (look.newKey && replConvertCipher(request, &cipher, &luks, err) < 0)
        return -1;
    g_free(cipher.cipher);
    for (i = 0; i < chain->layers->len; i++) {
        const ReplLayer *from = replChainLayer(chain, i);

        if (!replLookConverts(&look, &layers[i], i == 0))
            continue;
        if (replLookCrypt(&look, from, &layers[i], err) < 0 ||
            replLookBytes(&look, from, &layers[i], err) < 0)
            return -1;
    }
    return 0;
}
