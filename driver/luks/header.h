/*
 * header.h: LUKS headers, by libcryptsetup
 *
 * A header is worked on as a copy in memory (a memfd that libcryptsetup takes for a device), so that
 * the file it came from is only ever changed in one write. Nothing here touches device-mapper. Several threads
 * may work at once, each on headers of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "base/secretbuf.h"
#include "copy/writer.h"

/* As much as a LUKS1 header with 512-bit keys can need, generously. */
#define REPL_LUKS_MAX_HEADER_BYTES (16U << 20)

/* What a header says without a key. */
typedef struct {
    char *cipher;          /* "aes" */
    char *mode;            /* "xts-plain64" */
    guint32 version;       /* 1 or 2 */
    gsize keyBytes;        /* of the volume key */
    guint64 payload_bytes; /* offset of the data behind the header */
} ReplLuksInfo;

void
replLuksInfoFree(ReplLuksInfo *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLuksInfo, replLuksInfoFree)

/* Whether our own engine can work with it: LUKS1, aes-xts-plain64, 128 or 256 bits. Everything else that
 * QEMU knows goes to qemu-img. */
gboolean
replLuksInfoIsOurs(const ReplLuksInfo *info);

/* A LUKS header copied into memory. */
typedef struct ReplLuksHeader ReplLuksHeader;

/* Reads @length bytes at @offset of @fd (the offset that the qcow2 header gives, or 0 and as much as there is of a
 * raw LUKS file). NULL with @err set: VIR_ERR_OPERATION_INVALID when it is no LUKS header. */
ReplLuksHeader *
replLuksHeaderRead(int fd, guint64 offset, guint64 length, const char *what, GError **err);

void
replLuksHeaderFree(ReplLuksHeader *header);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLuksHeader, replLuksHeaderFree)

const ReplLuksInfo *
replLuksHeaderInfo(const ReplLuksHeader *header);

/* Opens a key slot. Returns the volume key, or NULL with @err set: VIR_ERR_AUTH_FAILED when no slot opens
 * with @passphrase. */
ReplSecretBuf *
replLuksHeaderOpen(ReplLuksHeader *header, const ReplSecretBuf *passphrase, const char *what, GError **err);

/* Whether @key is the volume key of @header, by the digest in there. */
gboolean
replLuksHeaderIsKey(ReplLuksHeader *header, const ReplSecretBuf *key);

/* How hard to guess the passphrase is made. */
typedef enum {
    REPL_LUKS_KDF_PASSPHRASE, /* a word that a person chose: as slow as cryptsetup's default, calibrated once a
                               * process, and never faster than 600,000 rounds */
    REPL_LUKS_KDF_RANDOM,     /* at least 256 random bits: guessing is hopeless without slowness */
} ReplLuksKdf;

/* A new LUKS1 header, aes-xts-plain64 with a random key of @keyBytes (32 or 64), one slot that opens with
 * @passphrase, hash sha256. *volumeKey gets the key. NULL with @err set. */
ReplLuksHeader *
replLuksHeaderCreate(gsize keyBytes, const ReplSecretBuf *passphrase, ReplLuksKdf kdf,
                     ReplSecretBuf **volumeKey, GError **err);

/* Makes @fresh the only passphrase that opens @header: a new slot, every other one erased. The volume
 * key @key stays. VIR_ERR_AUTH_FAILED when it is not the header's. The header changes in memory only; after an
 * error it is worthless. */
int
replLuksHeaderReplaceSlots(ReplLuksHeader *header, const ReplSecretBuf *key, const ReplSecretBuf *fresh,
                           ReplLuksKdf kdf, const char *what, GError **err);

/* Size of what Write writes: up to where the payload begins. */
guint64
replLuksHeaderLength(const ReplLuksHeader *header);

/* The part of it that its first slot needs to be opened; the caller's. NULL with @err set. */
GByteArray *
replLuksHeaderBytes(const ReplLuksHeader *header, GError **err);

/* Writes the header at @offset of @dst (not flushed). */
int
replLuksHeaderWrite(ReplLuksHeader *header, ReplWriter *dst, guint64 offset, const char *what, GError **err);
