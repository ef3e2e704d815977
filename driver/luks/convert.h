/*
 * convert.h: layers are encrypted, decrypted and given other keys
 *
 * The form is qcow2 with LUKS1 inside. A layer keeps its layout, its internal snapshots with their VM
 * state and its bitmaps; each copy with a full conversion gets a volume key of its own. L1, L2, refcounts,
 * snapshot names, bitmaps and backing names are plain text in an encrypted layer: QEMU has it so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "base/secretbuf.h"
#include "copy/copy.h"
#include "luks/header.h"
#include "qcow2/format.h"

/* How a layer can become another one. */
typedef enum {
    REPL_LUKS_BY_ENGINE,   /* replLuksConvert (qcow2) or replLuksConvertRaw: exact */
    REPL_LUKS_BY_QEMU_IMG, /* another format or cipher, legacy AES, no room in the header: qemu-img convert */
    REPL_LUKS_BY_COPY,     /* both plain: nothing to convert */
} ReplLuksWay;

typedef struct {
    ReplLuksWay way;
    gboolean losesSnapshots; /* BY_QEMU_IMG, which drops internal snapshots, and there are some */
    gboolean isEncrypted;    /* the source */
    gboolean
        keepsVmState; /* a snapshot has VM state, which the engine carries over and encrypts like data; but
                              * QEMU (7.2 and before at least) aborts on loadvm from an encrypted qcow2 file */
    const char *why;  /* translated, for BY_QEMU_IMG; NULL otherwise */
} ReplLuksVerdict;

/* Judges the file @src without a key. @format is what the pool takes it for, never a guess from the bytes of a raw disk,
 * which are its guest's; other formats than RAW, LUKS and QCOW2 are for qemu-img. Returns 0, or -1 with @err set. */
int
replLuksJudge(int src, const char *what, ReplFormat format, gboolean encrypt, ReplLuksVerdict *verdict,
              GError **err);

/* Opens the qcow2 or raw LUKS file @fd with @passphrase, which takes seconds where it is slow to guess. Returns its
 * volume key, whatever its cipher, or NULL with @err set: VIR_ERR_AUTH_FAILED when it does not open it, VIR_ERR_NO_SUPPORT
 * when only qemu-img can tell. */
ReplSecretBuf *
replLuksUnlock(int fd, const char *what, const ReplSecretBuf *passphrase, GError **err);

typedef struct {
    const char *what;               /* the source's name for messages */
    const ReplSecretBuf *source;    /* passphrase of an encrypted source, NULL: plain */
    const ReplSecretBuf *sourceKey; /* its volume key by replLuksUnlock(), NULL: not known yet */
    const ReplSecretBuf *target;    /* passphrase of the target, NULL: plain */
    ReplLuksKdf kdf;                /* how good the target's passphrase is */
    gsize keyBytes;                 /* of the target's volume key: 32 or 64; 0: 64 (AES-256) */
    const ReplCopyWatch *watch;     /* may be NULL */
    gboolean setBacking;            /* the qcow2 header names another file below: */
    const char *backing;            /* NULL: none */
    const char *backingFormat;      /* NULL: not stated */
} ReplLuksConvert;

/* Converts qcow2 layer @src into @dst, which is empty: the same layer with the same backing reference (or the one that
 * @params sets), encrypted with a new key, or plain. Flushed; the header is written last, so that what is
 * interrupted is no image. Clusters without a reference are not carried over. Returns 0, or -1 with @err set:
 * VIR_ERR_AUTH_FAILED for a wrong passphrase, VIR_ERR_INVALID_SECRET when one is missing, VIR_ERR_NO_SUPPORT where
 * replLuksJudge says qemu-img or the file is too large (about 1 TiB of 64 KiB clusters). */
int
replLuksConvert(int src, ReplWriter *dst, const ReplLuksConvert *params, GError **err);

/* Converts a raw (@from is REPL_FORMAT_RAW) or raw LUKS (REPL_FORMAT_LUKS) file into a qcow2 layer, plain or encrypted, or into raw
 * or raw LUKS again (@to). A qcow2 target is laid out in one go: metadata in front, then data without gaps; holes stay holes where
 * the source is plain. A raw LUKS target is written in full, since holes in it would read as noise. Otherwise as
 * replLuksConvert; @to LUKS needs params->target, RAW needs it to be NULL. Sizes that are no multiple of 512 are rounded up,
 * as QEMU does. */
int
replLuksConvertRaw(int src, ReplFormat from, ReplWriter *dst, ReplFormat to, const ReplLuksConvert *params,
                   GError **err);

/* Bytes of data and tables that replLuksConvert will carry (for a plan's progress and space), in *bytes. Walks all
 * tables. */
int
replLuksConvertBytes(int src, const char *what, gboolean encrypt, guint64 *bytes, GError **err);

/* Gives @fd, a finished byte copy (or clone) of an encrypted layer, qcow2 or raw LUKS, the passphrase params->target in
 * place of all that it had; data and volume key stay as they are. Synced. Returns 0, or -1 with @err set:
 * VIR_ERR_INVALID_ARG when both passphrases are the same, VIR_ERR_AUTH_FAILED when params->source does not open it,
 * VIR_ERR_OPERATION_INVALID when it has compressed clusters, which are clear text. */
int
replLuksRekeySlot(int fd, const ReplLuksConvert *params, GError **err);

/* The refusals of replLuksRekeySlot that need no key, for plans. */
int
replLuksCheckRekeySlot(int fd, const char *what, GError **err);
