/*
 * guest.c: guest content of one qcow2 layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/guest.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/entry.h"
#include "qcow2/inflate.h"

#define REPL_SUBCLUSTERS 32

static int
replGuestMalformed(const char *what, guint64 offset, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' is malformed: its tables for guest offset %llu make no sense"), what,
                 (unsigned long long)offset);
    return -1;
}

/* Reads @len bytes that must lie inside the file; short at its end is zeros. */
static int
replGuestRead(int fd, const ReplQcow2Header *h, guint64 pos, guint8 *buf, gsize len, const char *what,
              GError **err)
{
    ssize_t n;

    if (pos >= h->fileSize_bytes) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: it refers to offset %llu behind the end of its file"), what,
                     (unsigned long long)pos);
        return -1;
    }
    if ((n = replPreadFull(fd, buf, len, pos)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return -1;
    }
    memset(buf + n, 0, len - n);
    return 0;
}

/* The L2 entry of guest @offset; an L1 entry of 0 gives an unallocated one. */
static int
replGuestLookUp(int fd, const ReplQcow2Header *h, guint64 offset, ReplQcow2Entry *entry, const char *what,
                GError **err)
{
    guint32 l2Bits = replQcow2L2Bits(h);
    guint64 l2Index = (offset >> h->clusterBits) & ((G_GUINT64_CONSTANT(1) << l2Bits) - 1);
    guint64 l1Index = offset >> (h->clusterBits + l2Bits);
    guint8 raw[16] = {0};
    guint64 l2;

    memset(entry, 0, sizeof(*entry));
    if (l1Index >= h->l1Entries)
        return replGuestMalformed(what, offset, err);
    if (replGuestRead(fd, h, h->l1Offset + l1Index * 8, raw, 8, what, err) < 0)
        return -1;
    l2 = replGetBe64(raw) & REPL_QCOW2_OFFSET_MASK;
    if (l2 == 0)
        return 0;
    if (l2 % replQcow2ClusterSize(h) != 0)
        return replGuestMalformed(what, offset, err);
    if (replGuestRead(fd, h, l2 + l2Index * replQcow2L2EntrySize(h), raw, replQcow2L2EntrySize(h), what,
                      err) < 0)
        return -1;
    if (replQcow2EntryDecode(h, raw, entry) < 0)
        return replGuestMalformed(what, offset, err);
    return 0;
}

static int
replGuestReadCompressed(int fd, const ReplQcow2Header *h, const ReplQcow2Entry *entry, guint64 within,
                        guint8 *buf, gsize len, const char *what, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(h);
    g_autofree guint8 *in = g_malloc(entry->hostBytes);
    g_autofree guint8 *out = g_malloc(cluster);

    if (replGuestRead(fd, h, entry->host, in, entry->hostBytes, what, err) < 0)
        return -1;
    if (replQcow2Inflate(h->compression, in, entry->hostBytes, out, cluster) < 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is malformed: its compressed cluster at offset %llu is damaged"), what,
                     (unsigned long long)entry->host);
        return -1;
    }
    memcpy(buf, out + within, len);
    return 0;
}

/* What subcluster @n is, or the whole cluster without extended L2. */
static ReplGuestKind
replGuestKindOf(const ReplQcow2Header *h, const ReplQcow2Entry *entry, guint32 n)
{
    if (entry->zero & (1U << n))
        return REPL_GUEST_ZERO;
    if (!(entry->allocated & (1U << n)))
        return REPL_GUEST_UNALLOCATED;
    /* QEMU never encrypts compressed clusters, even when the header says that the image is encrypted. */
    if (entry->kind == REPL_QCOW2_ENTRY_COMPRESSED)
        return REPL_GUEST_DATA;
    return h->cryptMethod == REPL_QCOW2_CRYPT_NONE ? REPL_GUEST_DATA : REPL_GUEST_ENCRYPTED;
}

int
replQcow2ReadGuest(int fd, const ReplQcow2Header *header, guint64 offset, guint8 *buf, gsize len, gsize *got,
                   ReplGuestKind *kind, const char *what, GError **err)
{
    guint64 cluster = replQcow2ClusterSize(header);
    guint64 within = offset & (cluster - 1);
    guint64 piece = cluster;
    ReplQcow2Entry entry;

    *got = 0;
    *kind = REPL_GUEST_UNALLOCATED;
    if (header->hasDataFile) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' keeps its data in an external data file, which is not supported"), what);
        return -1;
    }
    if (offset >= header->virtualSize_bytes || len == 0)
        return 0;
    if (replGuestLookUp(fd, header, offset, &entry, what, err) < 0)
        return -1;
    if (replQcow2IsExtendedL2(header) && entry.kind != REPL_QCOW2_ENTRY_COMPRESSED)
        piece = cluster / REPL_SUBCLUSTERS;
    len = MIN(len, header->virtualSize_bytes - offset);
    len = MIN(len, piece - within % piece);
    /* Without subclusters all bits are alike. */
    *kind = replGuestKindOf(header, &entry, piece < cluster ? within / piece : 0);
    if (*kind == REPL_GUEST_ZERO)
        memset(buf, 0, len);
    if (*kind == REPL_GUEST_DATA) {
        int ret = entry.kind == REPL_QCOW2_ENTRY_COMPRESSED
                      ? replGuestReadCompressed(fd, header, &entry, within, buf, len, what, err)
                      : replGuestRead(fd, header, entry.host + within, buf, len, what, err);

        if (ret < 0)
            return -1;
    }
    *got = len;
    return 0;
}
