/*
 * writer.c: where the bytes of a copy go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/writer.h"

#include "base/error.h"

#define WRITE_MAX_BYTES ((gsize)4 << 20) /* what writer.h promises to implementations */

int
replWriterResize(ReplWriter *writer, guint64 size_bytes, GError **err)
{
    return writer->ops->resize(writer, size_bytes, err);
}

int
replWriterWrite(ReplWriter *writer, const void *buf, gsize len, guint64 offset, GError **err)
{
    const guint8 *from = buf;

    while (len > 0) {
        gsize n = MIN(len, WRITE_MAX_BYTES);

        if (writer->ops->pwrite(writer, from, n, offset, err) < 0)
            return -1;
        from += n;
        offset += n;
        len -= n;
    }
    return 0;
}

int
replWriterFlush(ReplWriter *writer, gboolean last, GError **err)
{
    return writer->ops->flush(writer, last, err);
}

int
replWriterHave(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, guint64 *run_bytes,
               GError **err)
{
    *run_bytes = length_bytes;
    return writer->ops->have ? writer->ops->have(writer, offset_bytes, length_bytes, run_bytes, err) : 0;
}

int
replWriterZero(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    if (writer->ops->zero)
        return writer->ops->zero(writer, offset_bytes, length_bytes, err);
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                 _("The copy's target cannot be made to read as zeros at offset %llu"),
                 (unsigned long long)offset_bytes);
    return -1;
}

int
replWriterReserve(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    return writer->ops->reserve ? writer->ops->reserve(writer, offset_bytes, length_bytes, err) : 0;
}

int
replWriterClone(ReplWriter *writer, ReplReader *reader, GError **err)
{
    return writer->ops->clone ? writer->ops->clone(writer, reader, err) : 0;
}

void
replWriterCancel(ReplWriter *writer)
{
    if (writer->ops->cancel)
        writer->ops->cancel(writer);
}

int
replWriterFd(ReplWriter *writer)
{
    return writer->ops->fd ? writer->ops->fd(writer) : -1;
}

void
replWriterFree(ReplWriter *writer)
{
    if (writer)
        writer->ops->free(writer);
}
