/*
 * farhead.c: the headers of an encrypted layer that is on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/farhead.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "luks/header.h"
#include "qcow2/header.h"

#define REPL_FAR_HEAD_PIECE_BYTES (1u << 20)
#define REPL_FAR_HEAD_ALIGN_BYTES 4096u
/* A qcow2 header with all that belongs to it lies in the first cluster, of 2 MiB at most. */
#define REPL_FAR_HEAD_QCOW2_BYTES (2u << 20)
/* LUKS1 with eight slots of the longest key ends before. */
#define REPL_FAR_HEAD_LUKS_BYTES (4u << 20)

static int
replFarHeadCopy(ReplReader *reader, int fd, guint64 offset, guint64 length, GError **err)
{
    g_autofree guint8 *room =
        g_malloc(REPL_FAR_HEAD_PIECE_BYTES + REPL_READER_SLACK_BYTES + REPL_FAR_HEAD_ALIGN_BYTES);
    guint8 *buf = room + (REPL_FAR_HEAD_ALIGN_BYTES - (guintptr)room % REPL_FAR_HEAD_ALIGN_BYTES);

    while (length > 0) {
        gsize piece = MIN(length, REPL_FAR_HEAD_PIECE_BYTES);

        if (replReaderRead(reader, buf, piece, offset, err) < 0)
            return -1;
        if (replPwriteFull(fd, buf, piece, offset) < 0) {
            replErrorSetSystem(err, errno, _("Cannot get memory for a LUKS header"));
            return -1;
        }
        offset += piece;
        length -= piece;
    }
    return 0;
}

/* The LUKS header where the qcow2 header says it is. */
static int
replFarHeadLuks(ReplReader *reader, int fd, const ReplPlanLayer *layer, GError **err)
{
    g_autoptr(ReplQcow2Header) header = replQcow2HeaderRead(fd, layer->volume, err);

    if (!header)
        return -1;
    return replFarHeadCopy(reader, fd, header->luksOffset,
                           MIN(header->luksLength, REPL_LUKS_MAX_HEADER_BYTES), err);
}

int
replFarHeadFetch(ReplSource *source, const ReplSourceFacts *facts, guint index, GError **err)
{
    const ReplPlanLayer *layer = &facts->layers[index];
    gboolean qcow2 = layer->format == REPL_FORMAT_QCOW2;
    guint64 first = MIN(layer->size_bytes, qcow2 ? REPL_FAR_HEAD_QCOW2_BYTES : REPL_FAR_HEAD_LUKS_BYTES);
    g_autoptr(ReplReader) reader = replSourceOpenLayer(source, index, err);
    g_auto(ReplFd) fd = -1;

    if (!reader)
        return -1;
    if ((fd = memfd_create("storage-replication", MFD_CLOEXEC)) < 0 ||
        ftruncate(fd, (off_t)layer->size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot get memory for a LUKS header"));
        return -1;
    }
    if (replFarHeadCopy(reader, fd, 0, first, err) < 0 ||
        (qcow2 && replFarHeadLuks(reader, fd, layer, err) < 0))
        return -1;
    return replFdSteal(&fd);
}
