/*
 * header.c: the header of a qcow2 file, read from a descriptor and judged before anybody trusts it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/header.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/amount.h"
#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"
#include "qcow2/extensions.h"

/* Enough for the header, QEMU's extensions and the longest backing name in nearly every file. */
#define REPL_QCOW2_FIRST_READ 4096

#define REPL_QCOW2_V2_LENGTH 72
#define REPL_QCOW2_V3_MIN_LENGTH 104

/* Parsing can find that it needs more than the first read. */
typedef enum {
    REPL_PARSE_OK,
    REPL_PARSE_MORE,
    REPL_PARSE_ERROR,
} ReplParse;

void
replQcow2HeaderFree(ReplQcow2Header *header)
{
    if (!header)
        return;
    g_free(header->backing);
    g_free(header->backingFormat);
    g_free(header->dataFile);
    g_free(header);
}

/* L1 entries that @size_bytes of guest disk need. */
static guint64
replQcow2L1EntriesFor(const ReplQcow2Header *header, guint64 size_bytes)
{
    guint32 shift = header->clusterBits + replQcow2L2Bits(header);

    return (size_bytes >> shift) + ((size_bytes & ((G_GUINT64_CONSTANT(1) << shift) - 1)) != 0);
}

/* Whether @bytes at @offset lie behind the first cluster, begin at a cluster and end within the file. */
static gboolean
replQcow2TableFits(const ReplQcow2Header *h, guint64 offset, guint64 bytes)
{
    guint64 cluster = replQcow2ClusterSize(h);

    return offset % cluster == 0 && offset >= cluster && offset < h->fileSize_bytes &&
           bytes <= h->fileSize_bytes - offset;
}

static int
replQcow2CheckFeatures(const ReplQcow2Header *h, const char *what, GError **err)
{
    if (h->incompatible & ~(guint64)REPL_QCOW2_INCOMPAT_KNOWN) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' needs qcow2 features that are not known here (0x%llx)"), what,
                     (unsigned long long)(h->incompatible & ~(guint64)REPL_QCOW2_INCOMPAT_KNOWN));
        return -1;
    }
    if (h->incompatible & REPL_QCOW2_INCOMPAT_CORRUPT) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is marked as corrupt; repair it with 'qemu-img check -r all' first"),
                     what);
        return -1;
    }
    if (h->compression > REPL_QCOW2_COMPRESSION_ZSTD ||
        (h->compression != REPL_QCOW2_COMPRESSION_ZLIB) !=
            !!(h->incompatible & REPL_QCOW2_INCOMPAT_COMPRESSION)) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' has compression type %u, which is not known here or not announced"), what,
                     h->compression);
        return -1;
    }
    if (h->cryptMethod > REPL_QCOW2_CRYPT_LUKS) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' has encryption method %u, which is not known here"), what,
                     h->cryptMethod);
        return -1;
    }
    if (replQcow2IsExtendedL2(h) && h->clusterBits < 14) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: extended L2 entries need clusters of at least 16 KiB, "
                       "it has %u bytes"),
                     what, 1U << h->clusterBits);
        return -1;
    }
    return 0;
}

static int
replQcow2CheckTables(const ReplQcow2Header *h, const char *what, GError **err)
{
    guint64 l1Bytes = (guint64)h->l1Entries * 8;
    guint64 refBytes = (guint64)h->refcountTableClusters << h->clusterBits;

    if (h->virtualSize_bytes > G_MAXINT64) {
        g_autofree char *size = replAmount(h->virtualSize_bytes);

        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its virtual size of %s is too large"), what, size);
        return -1;
    }
    if (l1Bytes > REPL_QCOW2_MAX_L1_BYTES) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its L1 table of %u entries exceeds 32 MiB"), what,
                     h->l1Entries);
        return -1;
    }
    if (h->l1Entries < replQcow2L1EntriesFor(h, h->virtualSize_bytes)) {
        g_autofree char *size = replAmount(h->virtualSize_bytes);

        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its L1 table of %u entries is too small for %s"), what,
                     h->l1Entries, size);
        return -1;
    }
    if (h->l1Entries > 0 && !replQcow2TableFits(h, h->l1Offset, l1Bytes)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its L1 table at offset %llu is not inside the file"), what,
                     (unsigned long long)h->l1Offset);
        return -1;
    }
    if (h->refcountOrder > 6 || refBytes == 0 || refBytes > REPL_QCOW2_MAX_REFTABLE_BYTES) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: a refcount table of %u clusters with refcount order %u "
                       "is not possible"),
                     what, h->refcountTableClusters, h->refcountOrder);
        return -1;
    }
    if (!replQcow2TableFits(h, h->refcountTableOffset, refBytes)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its refcount table at offset %llu is not inside the "
                       "file"),
                     what, (unsigned long long)h->refcountTableOffset);
        return -1;
    }
    if (h->snapshotCount > REPL_QCOW2_MAX_SNAPSHOTS ||
        (h->snapshotCount > 0 &&
         !replQcow2TableFits(h, h->snapshotsOffset, (guint64)h->snapshotCount * 40))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: %u internal snapshots at offset %llu are not possible"),
                     what, h->snapshotCount, (unsigned long long)h->snapshotsOffset);
        return -1;
    }
    return 0;
}

static int
replQcow2CheckAddons(const ReplQcow2Header *h, const char *what, GError **err)
{
    if (h->cryptMethod == REPL_QCOW2_CRYPT_LUKS && h->luksLength == 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: it is encrypted with LUKS but has no LUKS header"), what);
        return -1;
    }
    if (h->luksLength > 0 && !replQcow2TableFits(h, h->luksOffset, h->luksLength)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its LUKS header at offset %llu is not inside the file"),
                     what, (unsigned long long)h->luksOffset);
        return -1;
    }
    if (h->bitmapCount > 0 &&
        (h->bitmapCount > REPL_QCOW2_MAX_BITMAPS || h->bitmapDirSize < (guint64)h->bitmapCount * 24 ||
         h->bitmapDirSize > REPL_QCOW2_MAX_BITMAPS * 1024ULL ||
         !replQcow2TableFits(h, h->bitmapDirOffset, h->bitmapDirSize))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its directory of %u bitmaps at offset %llu is not "
                       "possible"),
                     what, h->bitmapCount, (unsigned long long)h->bitmapDirOffset);
        return -1;
    }
    return 0;
}

/* The part of fixed shape. @buf holds at least 112 bytes (zeros behind the end of the file). */
static int
replQcow2ParseFixed(ReplQcow2Header *h, const guint8 *buf, const char *what, GError **err)
{
    h->version = replGetBe32(buf + 4);
    h->clusterBits = replGetBe32(buf + 20);
    if (replGetBe32(buf) != REPL_QCOW2_MAGIC || h->version < 2 || h->version > 3) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' is not a qcow2 file of version 2 or 3"),
                     what);
        return -1;
    }
    if (h->clusterBits < REPL_QCOW2_MIN_CLUSTER_BITS || h->clusterBits > REPL_QCOW2_MAX_CLUSTER_BITS) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its cluster size of 2^%u bytes is not possible"), what,
                     h->clusterBits);
        return -1;
    }
    h->virtualSize_bytes = replGetBe64(buf + 24);
    h->cryptMethod = replGetBe32(buf + 32);
    h->l1Entries = replGetBe32(buf + 36);
    h->l1Offset = replGetBe64(buf + 40);
    h->refcountTableOffset = replGetBe64(buf + 48);
    h->refcountTableClusters = replGetBe32(buf + 56);
    h->snapshotCount = replGetBe32(buf + 60);
    h->snapshotsOffset = replGetBe64(buf + 64);
    h->refcountOrder = 4;
    h->headerLength = REPL_QCOW2_V2_LENGTH;
    if (h->version == 2)
        return 0;
    h->incompatible = replGetBe64(buf + 72);
    h->compatible = replGetBe64(buf + 80);
    h->autoclear = replGetBe64(buf + 88);
    h->refcountOrder = replGetBe32(buf + 96);
    h->headerLength = replGetBe32(buf + 100);
    if (h->headerLength < REPL_QCOW2_V3_MIN_LENGTH || h->headerLength % 8 != 0 ||
        h->headerLength > replQcow2ClusterSize(h)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its header length of %u bytes is not possible"), what,
                     h->headerLength);
        return -1;
    }
    if (h->headerLength > 104)
        h->compression = buf[104];
    h->hasDataFile = (h->incompatible & REPL_QCOW2_INCOMPAT_DATA_FILE) != 0;
    return 0;
}

/* A name inside the header: no NUL in it, as QEMU would cut it there and we would not. */
static int
replQcow2TakeName(const guint8 *data, guint32 length, const char *what, char **name, GError **err)
{
    if (length == 0 || memchr(data, '\0', length)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: a name of %u bytes in its header is empty or cut short"),
                     what, length);
        return -1;
    }
    g_free(*name);
    *name = g_strndup((const char *)data, length);
    return 0;
}

static int
replQcow2TakeExtension(ReplQcow2Header *h, const guint8 *buf, const ReplQcow2Extension *ext, const char *what,
                       GError **err)
{
    const guint8 *data = buf + ext->offset + 8;

    switch (ext->type) {
    case REPL_QCOW2_EXT_BACKING_FORMAT:
        if (ext->length > 15)
            break;
        if (ext->length == 0)
            return 0;
        return replQcow2TakeName(data, ext->length, what, &h->backingFormat, err);
    case REPL_QCOW2_EXT_DATA_FILE:
        if (ext->length < 1 || ext->length > REPL_QCOW2_MAX_BACKING_NAME)
            break;
        return replQcow2TakeName(data, ext->length, what, &h->dataFile, err);
    case REPL_QCOW2_EXT_LUKS:
        if (ext->length != 16 || h->cryptMethod != REPL_QCOW2_CRYPT_LUKS)
            break;
        h->luksOffset = replGetBe64(data);
        h->luksLength = replGetBe64(data + 8);
        return 0;
    case REPL_QCOW2_EXT_BITMAPS:
        if (ext->length != 24)
            break;
        /* A writer that does not know bitmaps clears this bit: the bitmaps are out of date then. */
        if (!(h->autoclear & REPL_QCOW2_AUTOCLEAR_BITMAPS))
            return 0;
        h->bitmapCount = replGetBe32(data);
        h->bitmapDirSize = replGetBe64(data + 8);
        h->bitmapDirOffset = replGetBe64(data + 16);
        return 0;
    default:
        return 0;
    }
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' is malformed: its header extension 0x%08x has %u bytes"), what, ext->type,
                 ext->length);
    return -1;
}

static ReplParse
replQcow2ParseExtensions(ReplQcow2Header *h, const guint8 *buf, guint64 have, guint64 limit, const char *what,
                         GError **err)
{
    guint64 pos = h->headerLength;

    for (;;) {
        ReplQcow2Extension ext;

        switch (replQcow2ExtensionAt(buf, have, limit, pos, &ext)) {
        case REPL_QCOW2_EXT_FOUND:
            if (replQcow2TakeExtension(h, buf, &ext, what, err) < 0)
                return REPL_PARSE_ERROR;
            pos = ext.next;
            break;
        case REPL_QCOW2_EXT_NO_MORE:
            return REPL_PARSE_OK;
        case REPL_QCOW2_EXT_UNREAD:
            return REPL_PARSE_MORE;
        case REPL_QCOW2_EXT_OVERRUN:
        default:
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("Volume '%s' is malformed: its header extension 0x%08x of %u bytes runs out of "
                           "the header"),
                         what, ext.type, ext.length);
            return REPL_PARSE_ERROR;
        }
    }
}

/* Extensions and backing name out of the first @have bytes. */
static ReplParse
replQcow2ParseTail(ReplQcow2Header *h, const guint8 *buf, guint64 have, const char *what, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(h);
    guint64 nameOffset = replGetBe64(buf + 8);
    guint32 nameLength = replGetBe32(buf + 16);
    ReplParse ret;

    if (nameOffset != 0 && (nameLength > REPL_QCOW2_MAX_BACKING_NAME || nameOffset < h->headerLength ||
                            nameOffset > cluster || nameLength > cluster - nameOffset)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its backing name of %u bytes at offset %llu is not "
                       "possible"),
                     what, nameLength, (unsigned long long)nameOffset);
        return REPL_PARSE_ERROR;
    }
    ret = replQcow2ParseExtensions(h, buf, have, nameOffset ? nameOffset : cluster, what, err);
    if (ret != REPL_PARSE_OK || nameOffset == 0 || nameLength == 0)
        return ret;
    if (nameOffset + nameLength > have)
        return REPL_PARSE_MORE;
    if (replQcow2TakeName(buf + nameOffset, nameLength, what, &h->backing, err) < 0)
        return REPL_PARSE_ERROR;
    return REPL_PARSE_OK;
}

static ReplQcow2Header *
replQcow2Parse(const guint8 *buf, guint64 have, guint64 fileSize, const char *what, gboolean *more,
               GError **err)
{
    g_autoptr(ReplQcow2Header) h = g_new0(ReplQcow2Header, 1);

    *more = FALSE;
    h->fileSize_bytes = fileSize;
    if (replQcow2ParseFixed(h, buf, what, err) < 0 || replQcow2CheckFeatures(h, what, err) < 0 ||
        replQcow2CheckTables(h, what, err) < 0)
        return NULL;
    switch (replQcow2ParseTail(h, buf, have, what, err)) {
    case REPL_PARSE_MORE:
        *more = TRUE;
        return NULL;
    case REPL_PARSE_OK:
        return replQcow2CheckAddons(h, what, err) < 0 ? NULL : g_steal_pointer(&h);
    case REPL_PARSE_ERROR:
    default:
        return NULL;
    }
}

ReplQcow2Header *
replQcow2HeaderRead(int fd, const char *what, GError **err)
{
    g_autoptr(ReplQcow2Header) header = NULL;
    g_autofree guint8 *buf = g_malloc0(REPL_QCOW2_FIRST_READ);
    struct stat st;
    gboolean more;
    gsize want;
    ssize_t n;

    if (fstat(fd, &st) < 0 || (n = replPreadFull(fd, buf, REPL_QCOW2_FIRST_READ, 0)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return NULL;
    }
    if (n < REPL_QCOW2_V3_MIN_LENGTH) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its file of %lld bytes ends inside the header"), what,
                     (long long)n);
        return NULL;
    }
    header = replQcow2Parse(buf, n, st.st_size, what, &more, err);
    if (header || !more)
        return g_steal_pointer(&header);

    /* The cluster size is good, or parsing would not have asked for more. */
    want = (gsize)1 << replGetBe32(buf + 20);
    buf = g_realloc(buf, MAX(want, REPL_QCOW2_FIRST_READ));
    if ((n = replPreadFull(fd, buf, want, 0)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return NULL;
    }
    if (n >= REPL_QCOW2_V3_MIN_LENGTH)
        header = replQcow2Parse(buf, n, st.st_size, what, &more, err);
    if (!header && (more || n < REPL_QCOW2_V3_MIN_LENGTH))
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its file of %lld bytes ends inside the header"), what,
                     (long long)n);
    return g_steal_pointer(&header);
}
