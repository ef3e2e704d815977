/*
 * content.c: what a layer holds, as one digest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/content.h"

#include <errno.h>
#include <gcrypt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bundle/hex.h"
#include "qcow2/backing.h"
#include "qcow2/bytes.h"

#define REPL_CONTENT_BLOCK_BYTES 65536u
/* Read at once: the largest cluster, so that a header is whole. */
#define REPL_CONTENT_PIECE_BYTES (2u << 20)

typedef struct {
    const ReplContent *content;
    gcry_md_hd_t digest;
    guint8 *piece;       /* with room for REPL_READER_SLACK_BYTES more; what is not read yet is zeros */
    guint64 piece_bytes; /* its offset; G_MAXUINT64: none yet */
} ReplContentSum;

/* The header as it would be without a backing file, in place. */
static int
replContentNormalise(ReplContentSum *sum, GError **err)
{
    const ReplContent *content = sum->content;
    const ReplQcow2Edit noBacking = {.setBacking = TRUE};
    gsize length = MIN(content->size_bytes, REPL_CONTENT_PIECE_BYTES);
    g_auto(ReplFd) fd = memfd_create("header", MFD_CLOEXEC);
    g_autoptr(ReplQcow2Header) header = NULL;
    g_autofree guint8 *first = NULL;
    guint64 used;

    if (fd < 0 || replPwriteFull(fd, sum->piece, length, 0) < 0 || ftruncate(fd, content->size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), content->volume);
        return -1;
    }
    if (!(header = replQcow2HeaderRead(fd, content->volume, err)) ||
        !(first = replQcow2HeaderRebuild(fd, header, &noBacking, content->volume, &used, err)))
        return -1;
    memcpy(sum->piece, first, MIN(replQcow2ClusterSize(header), length));
    return 0;
}

static gboolean
replContentIsZero(const guint8 *block, gsize length)
{
    return block[0] == 0 && memcmp(block, block + 1, length - 1) == 0;
}

/* The piece is complete. */
static int
replContentPiece(ReplContentSum *sum, GError **err)
{
    if (sum->piece_bytes == G_MAXUINT64)
        return 0;
    if (sum->piece_bytes == 0 && sum->content->format == REPL_FORMAT_QCOW2 &&
        replContentNormalise(sum, err) < 0)
        return -1;
    for (gsize at = 0; at < REPL_CONTENT_PIECE_BYTES; at += REPL_CONTENT_BLOCK_BYTES) {
        guint8 number[8];

        if (replContentIsZero(sum->piece + at, REPL_CONTENT_BLOCK_BYTES))
            continue;
        replPutBe64(number, (sum->piece_bytes + at) / REPL_CONTENT_BLOCK_BYTES);
        gcry_md_write(sum->digest, number, sizeof(number));
        gcry_md_write(sum->digest, sum->piece + at, REPL_CONTENT_BLOCK_BYTES);
    }
    return 0;
}

/* Adds @length bytes at @offset, all of one piece. */
static int
replContentAdd(ReplContentSum *sum, ReplReader *reader, guint64 offset, gsize length, GError **err)
{
    const ReplContent *content = sum->content;
    guint64 piece = offset / REPL_CONTENT_PIECE_BYTES * REPL_CONTENT_PIECE_BYTES;
    guint8 *at = sum->piece + (offset - piece);

    if (content->proceed && content->proceed(content->opaque, length, err) < 0)
        return -1;
    if (piece != sum->piece_bytes) {
        if (replContentPiece(sum, err) < 0)
            return -1;
        memset(sum->piece, 0, REPL_CONTENT_PIECE_BYTES);
        sum->piece_bytes = piece;
    }
    if (replReaderRead(reader, at, length, offset, err) < 0)
        return -1;
    /* A reader may write a little further than it was asked to. */
    memset(at + length, 0, sum->piece + REPL_CONTENT_PIECE_BYTES + REPL_READER_SLACK_BYTES - (at + length));
    return 0;
}

static int
replContentRun(ReplContentSum *sum, ReplReader *reader, GError **err)
{
    guint64 size_bytes = sum->content->size_bytes;
    guint64 from_bytes = 0;

    while (from_bytes < size_bytes) {
        guint64 offset_bytes, length_bytes;
        int rc = replReaderData(reader, from_bytes, &offset_bytes, &length_bytes, err);

        if (rc < 0)
            return -1;
        if (rc == 0 || offset_bytes >= size_bytes)
            break;
        length_bytes = MIN(length_bytes, size_bytes - offset_bytes) + offset_bytes;
        from_bytes = MAX(offset_bytes, from_bytes);
        for (guint64 end = length_bytes; from_bytes < end;) {
            gsize room = REPL_CONTENT_PIECE_BYTES - from_bytes % REPL_CONTENT_PIECE_BYTES;
            gsize length = MIN(end - from_bytes, room);

            if (replContentAdd(sum, reader, from_bytes, length, err) < 0)
                return -1;
            from_bytes += length;
        }
    }
    return replContentPiece(sum, err);
}

int
replContentDigest(ReplReader *reader, const ReplContent *content, char *digest, GError **err)
{
    ReplContentSum sum = {.content = content, .piece_bytes = G_MAXUINT64};
    guint8 size[8];
    int rc;

    if (gcry_md_open(&sum.digest, GCRY_MD_SHA256, 0) != 0) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, "%s", _("libgcrypt makes no SHA-256"));
        return -1;
    }
    sum.piece = g_malloc0(REPL_CONTENT_PIECE_BYTES + REPL_READER_SLACK_BYTES);
    replPutBe64(size, content->size_bytes);
    gcry_md_write(sum.digest, size, sizeof(size));
    if ((rc = replContentRun(&sum, reader, err)) == 0)
        replHex(gcry_md_read(sum.digest, GCRY_MD_SHA256), 32, digest);
    gcry_md_close(sum.digest);
    g_free(sum.piece);
    return rc;
}
