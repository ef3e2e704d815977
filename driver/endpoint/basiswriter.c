/*
 * basiswriter.c: a writer that takes what is here already, and asks for the rest
 *
 *     have: digests of the source's next blocks ──▶ zeros? nothing is needed
 *                                               ├─▶ in the index? shared (FICLONERANGE), or copied by the crew (basiscrew.h)
 *                                               └─▶ needed: read from the source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/lock.h"
#include "endpoint/basiscrew.h"

#define REPL_BASIS_WINDOW 4096u /* digests that are asked for at once: of 256 MiB */
#define REPL_BASIS_NEED_BYTES (4u << 20)
#define REPL_BASIS_COPY_BYTES (8u << 20)
#define REPL_BASIS_CLONE_BYTES (256u << 20)
#define REPL_BASIS_RESERVE_BYTES (64u << 20)

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
    guint64 reserved_bytes;
    ReplBasisPlace next;

    ReplLock lock;       /* guards crew, which cancel and flush need; it is set once */
    ReplBasisCrew *crew; /* NULL: nothing has been copied yet */
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

/* The threads that copy; NULL with @err set. */
static ReplBasisCrew *
replBasisCrewOf(ReplBasisWriter *self, GError **err)
{
    ReplBasisCrew *crew = self->crew;
    ReplReader *source;

    if (crew || !(source = replSourceOpenLayer(self->source, self->layer, err)) ||
        !(crew = replBasisCrewNew(self->inner, source, err)))
        return crew;
    REPL_GUARD(&self->lock);
    self->crew = crew;
    return crew;
}

/* Has @length bytes at @from of @file copied to @to. Returns 0, or -1 with @err set. */
static int
replBasisCopy(ReplBasisWriter *self, ReplBasisFile *file, guint64 from, guint64 to, gsize length,
              GError **err)
{
    ReplBasisCrew *crew = replBasisCrewOf(self, err);
    g_autofree ReplBasisRun *run = g_new(ReplBasisRun, 1);
    guint64 last = (to + length - 1) / REPL_SUM_BLOCK_BYTES;
    guint i = 0;

    run->file = file;
    run->from_bytes = from;
    run->to_bytes = to;
    run->length_bytes = length;
    for (guint64 block = to / REPL_SUM_BLOCK_BYTES; crew && block <= last; block++) {
        const guint8 *sum;

        if (replBasisTheirs(self, block, &sum, err) < 0)
            return -1;
        memcpy(run->sums[i++], sum, REPL_SUM_BYTES);
    }
    return crew ? replBasisCrewTake(crew, g_steal_pointer(&run), err) : -1;
}

/* Brings what is at @place to @offset: @length bytes. Returns 0, or -1 with @err set. */
static int
replBasisBring(ReplBasisWriter *self, ReplBasisPlace place, guint64 offset, guint64 length, GError **err)
{
    ReplBasisFile *file = replBasisFile(self->basis, place.file);
    guint64 from = (guint64)place.block * REPL_SUM_BLOCK_BYTES + offset % REPL_SUM_BLOCK_BYTES;
    guint64 done = 0;

    if (replBasisShare(self, file, from, offset, length))
        return 0;
    while (done < length) {
        gsize part = MIN(length - done, REPL_BASIS_RUN_BYTES);

        if (replBasisCopy(self, file, from + done, offset + done, part, err) < 0)
            return -1;
        done += part;
    }
    return 0;
}

/* Where blocks are written, not shared, the file gets its space ahead of the crew: many file systems let several writers only into what
 * has blocks already. */
static int
replBasisReserve(ReplBasisWriter *self, guint64 offset, guint64 length, GError **err)
{
    if (!self->copies || offset < self->reserved_bytes)
        return 0;
    length = MIN(length, REPL_BASIS_RESERVE_BYTES);
    self->reserved_bytes = offset + length;
    return replWriterReserve(self->inner, offset, length, err);
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
    if (replBasisReserve(self, offset_bytes, length_bytes, err) < 0 ||
        replBasisRun(self, offset_bytes, length_bytes, &look, run_bytes, err) < 0)
        return -1;
    if (look.kind == REPL_BASIS_NEEDED)
        return 0;
    if (look.kind == REPL_BASIS_ZERO)
        return self->dirty && replWriterZero(self->inner, offset_bytes, *run_bytes, err) < 0 ? -1 : 1;
    self->next = (ReplBasisPlace){
        look.place.file, look.place.block + (guint32)((offset_bytes % REPL_SUM_BLOCK_BYTES + *run_bytes) /
                                                      REPL_SUM_BLOCK_BYTES)};
    return replBasisBring(self, look.place, offset_bytes, *run_bytes, err) < 0 ? -1 : 1;
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

/* NULL: there is none yet. It stays as long as the writer. */
static ReplBasisCrew *
replBasisCrewThere(ReplBasisWriter *self)
{
    REPL_GUARD(&self->lock);

    return self->crew;
}

static int
replBasisFlush(ReplWriter *writer, gboolean last, GError **err)
{
    ReplBasisWriter *self = (ReplBasisWriter *)writer;
    ReplBasisCrew *crew = replBasisCrewThere(self);

    return crew && replBasisCrewDrain(crew, err) < 0 ? -1 : replWriterFlush(self->inner, last, err);
}

static int
replBasisZero(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    return replWriterZero(((ReplBasisWriter *)writer)->inner, offset_bytes, length_bytes, err);
}

static void
replBasisCancel(ReplWriter *writer)
{
    ReplBasisWriter *self = (ReplBasisWriter *)writer;
    ReplBasisCrew *crew = replBasisCrewThere(self);

    if (crew)
        replBasisCrewCancel(crew);
    replWriterCancel(self->inner);
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

    replBasisCrewFree(self->crew);
    replWriterFree(self->inner);
    replLockClear(&self->lock);
    g_free(self->sums);
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
    replLockInit(&self->lock);
    return &self->writer;
}
