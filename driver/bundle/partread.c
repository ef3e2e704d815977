/*
 * partread.c: the map of a part, without the rest of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/partread.h"

#include <zstd.h>

#include "bundle/lies.h"
#include "qcow2/bytes.h"

#define REPL_PART_READ_BYTES (64u << 10)
#define REPL_PART_ZSTD_MAGIC 0x28b52ffdu /* as its bytes stand */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ZSTD_DCtx, ZSTD_freeDCtx)

gboolean
replPartIsZstd(const ReplBundleFile *file, const ReplBundlePart *part)
{
    guint8 magic[4];

    return part->packed_bytes >= 4 && replBundleFileRead(file, magic, 4, part->at_bytes, NULL) == 4 &&
           replGetBe32(magic) == REPL_PART_ZSTD_MAGIC;
}

/* A part's bytes from its beginning on, unpacked, as far as they are asked for. */
typedef struct {
    const ReplBundleFile *file;
    guint64 at_bytes;
    guint64 left_bytes;
    ZSTD_DCtx *zstd; /* NULL: not packed */
    guint8 *buffer;  /* REPL_PART_READ_BYTES */
    ZSTD_inBuffer in;
    GError *error; /* the file's */
} ReplPartInput;

static gboolean
replPartFetch(ReplPartInput *input)
{
    gsize length = MIN(input->left_bytes, REPL_PART_READ_BYTES);

    if (length == 0 || replBundleFileRead(input->file, input->buffer, length, input->at_bytes,
                                          &input->error) != (gssize)length)
        return FALSE;
    input->at_bytes += length;
    input->left_bytes -= length;
    input->in = (ZSTD_inBuffer){input->buffer, length, 0};
    return TRUE;
}

static gboolean
replPartRead(ReplPartInput *input, guint8 *bytes, gsize length)
{
    ZSTD_outBuffer out = {bytes, length, 0};

    while (out.pos < out.size) {
        if (input->in.pos == input->in.size && !replPartFetch(input))
            return FALSE;
        if (input->zstd) {
            if (ZSTD_isError(ZSTD_decompressStream(input->zstd, &out, &input->in)))
                return FALSE;
        } else {
            gsize n = MIN(out.size - out.pos, input->in.size - input->in.pos);

            memcpy(bytes + out.pos, input->buffer + input->in.pos, n);
            out.pos += n;
            input->in.pos += n;
        }
    }
    return TRUE;
}

ReplMap *
replPartMap(const ReplBundleFile *file, const ReplBundlePart *part, GError **err)
{
    g_autofree guint8 *buffer = g_malloc(REPL_PART_READ_BYTES);
    g_autoptr(ZSTD_DCtx) zstd = part->zstd ? ZSTD_createDCtx() : NULL;
    ReplPartInput input = {.file = file,
                           .at_bytes = part->at_bytes,
                           .left_bytes = part->packed_bytes,
                           .zstd = zstd,
                           .buffer = buffer};
    guint8 head[REPL_MAP_HEAD_BYTES];
    g_autofree guint8 *bytes = NULL;
    ReplMap *map = NULL;
    gsize length;

    if (zstd)
        ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, REPL_PART_WINDOW_LOG_MAX);
    if (replPartRead(&input, head, sizeof(head)) && (length = replMapLength(head)) > 0) {
        bytes = g_malloc(length);
        memcpy(bytes, head, sizeof(head));
        if (replPartRead(&input, bytes + sizeof(head), length - sizeof(head)))
            map = replMapRead(bytes, length);
    }
    if (input.error)
        g_propagate_error(err, input.error);
    else if (!map)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Bundle '%s' cannot be used: blob sha256:%s is not a part of a layer"), file->what,
                     part->digest);
    return map;
}
