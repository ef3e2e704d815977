/*
 * inflate.c: compressed clusters
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include "qcow2/header.h"

/* QEMU writes raw deflate with a window of 4 KiB. */
#define REPL_QCOW2_WINDOW_BITS (-12)

static int
replInflateZlib(const guint8 *in, gsize inLen, guint8 *out, gsize outLen)
{
    z_stream z = {0};
    int ret;

    z.next_in = (guint8 *)in;
    z.avail_in = inLen;
    z.next_out = out;
    z.avail_out = outLen;
    if (inflateInit2(&z, REPL_QCOW2_WINDOW_BITS) != Z_OK)
        return -1;
    ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* Z_BUF_ERROR: the cluster is full, the end mark of the stream was cut off or not reached. */
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && z.avail_out == 0 ? 0 : -1;
}

/* In one go, so that no window of the stream's choosing has to be allocated. */
static int
replInflateZstd(const guint8 *in, gsize inLen, guint8 *out, gsize outLen)
{
    size_t frame = ZSTD_findFrameCompressedSize(in, inLen);

    if (ZSTD_isError(frame))
        return -1;
    return ZSTD_decompress(out, outLen, in, frame) == outLen ? 0 : -1;
}

int
replQcow2Inflate(guint32 compression, const guint8 *in, gsize inLen, guint8 *out, gsize outLen)
{
    switch (compression) {
    case REPL_QCOW2_COMPRESSION_ZLIB:
        return replInflateZlib(in, inLen, out, outLen);
    case REPL_QCOW2_COMPRESSION_ZSTD:
        return replInflateZstd(in, inLen, out, outLen);
    default:
        return -1;
    }
}
