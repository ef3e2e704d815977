/*
 * snapshots.c: the table of internal snapshots of a qcow2 file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/snapshots.h"

#include <errno.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"

/* An entry: 40 fixed bytes, extra data, id, name, padded to 8. */
#define REPL_SNAPSHOT_FIXED 40
/* QEMU's limit of the extra data; known are 8 bytes VM state size, 8 disk size, 8 instruction count. */
#define REPL_SNAPSHOT_MAX_EXTRA 1024

static int
replQcow2SnapshotRefuse(const char *what, guint32 number, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' is malformed: its internal snapshot %u has no valid table entry"), what,
                 number);
    return -1;
}

/* Reads entry @number at *pos and moves *pos behind it. */
static int
replQcow2SnapshotRead(int fd, const ReplQcow2Header *h, const char *what, guint32 number, guint64 *pos,
                      ReplQcow2Snapshot *snap, GError **err)
{
    guint8 buf[REPL_SNAPSHOT_FIXED + 16] = {0};
    ssize_t n = replPreadFull(fd, buf, sizeof(buf), *pos);
    guint64 bytes;
    guint32 extra;

    if (n < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return -1;
    }
    if (n < REPL_SNAPSHOT_FIXED)
        return replQcow2SnapshotRefuse(what, number, err);
    extra = replGetBe32(buf + 36);
    bytes = REPL_SNAPSHOT_FIXED + (guint64)extra + replGetBe16(buf + 12) + replGetBe16(buf + 14);
    if (extra > REPL_SNAPSHOT_MAX_EXTRA || *pos + bytes > h->fileSize_bytes)
        return replQcow2SnapshotRefuse(what, number, err);
    snap->l1Offset = replGetBe64(buf);
    snap->l1Entries = replGetBe32(buf + 8);
    snap->vmStateSize_bytes = extra >= 8 ? replGetBe64(buf + 40) : replGetBe32(buf + 32);
    snap->diskSize_bytes = extra >= 16 ? replGetBe64(buf + 48) : h->virtualSize_bytes;
    if ((guint64)snap->l1Entries * 8 > REPL_QCOW2_MAX_L1_BYTES ||
        (snap->l1Entries > 0 &&
         (snap->l1Offset % replQcow2ClusterSize(h) != 0 || snap->l1Offset >= h->fileSize_bytes ||
          snap->l1Offset == 0 || snap->l1Entries * 8ULL > h->fileSize_bytes - snap->l1Offset)))
        return replQcow2SnapshotRefuse(what, number, err);
    *pos += (bytes + 7) & ~G_GUINT64_CONSTANT(7);
    return 0;
}

GArray *
replQcow2SnapshotsRead(int fd, const ReplQcow2Header *header, const char *what, guint64 *tableBytes,
                       GError **err)
{
    g_autoptr(GArray) snaps = g_array_new(FALSE, TRUE, sizeof(ReplQcow2Snapshot));
    guint64 pos = header->snapshotsOffset;
    guint32 i;

    for (i = 0; i < header->snapshotCount; i++) {
        ReplQcow2Snapshot snap;

        if (replQcow2SnapshotRead(fd, header, what, i, &pos, &snap, err) < 0)
            return NULL;
        if (pos - header->snapshotsOffset > REPL_QCOW2_MAX_SNAPSHOT_TABLE_BYTES) {
            replQcow2SnapshotRefuse(what, i, err);
            return NULL;
        }
        g_array_append_val(snaps, snap);
    }
    if (tableBytes)
        *tableBytes = header->snapshotCount ? pos - header->snapshotsOffset : 0;
    return g_steal_pointer(&snaps);
}
