/*
 * unlock.c: whether passphrases are good for what is asked, before anything is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "convert/convertpriv.h"
#include "luks/convert.h"

/* CPU time for one key derivation, which QEMU's default makes last two seconds on the machine that made it. */
#define REPL_UNLOCK_TIME_S 60

/* Encryption that our engine does not know: QEMU opens it and looks at the first sector. */
static int
replUnlockByQemu(const ReplLayer *layer, const ReplSecretBuf *passphrase, const ReplConvertLimits *limits,
                 GError **err)
{
    const ReplQemuFile file = {.fd = layer->fd, .format = layer->format, .secret = passphrase};
    const ReplQemuRun run = {
        .memory_bytes = limits->lookMemory_bytes,
        .cpu_s = MAX(limits->lookTime_s, REPL_UNLOCK_TIME_S),
        .wall_s = 4 * MAX(limits->lookTime_s, REPL_UNLOCK_TIME_S),
        .meterFd = -1,
    };
    g_autoptr(ReplQemuCommand) command = NULL;
    GError *failed = NULL;

    if (replConvertCheckText(passphrase, layer->volume, err) < 0)
        return -1;
    command = replQemuArgvMap(&file);
    if (replQemuImgRun(command, &run, layer->volume, NULL, NULL, &failed) == 0)
        return 0;
    replConvertQemuError(failed, layer->volume, err);
    return -1;
}

int
replConvertUnlock(const ReplLayer *layer, const ReplSecretBuf *passphrase, const ReplConvertLimits *limits,
                  ReplSecretBuf **key, GError **err)
{
    g_autoptr(GError) why = NULL;

    *key = NULL;
    if (layer->qcow2 && layer->qcow2->cryptMethod == REPL_QCOW2_CRYPT_AES)
        return 0;
    if ((*key = replLuksUnlock(layer->fd, layer->volume, passphrase, &why)))
        return 0;
    if (g_error_matches(why, REPL_ERROR, VIR_ERR_NO_SUPPORT))
        return replUnlockByQemu(layer, passphrase, limits, err);
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

int
replConvertUnlockHead(int fd, const char *volume, const ReplSecretBuf *passphrase, ReplSecretBuf **key,
                      GError **err)
{
    g_autoptr(GError) why = NULL;

    if ((*key = replLuksUnlock(fd, volume, passphrase, &why)) ||
        g_error_matches(why, REPL_ERROR, VIR_ERR_NO_SUPPORT))
        return 0;
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

int
replConvertCheckFresh(int fd, const char *volume, const ReplSecretBuf *old, const ReplSecretBuf *fresh,
                      GError **err)
{
    g_autoptr(ReplSecretBuf) key = NULL;

    if (!replSecretBufEqual(old, fresh) && !(key = replLuksUnlock(fd, volume, fresh, NULL)))
        return 0;
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("The new passphrase opens volume '%s' already: take another one, or rekey='full'"),
                 volume);
    return -1;
}

int
replConvertCheckSecrets(const ReplConvertJob *job, GError **err)
{
    const ReplConvert *convert = &job->step->convert;
    int ours;

    if (job->step->action != REPL_STEP_CONVERT || convert->overlay ||
        (convert->rekey == REPL_REKEY_SLOT && convert->fromEncrypted && convert->toEncrypted))
        return 0;
    ours = replConvertIsOurs(replChainLayer(job->chain, job->step->layer), convert, job->request, err);
    if (ours != 0)
        return ours < 0 ? -1 : 0;
    return replConvertCheckTexts(job, err);
}
