/*
 * header.c: LUKS headers, by libcryptsetup
 *
 * libcryptsetup wants a path; /proc/self/fd leads it to the memfd. It keeps passphrases and keys in
 * locked, wiped memory itself. Its one-time initialisation (with the first context, load and format) is not
 * guarded against threads, so one lock covers what makes contexts and gives them a header. Deriving keys, which
 * takes seconds, is outside of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/header.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "qcow2/bytes.h"

#define REPL_LUKS_HASH "sha256"
/* RFC 2898 and libcryptsetup allow no fewer. */
#define REPL_LUKS_MIN_ITERATIONS 1000
/* More than any sane calibration gives, of all slots (a minute here): a hostile header could ask for an hour. */
#define REPL_LUKS_MAX_ITERATIONS (128U << 20)
/* LUKS1 on disk: eight key slots of 48 bytes (active, iterations, salt, …). */
#define REPL_LUKS_DIGEST_ITERATIONS 164
#define REPL_LUKS_SLOTS 208
#define REPL_LUKS_SLOT_BYTES 48
#define REPL_LUKS_SLOT_OFFSET                                                                                \
    40 /* in a slot: where its key material lies, in sectors, and how often it is split */
#define REPL_LUKS_SLOT_STRIPES 44
#define REPL_LUKS_SLOT_COUNT 8
#define REPL_LUKS_SLOT_ACTIVE 0x00ac71f3U /* of the LUKS1 on-disk format */
/* What cryptsetup aims at by default. */
#define REPL_LUKS_TIME_MS 2000

struct ReplLuksHeader {
    int fd; /* memfd */
    struct crypt_device *cd;
    ReplLuksInfo info;
};

/* What a chosen passphrase needs at least, by OWASP's Password Storage Cheat Sheet (2023) for PBKDF2 with
 * HMAC-SHA-256. The calibration sees the CPU time of the whole process: in a busy daemon it ends too low. */
#define REPL_LUKS_MIN_PASSPHRASE_ITERATIONS 600000

static ReplLock replLuksLock = REPL_LOCK_INIT; /* guards the making of contexts and headers */

static ReplLock replLuksCalibration =
    REPL_LOCK_INIT;                /* guards the following; held while measuring, which takes seconds */
static guint32 replLuksIterations; /* 0: not calibrated yet in this process */

/* libcryptsetup prints its messages unless there is a callback. */
static void
replLuksQuiet(int level, const char *msg, void *opaque)
{
    (void)level;
    (void)msg;
    (void)opaque;
}

void
replLuksInfoFree(ReplLuksInfo *info)
{
    if (!info)
        return;
    g_free(info->cipher);
    g_free(info->mode);
    g_free(info);
}

gboolean
replLuksInfoIsOurs(const ReplLuksInfo *info)
{
    return info->version == 1 && g_str_equal(info->cipher, "aes") && g_str_equal(info->mode, "xts-plain64") &&
           (info->keyBytes == 32 || info->keyBytes == 64);
}

void
replLuksHeaderFree(ReplLuksHeader *header)
{
    if (!header)
        return;
    if (header->cd) {
        replLockTake(&replLuksLock);
        crypt_free(header->cd);
        replLockDrop(&replLuksLock);
    }
    replFdClose(header->fd);
    g_free(header->info.cipher);
    g_free(header->info.mode);
    g_free(header);
}

const ReplLuksInfo *
replLuksHeaderInfo(const ReplLuksHeader *header)
{
    return &header->info;
}

guint64
replLuksHeaderLength(const ReplLuksHeader *header)
{
    return header->info.payload_bytes;
}

/* A memfd of @size bytes with a crypt_device on it. Called with the lock held. */
static ReplLuksHeader *
replLuksHeaderNew(guint64 size, GError **err)
{
    ReplLuksHeader *header = g_new0(ReplLuksHeader, 1);
    char path[64];

    header->fd = memfd_create("luks-header", MFD_CLOEXEC);
    if (header->fd < 0 || ftruncate(header->fd, size) < 0) {
        replErrorSetSystem(err, errno, _("Cannot get memory for a LUKS header"));
    } else {
        int rc;

        g_snprintf(path, sizeof(path), "/proc/self/fd/%d", header->fd);
        crypt_set_log_callback(NULL, replLuksQuiet, NULL);
        rc = crypt_init(&header->cd, path);
        if (rc == 0) {
            crypt_set_log_callback(header->cd, replLuksQuiet, NULL);
            return header;
        }
        header->cd = NULL;
        replErrorSetSystem(err, -rc, _("Cannot work on a LUKS header in memory"));
    }
    replFdClose(header->fd);
    g_free(header);
    return NULL;
}

/* Called with the lock held. */
static void
replLuksHeaderLearn(ReplLuksHeader *header)
{
    g_free(header->info.cipher);
    g_free(header->info.mode);
    header->info.cipher = g_strdup(crypt_get_cipher(header->cd));
    header->info.mode = g_strdup(crypt_get_cipher_mode(header->cd));
    header->info.version = g_strcmp0(crypt_get_type(header->cd), CRYPT_LUKS1) == 0 ? 1 : 2;
    header->info.keyBytes = crypt_get_volume_key_size(header->cd);
    header->info.payload_bytes = crypt_get_data_offset(header->cd) * 512;
}

static int
replLuksCopyIn(ReplLuksHeader *header, int fd, guint64 offset, guint64 length, const char *what, GError **err)
{
    g_autofree guint8 *buf = g_malloc(length);
    ssize_t n = replPreadFull(fd, buf, length, offset);

    if (n < 0 || replPwriteFull(header->fd, buf, n, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read the LUKS header of volume '%s'"), what);
        return -1;
    }
    return 0;
}

/* Whether opening it takes a bearable time. */
static int
replLuksCheckIterations(const ReplLuksHeader *header, const char *what, GError **err)
{
    guint8 buf[REPL_LUKS_SLOTS + REPL_LUKS_SLOT_COUNT * REPL_LUKS_SLOT_BYTES] = {0};
    guint64 sum;
    int i;

    if (replPreadFull(header->fd, buf, sizeof(buf), 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read the LUKS header of volume '%s'"), what);
        return -1;
    }
    /* A wrong passphrase is tried on every slot in use. */
    sum = replGetBe32(buf + REPL_LUKS_DIGEST_ITERATIONS);
    for (i = 0; i < REPL_LUKS_SLOT_COUNT; i++) {
        const guint8 *slot = buf + REPL_LUKS_SLOTS + i * REPL_LUKS_SLOT_BYTES;

        if (replGetBe32(slot) == REPL_LUKS_SLOT_ACTIVE)
            sum += replGetBe32(slot + 4);
    }
    if (sum > REPL_LUKS_MAX_ITERATIONS) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The LUKS header of volume '%s' asks for %llu rounds of key derivation, more than %u"),
                     what, (unsigned long long)sum, REPL_LUKS_MAX_ITERATIONS);
        return -1;
    }
    return 0;
}

ReplLuksHeader *
replLuksHeaderRead(int fd, guint64 offset, guint64 length, const char *what, GError **err)
{
    g_autoptr(ReplLuksHeader) header = NULL;
    int rc;

    length = MIN(length, REPL_LUKS_MAX_HEADER_BYTES);
    replLockTake(&replLuksLock);
    header = replLuksHeaderNew(length, err);
    replLockDrop(&replLuksLock);
    if (!header || replLuksCopyIn(header, fd, offset, length, what, err) < 0)
        return NULL;
    replLockTake(&replLuksLock);
    /* Version 2 only to tell it apart: loading it would want to lock a device. */
    rc = crypt_load(header->cd, CRYPT_LUKS1, NULL);
    if (rc == 0)
        replLuksHeaderLearn(header);
    replLockDrop(&replLuksLock);
    if (rc < 0 || header->info.payload_bytes > REPL_LUKS_MAX_HEADER_BYTES || !header->info.cipher ||
        !header->info.mode) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' has no valid LUKS header of version 1"),
                     what);
        return NULL;
    }
    if (replLuksCheckIterations(header, what, err) < 0)
        return NULL;
    return g_steal_pointer(&header);
}

static int
replLuksAuthFailed(const char *what, GError **err)
{
    replErrorSet(err, VIR_ERR_AUTH_FAILED, _("The passphrase does not open volume '%s'"), what);
    return -1;
}

ReplSecretBuf *
replLuksHeaderOpen(ReplLuksHeader *header, const ReplSecretBuf *passphrase, const char *what, GError **err)
{
    g_autoptr(ReplSecretBuf) key = NULL;
    size_t length = header->info.keyBytes;
    int rc;

    if (!(key = replSecretBufNew(length, err)))
        return NULL;
    /* Slow, and the context is the caller's alone: no lock. */
    rc = crypt_volume_key_get(header->cd, CRYPT_ANY_SLOT, (char *)key->data, &length,
                              (const char *)passphrase->data, passphrase->length);
    if (rc == -EPERM || rc == -ENOENT) {
        replLuksAuthFailed(what, err);
        return NULL;
    }
    if (rc < 0 || length != key->length) {
        replErrorSetSystem(err, rc < 0 ? -rc : EINVAL, _("Cannot open the LUKS header of volume '%s'"), what);
        return NULL;
    }
    return g_steal_pointer(&key);
}

gboolean
replLuksHeaderIsKey(ReplLuksHeader *header, const ReplSecretBuf *key)
{
    return crypt_volume_key_verify(header->cd, (const char *)key->data, key->length) >= 0;
}

/* The rounds that make a passphrase slow to guess, measured once. 0, or a negative errno. */
static int
replLuksCalibrate(struct crypt_device *cd, guint32 *iterations)
{
    struct crypt_pbkdf_type measured = {
        .type = CRYPT_KDF_PBKDF2, .hash = REPL_LUKS_HASH, .time_ms = REPL_LUKS_TIME_MS};
    int rc = 0;

    replLockTake(&replLuksCalibration);
    if (replLuksIterations == 0) {
        /* For the longest key: the count serves all of them. */
        rc = crypt_benchmark_pbkdf(cd, &measured, "foobarfo", 8, "0123456789abcdef", 16, 64, NULL, NULL);
        if (rc >= 0)
            replLuksIterations = MAX(measured.iterations, REPL_LUKS_MIN_PASSPHRASE_ITERATIONS);
    }
    *iterations = replLuksIterations;
    replLockDrop(&replLuksCalibration);
    return MIN(rc, 0);
}

/* Sets the iterations of what is derived next. */
static int
replLuksSetKdf(struct crypt_device *cd, ReplLuksKdf kdf)
{
    struct crypt_pbkdf_type type = {
        .type = CRYPT_KDF_PBKDF2,
        .hash = REPL_LUKS_HASH,
        .time_ms = REPL_LUKS_TIME_MS,
        .iterations = REPL_LUKS_MIN_ITERATIONS,
        .flags = CRYPT_PBKDF_NO_BENCHMARK,
    };
    int rc;

    if (kdf == REPL_LUKS_KDF_PASSPHRASE && (rc = replLuksCalibrate(cd, &type.iterations)) < 0)
        return rc;
    return crypt_set_pbkdf_type(cd, &type);
}

/* Gives the header, which has no slot, one that opens with @passphrase. */
static int
replLuksAddSlot(ReplLuksHeader *header, const ReplSecretBuf *key, const ReplSecretBuf *passphrase,
                ReplLuksKdf kdf)
{
    int rc = replLuksSetKdf(header->cd, kdf);

    if (rc < 0)
        return rc;
    rc = crypt_keyslot_add_by_volume_key(header->cd, 0, (const char *)key->data, key->length,
                                         (const char *)passphrase->data, passphrase->length);
    return MIN(rc, 0);
}

/* Called with the lock held. The key is made here and not by libcryptsetup, which would give it out only
 * for another slow derivation. */
static int
replLuksFormat(ReplLuksHeader *header, ReplSecretBuf *key)
{
    struct crypt_params_luks1 params = {.hash = REPL_LUKS_HASH, .data_alignment = 8};
    int rc;

    if (getrandom(key->data, key->length, 0) != (ssize_t)key->length)
        return -EIO;
    /* The digest of a random volume key gains nothing from slowness either way. */
    if ((rc = replLuksSetKdf(header->cd, REPL_LUKS_KDF_RANDOM)) < 0)
        return rc;
    return crypt_format(header->cd, CRYPT_LUKS1, "aes", "xts-plain64", NULL, (const char *)key->data,
                        key->length, &params);
}

ReplLuksHeader *
replLuksHeaderCreate(gsize keyBytes, const ReplSecretBuf *passphrase, ReplLuksKdf kdf,
                     ReplSecretBuf **volumeKey, GError **err)
{
    g_autoptr(ReplSecretBuf) key = replSecretBufNew(keyBytes, err);
    g_autoptr(ReplLuksHeader) header = NULL;
    int rc = -EINVAL;

    if (!key)
        return NULL;
    replLockTake(&replLuksLock);
    header = replLuksHeaderNew(REPL_LUKS_MAX_HEADER_BYTES, err);
    if (header && (rc = replLuksFormat(header, key)) >= 0)
        replLuksHeaderLearn(header);
    replLockDrop(&replLuksLock);
    if (!header)
        return NULL;
    if (rc >= 0)
        rc = replLuksAddSlot(header, key, passphrase, kdf);
    if (rc < 0) {
        replErrorSetSystem(err, -rc, _("Cannot make a LUKS header"));
        return NULL;
    }
    *volumeKey = g_steal_pointer(&key);
    return g_steal_pointer(&header);
}

/* All old slots go first: eight may be in use, and what is interrupted is only a copy in memory. */
static int
replLuksDropSlots(ReplLuksHeader *header)
{
    int slot, rc;

    for (slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS1); slot++) {
        if (crypt_keyslot_status(header->cd, slot) != CRYPT_SLOT_INACTIVE &&
            (rc = crypt_keyslot_destroy(header->cd, slot)) < 0)
            return rc;
    }
    return 0;
}

int
replLuksHeaderReplaceSlots(ReplLuksHeader *header, const ReplSecretBuf *key, const ReplSecretBuf *fresh,
                           ReplLuksKdf kdf, const char *what, GError **err)
{
    int rc = crypt_volume_key_verify(header->cd, (const char *)key->data, key->length);

    if (rc == -EPERM)
        return replLuksAuthFailed(what, err);
    if (rc >= 0 && (rc = replLuksDropSlots(header)) == 0)
        rc = replLuksAddSlot(header, key, fresh, kdf);
    if (rc < 0) {
        replErrorSetSystem(err, -rc, _("Cannot change the key slots of volume '%s'"), what);
        return -1;
    }
    return 0;
}

int
replLuksHeaderWrite(ReplLuksHeader *header, ReplWriter *dst, guint64 offset, const char *what, GError **err)
{
    guint64 length = replLuksHeaderLength(header);
    g_autofree guint8 *buf = g_malloc0(length);

    if (replPreadFull(header->fd, buf, length, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot write the LUKS header of volume '%s'"), what);
        return -1;
    }
    return replWriterWrite(dst, buf, length, offset, err);
}

GByteArray *
replLuksHeaderBytes(const ReplLuksHeader *header, GError **err)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const guint8 *slot;
    guint64 end_bytes;

    g_byte_array_set_size(bytes, replLuksHeaderLength(header));
    if (replPreadFull(header->fd, bytes->data, bytes->len, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot get memory for a LUKS header"));
        return NULL;
    }
    slot = bytes->data + REPL_LUKS_SLOTS;
    end_bytes = (guint64)replGetBe32(slot + REPL_LUKS_SLOT_OFFSET) * 512 +
                (guint64)replGetBe32(slot + REPL_LUKS_SLOT_STRIPES) * header->info.keyBytes;
    /* Random bytes fill the slots that are not in use. */
    g_byte_array_set_size(bytes, MIN(end_bytes, bytes->len));
    return g_steal_pointer(&bytes);
}
