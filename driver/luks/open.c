/*
 * open.c: the LUKS header inside a layer; verdicts, passphrases and key slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/open.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "copy/files.h"
#include "luks/convert.h"
#include "qcow2/backing.h"
#include "qcow2/format.h"
#include "qcow2/snapshots.h"
#include "qcow2/tables.h"

/* The LUKS header of qcow2 file @fd, whose qcow2 header is @header, read into memory. NULL with @err set:
 * VIR_ERR_NO_SUPPORT when it is encrypted in the legacy way. */
static ReplLuksHeader *
replLuksOfQcow2(int fd, const ReplQcow2Header *header, const char *what, GError **err)
{
    if (header->cryptMethod != REPL_QCOW2_CRYPT_LUKS) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Volume '%s' is not encrypted with LUKS"), what);
        return NULL;
    }
    return replLuksHeaderRead(fd, header->luksOffset, header->luksLength, what, err);
}

static ReplSecretBuf *
replLuksDerive(ReplLuksHeader *luks, const char *what, const ReplSecretBuf *passphrase, GError **err)
{
    if (passphrase)
        return replLuksHeaderOpen(luks, passphrase, what, err);
    replErrorSet(err, VIR_ERR_INVALID_SECRET, _("Volume '%s' is encrypted, but no secret is known for it"),
                 what);
    return NULL;
}

static ReplSecretBuf *
replLuksOpen(ReplLuksHeader *luks, const char *what, const ReplSecretBuf *passphrase, GError **err)
{
    const ReplLuksInfo *info = replLuksHeaderInfo(luks);

    if (replLuksInfoIsOurs(info))
        return replLuksDerive(luks, what, passphrase, err);
    replErrorSet(err, VIR_ERR_NO_SUPPORT,
                 _("Volume '%s' is encrypted with %s-%s, which only qemu-img can convert"), what,
                 info->cipher, info->mode);
    return NULL;
}

/* A volume key of one's own to be freed: the one that is known, or what the passphrase opens. */
static ReplSecretBuf *
replLuksKeyOf(ReplLuksHeader *luks, const ReplLuksConvert *params, GError **err)
{
    /* Time stamps can be coarse: a header that was made anew has another digest. */
    if (params->sourceKey && replLuksHeaderIsKey(luks, params->sourceKey))
        return replSecretBufNewFrom(params->sourceKey->data, params->sourceKey->length, err);
    return replLuksOpen(luks, params->what, params->source, err);
}

ReplSecretBuf *
replLuksOpenQcow2(int fd, const ReplQcow2Header *header, const ReplLuksConvert *params, GError **err)
{
    g_autoptr(ReplLuksHeader) luks = replLuksOfQcow2(fd, header, params->what, err);

    return luks ? replLuksKeyOf(luks, params, err) : NULL;
}

ReplSecretBuf *
replLuksOpenRaw(int fd, const ReplLuksConvert *params, guint64 *payload_bytes, GError **err)
{
    g_autoptr(ReplLuksHeader) luks = replLuksHeaderRead(fd, 0, REPL_LUKS_MAX_HEADER_BYTES, params->what, err);

    if (!luks)
        return NULL;
    *payload_bytes = replLuksHeaderLength(luks);
    return replLuksKeyOf(luks, params, err);
}

/* What the LUKS header @luks needs, NULL when our engine can do it. */
static const char *
replLuksWhyNotOurs(const ReplLuksHeader *luks)
{
    return replLuksInfoIsOurs(replLuksHeaderInfo(luks))
               ? NULL
               : _("its cipher is not AES in XTS mode with plain64 vectors");
}

/* Whether the header extension for LUKS finds room in the first cluster. */
static gboolean
replLuksHasRoom(int src, const ReplQcow2Header *header, const char *what)
{
    ReplQcow2Edit edit = {.setLuks = TRUE, .luksOffset = 1, .luksLength = 1};
    g_autofree guint8 *buf = NULL;
    guint64 used;

    buf = replQcow2HeaderRebuild(src, header, &edit, what, &used, NULL);
    return buf != NULL;
}

/* Sets keepsVmState. */
static int
replLuksJudgeVmState(int src, const ReplQcow2Header *header, const char *what, ReplLuksVerdict *verdict,
                     GError **err)
{
    g_autoptr(GArray) snaps = replQcow2SnapshotsRead(src, header, what, NULL, err);
    guint i;

    if (!snaps)
        return -1;
    for (i = 0; i < snaps->len; i++) {
        if (g_array_index(snaps, ReplQcow2Snapshot, i).vmStateSize_bytes > 0)
            verdict->keepsVmState = TRUE;
    }
    return 0;
}

static int
replLuksJudgeQcow2(int src, const char *what, gboolean encrypt, ReplLuksVerdict *verdict, GError **err)
{
    g_autoptr(ReplQcow2Header) header = replQcow2HeaderRead(src, what, err);

    if (!header)
        return -1;
    verdict->isEncrypted = header->cryptMethod != REPL_QCOW2_CRYPT_NONE;
    if (header->cryptMethod == REPL_QCOW2_CRYPT_LUKS) {
        g_autoptr(ReplLuksHeader) luks = replLuksOfQcow2(src, header, what, err);

        if (!luks)
            return -1;
        verdict->why = replLuksWhyNotOurs(luks);
    } else if (header->cryptMethod == REPL_QCOW2_CRYPT_AES) {
        verdict->why = _("it is encrypted in QEMU's legacy way");
    }
    if (!verdict->why && encrypt && !replLuksHasRoom(src, header, what))
        verdict->why = _("its header has no room for LUKS");
    if (verdict->why) {
        verdict->way = REPL_LUKS_BY_QEMU_IMG;
        verdict->losesSnapshots = header->snapshotCount > 0;
    } else {
        verdict->way = verdict->isEncrypted || encrypt ? REPL_LUKS_BY_ENGINE : REPL_LUKS_BY_COPY;
        if (replLuksJudgeVmState(src, header, what, verdict, err) < 0)
            return -1;
    }
    return 0;
}

int
replLuksJudge(int src, const char *what, ReplFormat format, gboolean encrypt, ReplLuksVerdict *verdict,
              GError **err)
{
    g_autoptr(ReplLuksHeader) luks = NULL;

    *verdict = (ReplLuksVerdict){.way = REPL_LUKS_BY_COPY};
    if (format == REPL_FORMAT_QCOW2)
        return replLuksJudgeQcow2(src, what, encrypt, verdict, err);
    if (format == REPL_FORMAT_LUKS) {
        if (!(luks = replLuksHeaderRead(src, 0, REPL_LUKS_MAX_HEADER_BYTES, what, err)))
            return -1;
        verdict->isEncrypted = TRUE;
        verdict->why = replLuksWhyNotOurs(luks);
    } else if (format != REPL_FORMAT_RAW) {
        verdict->why = _("it has another format than qcow2 and raw");
    }
    if (verdict->why)
        verdict->way = REPL_LUKS_BY_QEMU_IMG;
    else if (verdict->isEncrypted || encrypt)
        verdict->way = REPL_LUKS_BY_ENGINE;
    return 0;
}

/* The LUKS header of a layer of either form; *offset: where in the file it lies. */
static ReplLuksHeader *
replLuksOfFile(int fd, const char *what, guint64 *offset, GError **err)
{
    g_autoptr(ReplQcow2Header) header = NULL;
    ReplFormat format;

    *offset = 0;
    if (replFormatProbe(fd, what, &format, err) < 0)
        return NULL;
    if (format != REPL_FORMAT_QCOW2)
        return replLuksHeaderRead(fd, 0, REPL_LUKS_MAX_HEADER_BYTES, what, err);
    if (!(header = replQcow2HeaderRead(fd, what, err)))
        return NULL;
    *offset = header->luksOffset;
    return replLuksOfQcow2(fd, header, what, err);
}

ReplSecretBuf *
replLuksUnlock(int fd, const char *what, const ReplSecretBuf *passphrase, GError **err)
{
    guint64 offset;
    g_autoptr(ReplLuksHeader) luks = replLuksOfFile(fd, what, &offset, err);
    g_autoptr(GError) local = NULL;
    ReplSecretBuf *key = luks ? replLuksDerive(luks, what, passphrase, &local) : NULL;

    /* libcryptsetup opens every cipher that its own libraries have. */
    if (local && !g_error_matches(local, REPL_ERROR, VIR_ERR_AUTH_FAILED) &&
        !replLuksInfoIsOurs(replLuksHeaderInfo(luks)))
        return replLuksOpen(luks, what, passphrase, err);
    if (local)
        g_propagate_error(err, g_steal_pointer(&local));
    return key;
}

int
replLuksCheckRekeySlot(int fd, const char *what, GError **err)
{
    g_autoptr(ReplQcow2Header) header = NULL;
    g_autoptr(ReplQcow2Map) map = NULL;
    ReplFormat format;

    if (replFormatProbe(fd, what, &format, err) < 0)
        return -1;
    if (format != REPL_FORMAT_QCOW2)
        return 0;
    if (!(header = replQcow2HeaderRead(fd, what, err)) ||
        !(map = replQcow2MapRead(fd, header, what, NULL, err)))
        return -1;
    if (replQcow2MapCount(map, REPL_QCOW2_COMPRESSED) > 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' has %llu compressed clusters, which are not encrypted; only a full "
                       "change of the key makes it safe"),
                     what, (unsigned long long)replQcow2MapCount(map, REPL_QCOW2_COMPRESSED));
        return -1;
    }
    return 0;
}

int
replLuksRekeySlot(int fd, const ReplLuksConvert *params, GError **err)
{
    const char *what = params->what;
    guint64 offset;
    g_autoptr(ReplLuksHeader) luks = replLuksOfFile(fd, what, &offset, err);
    g_autoptr(ReplWriter) writer = luks ? replFileWriterNew(fd, NULL, err) : NULL;
    g_autoptr(ReplSecretBuf) key = NULL;

    if (!writer || replLuksCheckRekeySlot(fd, what, err) < 0)
        return -1;
    if (params->source && replSecretBufEqual(params->source, params->target)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("The new passphrase of volume '%s' is the same as the old one"), what);
        return -1;
    }
    /* Of any cipher: the data is not touched. */
    if (params->sourceKey && replLuksHeaderIsKey(luks, params->sourceKey))
        key = replSecretBufNewFrom(params->sourceKey->data, params->sourceKey->length, err);
    else
        key = replLuksDerive(luks, what, params->source, err);
    if (!key || replLuksHeaderReplaceSlots(luks, key, params->target, params->kdf, what, err) < 0 ||
        replLuksHeaderWrite(luks, writer, offset, what, err) < 0)
        return -1;
    return replWriterFlush(writer, TRUE, err);
}
