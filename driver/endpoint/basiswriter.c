/*
 * basiswriter.c: a writer that takes what is here already, and asks for the rest
 *
 *     have: digests of the source's next blocks ──▶ zeros? nothing is needed
 *                                               ├─▶ in the index? shared (FICLONERANGE), or read, digested again and written
 *                                               └─▶ needed: read from the source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "endpoint/basispriv.h"

#define REPL_BASIS_WINDOW 4096u /* digests that are asked for at once: of 256 MiB */
#define REPL_BASIS_NEED_BYTES (4u << 20)
#define REPL_BASIS_COPY_BYTES (2u << 20)
#define REPL_BASIS_CLONE_BYTES (256u << 20)

typedef enum {
    REPL_BASIS_NEEDED,
    REPL_BASIS_ZERO,
    REPL_BASIS_HERE,
} ReplBasisKind;

typedef struct {
    ReplBasisKind kind;
    ReplBasisPlace place; /* of HERE */
} ReplBasisLook;

typedef struct {
    ReplWriter writer;
    ReplWriter *inner;
    ReplBasis *basis;
    ReplSource *source;
    guint layer;
    guint64 size_bytes;
    gboolean dirty;

    /* Of the one thread that asks. */
    guint8 *sums; /* of the source's blocks from @first on */
    guint64 first;
    guint count;
    gboolean blind;  /* the source tells no digests */
    gboolean copies; /* blocks cannot be shared */
    ReplBasisPlace next;
    guint8 *block;
} ReplBasisWriter;

/* The digest of the source's block @block: 1 with *sum set, 0: there is none, -1 with @err set. */
static int
replBasisTheirs(ReplBasisWriter *self, guint64 block, const guint8 **sum, GError **err)
{
    if (self->count == 0 || block < self->first || block >= self->first + self->count) {
        guint count = MIN(REPL_BASIS_WINDOW, replSumBlocks(self->size_bytes) - block);
        gssize got =
            replSourceDigests(self->source, self->layer, REPL_DIGEST_BLOCKS, block, count, self->sums, err);

        if (got < 0)
            return -1;
        self->blind = got == 0;
        self->first = block;
        self->count = (guint)got;
    }
    *sum = self->sums + (block - self->first) * REPL_SUM_BYTES;
    return self->count > 0;
}

static int
replBasisLookAt(ReplBasisWriter *self, guint64 block, ReplBasisPlace wanted, ReplBasisLook *look,
                GError **err)
{
    static const guint8 zero[REPL_SUM_BYTES];
    const guint8 *sum;
    int rc = replBasisTheirs(self, block, &sum, err);

    if (rc <= 0) {
        *look = (ReplBasisLook){REPL_BASIS_NEEDED, {0, 0}};
        return rc;
    }
    if (memcmp(sum, zero, sizeof(zero)) == 0)
        look->kind = REPL_BASIS_ZERO;
    else
        look->kind =
            replBasisFind(self->basis, sum, wanted, &look->place) ? REPL_BASIS_HERE : REPL_BASIS_NEEDED;
    return 0;
}

static gboolean
replBasisGoesOn(const ReplBasisLook *first, const ReplBasisLook *look, guint nth)
{
    return look->kind == first->kind &&
           (look->kind != REPL_BASIS_HERE ||
            (look->place.file == first->place.file && look->place.block == first->place.block + nth));
}

/* How far it goes on from @offset as it begins: *run_bytes, at most @length. */
static int
replBasisRun(ReplBasisWriter *self, guint64 offset, guint64 length, ReplBasisLook *first, guint64 *run_bytes,
             GError **err)
{
    guint64 block = offset / REPL_SUM_BLOCK_BYTES;
    guint64 max = REPL_BASIS_NEED_BYTES;

    if (replBasisLookAt(self, block, self->next, first, err) < 0)
        return -1;
    if (first->kind != REPL_BASIS_NEEDED)
        max = self->copies && first->kind == REPL_BASIS_HERE ? REPL_BASIS_COPY_BYTES : REPL_BASIS_CLONE_BYTES;
    length = MIN(length, max);
    *run_bytes = MIN(length, REPL_SUM_BLOCK_BYTES - offset % REPL_SUM_BLOCK_BYTES);
    for (guint nth = 1; *run_bytes < length; nth++) {
        ReplBasisLook look;

        if (replBasisLookAt(self, block + nth, (ReplBasisPlace){first->place.file, first->place.block + nth},
                            &look, err) < 0)
            return -1;
        if (!replBasisGoesOn(first, &look, nth))
            break;
        *run_bytes = MIN(length, *run_bytes + REPL_SUM_BLOCK_BYTES);
    }
    return 0;
}

/* --- what is here --- */

static gboolean
replBasisShare(ReplBasisWriter *self, const ReplBasisFile *file, guint64 from, guint64 to, guint64 length)
{
    struct file_clone_range range = {
        .src_fd = file->fd, .src_offset = from, .src_length = length, .dest_offset = to};
    int fd = replWriterFd(self->inner);

    if (self->copies)
        return FALSE;
    /* The first refusal (of another file system, or one that does not share) is taken for all. */
    self->copies = fd < 0 || ioctl(fd, FICLONERANGE, &range) < 0;
    return !self->copies;
}

/* Reads one block there, and writes the part of it that belongs at @to. 1, 0: it is not what it was, -1 with @err set. */
static int
replBasisCopyBlock(ReplBasisWriter *self, const ReplBasisFile *file, const guint8 *sum, guint64 from,
                   guint64 to, gsize length, GError **err)
{
    guint64 start = from - from % REPL_SUM_BLOCK_BYTES;
    gsize whole = MIN(REPL_SUM_BLOCK_BYTES, file->size_bytes - start);
    guint8 now[REPL_SUM_BYTES];

    if (from - start + length > whole ||
        replPreadFull(file->fd, self->block, whole, (off_t)start) != (gssize)whole)
        return 0;
    replSumBlock(self->block, whole, now);
    if (memcmp(now, sum, sizeof(now)) != 0)
        return 0;
    return replWriterWrite(self->inner, self->block + (from - start), length, to, err) < 0 ? -1 : 1;
}

/* Brings what is at @place to @offset; *run_bytes becomes what was brought, which may be nothing. */
static int
replBasisBring(ReplBasisWriter *self, ReplBasisPlace place, guint64 offset, guint64 *run_bytes, GError **err)
{
    const ReplBasisFile *file = replBasisFile(self->basis, place.file);
    guint64 from = (guint64)place.block * REPL_SUM_BLOCK_BYTES + offset % REPL_SUM_BLOCK_BYTES;
    guint64 done = 0;

    if (replBasisShare(self, file, from, offset, *run_bytes))
        return 0;
    while (done < *run_bytes) {
        guint64 at = offset + done;
        gsize length = MIN(*run_bytes - done, REPL_SUM_BLOCK_BYTES - at % REPL_SUM_BLOCK_BYTES);
        const guint8 *sum;
        int rc = replBasisTheirs(self, at / REPL_SUM_BLOCK_BYTES, &sum, err);

        if (rc > 0)
            rc = replBasisCopyBlock(self, file, sum, from + done, at, length, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
        done += length;
    }
    *run_bytes = done;
    return 0;
}

static int
replBasisHave(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, guint64 *run_bytes,
              GError **err)
{
    ReplBasisWriter *self = (ReplBasisWriter *)writer;
    ReplBasisLook look = {0};

    if (self->blind) {
        *run_bytes = length_bytes;
        return 0;
    }
    if (replBasisRun(self, offset_bytes, length_bytes, &look, run_bytes, err) < 0)
        return -1;
    if (look.kind == REPL_BASIS_NEEDED)
        return 0;
    if (look.kind == REPL_BASIS_ZERO)
        return self->dirty && replWriterZero(self->inner, offset_bytes, *run_bytes, err) < 0 ? -1 : 1;
    self->next = (ReplBasisPlace){
        look.place.file, look.place.block + (guint32)((offset_bytes % REPL_SUM_BLOCK_BYTES + *run_bytes) /
                                                      REPL_SUM_BLOCK_BYTES)};
    if (replBasisBring(self, look.place, offset_bytes, run_bytes, err) < 0)
        return -1;
    if (*run_bytes > 0)
        return 1;
    *run_bytes = MIN(length_bytes, REPL_SUM_BLOCK_BYTES - offset_bytes % REPL_SUM_BLOCK_BYTES);
    return 0;
}

/* --- all else is the writer's behind it --- */

static int
replBasisResize(ReplWriter *writer, guint64 size_bytes, GError **err)
{
    return replWriterResize(((ReplBasisWriter *)writer)->inner, size_bytes, err);
}

static int
replBasisWrite(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    return replWriterWrite(((ReplBasisWriter *)writer)->inner, buf, len, offset, err);
}

static int
replBasisFlush(ReplWriter *writer, gboolean last, GError **err)
{
    return replWriterFlush(((ReplBasisWriter *)writer)->inner, last, err);
}

static int
replBasisZero(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    return replWriterZero(((ReplBasisWriter *)writer)->inner, offset_bytes, length_bytes, err);
}

static void
replBasisCancel(ReplWriter *writer)
{
    replWriterCancel(((ReplBasisWriter *)writer)->inner);
}

static int
replBasisFd(ReplWriter *writer)
{
    return replWriterFd(((ReplBasisWriter *)writer)->inner);
}

static void
replBasisWriterFree(ReplWriter *writer)
{
    ReplBasisWriter *self = (ReplBasisWriter *)writer;

    replWriterFree(self->inner);
    g_free(self->sums);
    g_free(self->block);
    g_free(self);
}

ReplWriter *
replBasisWriter(ReplBasis *basis, ReplWriter *inner, ReplSource *source, guint layer, guint64 size_bytes,
                gboolean dirty)
{
    static const ReplWriterOps ops = {
        .resize = replBasisResize,
        .pwrite = replBasisWrite,
        .flush = replBasisFlush,
        .have = replBasisHave,
        .zero = replBasisZero,
        .cancel = replBasisCancel,
        .fd = replBasisFd,
        .free = replBasisWriterFree,
    };
    ReplBasisWriter *self = g_new0(ReplBasisWriter, 1);

    self->writer.ops = &ops;
    self->writer.inMemory = inner->inMemory;
    self->inner = inner;
    self->basis = basis;
    self->source = source;
    self->layer = layer;
    self->size_bytes = size_bytes;
    self->dirty = dirty;
    self->sums = g_malloc(REPL_BASIS_WINDOW * REPL_SUM_BYTES);
    self->block = g_malloc(REPL_SUM_BLOCK_BYTES);
    return &self->writer;
}
