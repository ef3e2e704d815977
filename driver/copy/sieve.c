/*
 * sieve.c: which extents a copy has to carry
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/sieve.h"

#include "base/error.h"

void
replSieveInit(ReplSieve *sieve, const ReplCopyJob *job, ReplReader *reader, ReplWriter *writer)
{
    *sieve = (ReplSieve){.job = job,
                         .reader = reader,
                         .writer = writer,
                         .walked_bytes = job->start_bytes,
                         .zeroed_bytes = job->start_bytes};
}

/* The next run of data that the reader finds, within the target's size. */
static int
sieveWalk(ReplSieve *sieve, ReplExtent *extent, GError **err)
{
    guint64 from = sieve->walked_bytes;
    guint64 end = sieve->job->size_bytes;
    guint64 offset = 0, length = 0;
    int rc;

    if (from >= end)
        return 0;
    rc = replReaderData(sieve->reader, from, &offset, &length, err);
    if (rc <= 0)
        return rc;
    if (length == 0 || length > G_MAXINT64 || offset > G_MAXINT64 - length || offset + length <= from) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                     _("The copy's source tells of %llu bytes of data at offset %llu, which is not "
                       "behind offset %llu"),
                     (unsigned long long)length, (unsigned long long)offset, (unsigned long long)from);
        return -1;
    }
    if (offset >= end)
        return 0;
    length = MIN(offset + length, end) - MAX(offset, from);
    offset = MAX(offset, from);
    *extent = (ReplExtent){.srcOffset_bytes = offset,
                           .dstOffset_bytes = offset,
                           .length_bytes = length,
                           .kind = REPL_EXTENT_FOUND};
    sieve->walked_bytes = offset + length;
    return 1;
}

/* The target from where the last extent ended to @to reads as zeros. */
static int
sieveZero(ReplSieve *sieve, guint64 to, GError **err)
{
    guint64 from = sieve->zeroed_bytes;

    if (to <= from)
        return 0;
    sieve->zeroed_bytes = to;
    if (!sieve->job->overwrite)
        return 0;
    return replWriterZero(sieve->writer, from, to - from, err);
}

/* 1 with sieve->rest set, 0 at the end, -1 with @err set. Extents of the caller's that make no sense are
 * passed on as they are: the cutter refuses them. */
static int
sieveFetch(ReplSieve *sieve, GError **err)
{
    const ReplExtentSource *source = sieve->job->extents;
    int rc;

    sieve->rest = (ReplExtent){0};
    rc = source ? source->next(source->opaque, &sieve->rest, err) : sieveWalk(sieve, &sieve->rest, err);
    if (rc <= 0)
        sieve->rest = (ReplExtent){0}; /* the source may have left anything there */
    if (rc < 0)
        return -1;
    if (rc == 0)
        return sieveZero(sieve, sieve->job->size_bytes, err);
    if (sieveZero(sieve, MIN(sieve->rest.dstOffset_bytes, sieve->job->size_bytes), err) < 0)
        return -1;
    sieve->zeroed_bytes = MAX(sieve->zeroed_bytes, sieve->rest.dstOffset_bytes + sieve->rest.length_bytes);
    return 1;
}

static void
sieveDrop(ReplSieve *sieve, guint64 n)
{
    sieve->rest.srcOffset_bytes += n;
    sieve->rest.dstOffset_bytes += n;
    sieve->rest.length_bytes -= n;
}

/* What an earlier copy has done needs no question. */
static void
sieveClip(ReplSieve *sieve)
{
    guint64 start = sieve->job->start_bytes;

    if (sieve->rest.dstOffset_bytes < start)
        sieveDrop(sieve, MIN(start - sieve->rest.dstOffset_bytes, sieve->rest.length_bytes));
}

/* Asks about the beginning of the rest. Drops what the target has; *needed_bytes: how much it needs then, 0: nothing is
 * left. */
static int
sieveAsk(ReplSieve *sieve, guint64 *needed_bytes, GError **err)
{
    const ReplCopyWatch *watch = sieve->job->watch;

    *needed_bytes = 0;
    while (sieve->rest.length_bytes > 0) {
        guint64 n = 0;
        int rc =
            replWriterHave(sieve->writer, sieve->rest.dstOffset_bytes, sieve->rest.length_bytes, &n, err);

        if (rc < 0)
            return -1;
        n = CLAMP(n, 1, sieve->rest.length_bytes);
        if (rc == 0) {
            *needed_bytes = n;
            return 0;
        }
        replReaderPass(sieve->reader, sieve->rest.srcOffset_bytes, n);
        sieveDrop(sieve, n);
        if (watch && watch->spared)
            watch->spared(watch->opaque, n);
    }
    return 0;
}

/* Extents that reach beyond the target go on to the cutter, which refuses them. */
static gboolean
sieveAsks(const ReplSieve *sieve)
{
    return sieve->writer->ops->have && !sieve->job->transform &&
           sieve->rest.length_bytes <= sieve->job->size_bytes &&
           sieve->rest.dstOffset_bytes <= sieve->job->size_bytes - sieve->rest.length_bytes;
}

int
replSieveNext(void *opaque, ReplExtent *extent, GError **err)
{
    ReplSieve *sieve = opaque;
    guint64 n;

    do {
        if (sieve->rest.length_bytes == 0) {
            int rc = sieveFetch(sieve, err);

            if (rc <= 0)
                return rc;
        }
        n = sieve->rest.length_bytes;
        if (sieveAsks(sieve)) {
            sieveClip(sieve);
            if (sieveAsk(sieve, &n, err) < 0)
                return -1;
        }
    } while (n == 0);
    *extent = sieve->rest;
    extent->length_bytes = n;
    sieveDrop(sieve, n);
    return 1;
}
