/*
 * header.h: the header of a qcow2 file, read from a descriptor and judged before anybody trusts it
 *
 * The format is QEMU's docs/interop/qcow2.txt; the limits are those QEMU itself enforces on open
 * (block/qcow2.h), so that what passes here is no surprise to it. A file is hostile until read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#define REPL_QCOW2_MAGIC 0x514649fbU

/* QEMU's limits. */
#define REPL_QCOW2_MIN_CLUSTER_BITS 9
#define REPL_QCOW2_MAX_CLUSTER_BITS 21
#define REPL_QCOW2_MAX_L1_BYTES (32U << 20)
#define REPL_QCOW2_MAX_REFTABLE_BYTES (8U << 20)
#define REPL_QCOW2_MAX_SNAPSHOTS 65536U
#define REPL_QCOW2_MAX_BITMAPS 65535U
#define REPL_QCOW2_MAX_BACKING_NAME 1023U
/* Host offsets are 56 bits wide in L1 and L2 entries. */
#define REPL_QCOW2_OFFSET_MASK 0x00fffffffffffe00ULL

/* Header extensions that mean something to us. */
#define REPL_QCOW2_EXT_END 0U
#define REPL_QCOW2_EXT_BACKING_FORMAT 0xe2792acaU
#define REPL_QCOW2_EXT_FEATURES 0x6803f857U
#define REPL_QCOW2_EXT_LUKS 0x0537be77U
#define REPL_QCOW2_EXT_BITMAPS 0x23852875U
#define REPL_QCOW2_EXT_DATA_FILE 0x44415441U

enum {
    REPL_QCOW2_INCOMPAT_DIRTY = 1 << 0,
    REPL_QCOW2_INCOMPAT_CORRUPT = 1 << 1,
    REPL_QCOW2_INCOMPAT_DATA_FILE = 1 << 2,
    REPL_QCOW2_INCOMPAT_COMPRESSION = 1 << 3,
    REPL_QCOW2_INCOMPAT_EXTENDED_L2 = 1 << 4,
    REPL_QCOW2_INCOMPAT_KNOWN = (1 << 5) - 1,
};

enum {
    REPL_QCOW2_COMPAT_LAZY_REFCOUNTS = 1 << 0,
    REPL_QCOW2_AUTOCLEAR_BITMAPS = 1 << 0,
};

enum {
    REPL_QCOW2_CRYPT_NONE = 0,
    REPL_QCOW2_CRYPT_AES = 1, /* the legacy scheme: AES-CBC, password is the key */
    REPL_QCOW2_CRYPT_LUKS = 2,
};

enum {
    REPL_QCOW2_COMPRESSION_ZLIB = 0,
    REPL_QCOW2_COMPRESSION_ZSTD = 1,
};

/* What the header says. Read once, never changed. Offsets are host offsets in bytes. */
typedef struct {
    guint32 version;     /* 2 or 3 */
    guint32 clusterBits; /* 9 to 21 */
    guint32 cryptMethod; /* REPL_QCOW2_CRYPT_… */
    guint32 l1Entries;   /* of the active L1 table */
    guint32 refcountTableClusters;
    guint32 refcountOrder; /* a refcount has 1 << this bits; 4 in version 2 */
    guint32 snapshotCount; /* internal snapshots */
    guint32 headerLength;  /* 72 in version 2 */
    guint32 compression;   /* REPL_QCOW2_COMPRESSION_… */
    guint64 virtualSize_bytes;
    guint64 l1Offset;
    guint64 refcountTableOffset;
    guint64 snapshotsOffset;
    guint64 incompatible;
    guint64 compatible;
    guint64 autoclear;
    char *backing;        /* as written in the file, NULL: none */
    char *backingFormat;  /* NULL: not stated */
    char *dataFile;       /* name of an external data file, NULL: not stated */
    gboolean hasDataFile; /* guest data lies in another file; callers refuse that */
    guint64 luksOffset;   /* LUKS1 header inside the file; length 0: none */
    guint64 luksLength;
    guint32 bitmapCount; /* persistent dirty bitmaps that are consistent (autoclear bit set) */
    guint64 bitmapDirOffset;
    guint64 bitmapDirSize;
    guint64 fileSize_bytes; /* of the file itself when it was read */
} ReplQcow2Header;

/* Reads and judges the header of the regular file @fd; @what names the volume in messages. Usually
 * one read of 4 KiB, at most one more of a cluster. NULL with @err set: VIR_ERR_OPERATION_INVALID
 * when the file is malformed, marked corrupt or no qcow2, VIR_ERR_NO_SUPPORT when it needs a feature
 * that we do not know, VIR_ERR_SYSTEM_ERROR when it cannot be read. */
ReplQcow2Header *
replQcow2HeaderRead(int fd, const char *what, GError **err);

void
replQcow2HeaderFree(ReplQcow2Header *header);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplQcow2Header, replQcow2HeaderFree)

static inline guint64
replQcow2ClusterSize(const ReplQcow2Header *header)
{
    return G_GUINT64_CONSTANT(1) << header->clusterBits;
}

static inline gboolean
replQcow2IsExtendedL2(const ReplQcow2Header *header)
{
    return (header->incompatible & REPL_QCOW2_INCOMPAT_EXTENDED_L2) != 0;
}

/* Size of one L2 entry in bytes. */
static inline guint32
replQcow2L2EntrySize(const ReplQcow2Header *header)
{
    return replQcow2IsExtendedL2(header) ? 16 : 8;
}

/* log2 of the entries in one L2 table. */
static inline guint32
replQcow2L2Bits(const ReplQcow2Header *header)
{
    return header->clusterBits - (replQcow2IsExtendedL2(header) ? 4 : 3);
}
