/*
 * reader.c: where the bytes of a copy come from
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/reader.h"

int
replReaderData(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
               GError **err)
{
    if (reader->ops->data)
        return reader->ops->data(reader, from_bytes, offset_bytes, length_bytes, err);
    *offset_bytes = from_bytes;
    *length_bytes = G_MAXINT64 - MIN(from_bytes, G_MAXINT64);
    return *length_bytes > 0;
}

int
replReaderRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    return reader->ops->pread(reader, buf, len, offset, err);
}

void
replReaderPass(ReplReader *reader, guint64 offset_bytes, guint64 length_bytes)
{
    if (reader->ops->pass)
        reader->ops->pass(reader, offset_bytes, length_bytes);
}

void
replReaderCancel(ReplReader *reader)
{
    if (reader->ops->cancel)
        reader->ops->cancel(reader);
}

int
replReaderFd(ReplReader *reader)
{
    return reader->ops->fd ? reader->ops->fd(reader) : -1;
}

void
replReaderFree(ReplReader *reader)
{
    if (reader)
        reader->ops->free(reader);
}
