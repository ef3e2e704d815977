/*
 * test_copy_ends.c: the copy engine between a reader and a writer that fail, stall, vanish, and have blocks already
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copyfiles.h"
#include "memfile.h"

#define SIZE (6 * MIB + 12345)

static const ReplCopyTune small = {.workers = 4, .block_bytes = 64 * KIB};

/* Where the last checkpoint of a copy is. */
typedef struct {
    gint spared; /* bytes; read after the copy */
    guint64 checkpoint;
    guint checkpoints;
} Seen;

static int
seenCheckpoint(void *opaque, guint64 offset, GError **err)
{
    Seen *seen = opaque;

    (void)err;
    g_assert_cmpuint(offset, >=, seen->checkpoint);
    seen->checkpoint = offset;
    seen->checkpoints++;
    return 0;
}

static void
seenSpared(void *opaque, guint64 bytes)
{
    ((Seen *)opaque)->spared += bytes;
}

static MemFile *
newSource(void)
{
    MemFile *file = memFileNew(SIZE);

    memFileFill(file, 0, 3 * MIB, 1);
    memFileFill(file, 4 * MIB + 4096, MIB + 777, 2);
    memFileFill(file, SIZE - 5000, 5000, 3);
    return file;
}

static int
copy(MemFile *src, MemFile *dst, Seen *seen, ReplCopyJob job, GError **err)
{
    const ReplCopyWatch watch = {.checkpoint = seenCheckpoint, .spared = seenSpared, .opaque = seen};
    g_autoptr(ReplReader) reader = memReaderNew(src);
    g_autoptr(ReplWriter) writer = memWriterNew(dst);

    job.watch = &watch;
    job.size_bytes = SIZE;
    job.checkpoint_bytes = 512 * KIB;
    return replCopyRunTuned(reader, writer, &job, &small, err);
}

static void
assertEqual(const MemFile *src, const MemFile *dst)
{
    g_assert_cmpmem(src->bytes->data, src->bytes->len, dst->bytes->data, dst->bytes->len);
    /* It ended with a flush of everything. */
    g_assert_cmpmem(src->bytes->data, src->bytes->len, dst->stable->data, dst->stable->len);
}

static void
testWhole(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(0);
    g_autoptr(GError) err = NULL;
    Seen seen = {0};

    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, 0);
    assertEqual(src, dst);
    g_assert_cmpuint(src->read, ==, 4 * MIB + 777 + 5000);
    g_assert_cmpuint(dst->written, ==, src->read);
    g_assert_cmpuint(dst->zeroed, ==, 0);
    g_assert_cmpuint(seen.checkpoints, >, 1);
}

static MemFile *
faulty(MemFile *src, MemFile *dst, MemOp op)
{
    return op == MEM_DATA || op == MEM_READ ? src : dst;
}

/* The copy ends with the fault's own error, and a later one goes on from the last checkpoint with what a crash left. */
static void
failAndGoOn(MemOp op, guint call, MemFault fault)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(0);
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) again = NULL;
    Seen seen = {0};
    guint64 start;

    memFileFault(faulty(src, dst, op), op, call, fault);
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, -1);
    g_assert_cmpint(err->code, ==, fault == MEM_VANISH ? VIR_ERR_NO_CONNECT : VIR_ERR_SYSTEM_ERROR);
    memFileCrash(dst);
    memFileFault(src, MEM_OPS, 0, MEM_FINE);
    src->gone = src->cancelled = FALSE;
    src->read = 0;
    start = seen.checkpoint;
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){.start_bytes = start}, &again), ==, 0);
    g_assert_no_error(again);
    assertEqual(src, dst);
    if (start >= 3 * MIB)
        g_assert_cmpuint(src->read, <=, MIB + 777 + 5000);
}

static void
testFaults(void)
{
    static const MemOp ops[] = {MEM_DATA, MEM_READ, MEM_RESIZE, MEM_WRITE, MEM_FLUSH, MEM_HAVE};
    static const MemFault faults[] = {MEM_FAIL, MEM_SHORT, MEM_VANISH};

    for (gsize i = 0; i < G_N_ELEMENTS(ops); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(faults); j++) {
            /* Only these are of bytes; the others happen a few times at most. */
            gboolean moves = ops[i] == MEM_READ || ops[i] == MEM_WRITE;
            guint last = moves ? 60 : ops[i] == MEM_RESIZE ? 0 : 2;

            if (faults[j] == MEM_SHORT && !moves)
                continue;
            for (guint call = 0; call <= last; call += moves ? 7 : 1)
                failAndGoOn(ops[i], call, faults[j]);
        }
    }
}

/* The target crashes at each write in turn; every checkpoint that was told holds. */
static void
testEachCheckpoint(void)
{
    guint64 before = 0;
    guint different = 0;

    for (guint call = 0; call < 60; call++) {
        g_autoptr(MemFile) src = newSource();
        g_autoptr(MemFile) dst = memFileNew(0);
        g_autoptr(GError) err = NULL;
        Seen seen = {0};

        memFileFault(dst, MEM_WRITE, call, MEM_VANISH);
        g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, -1);
        memFileCrash(dst);
        if (seen.checkpoint > 0)
            g_assert_cmpmem(dst->bytes->data, seen.checkpoint, src->bytes->data, seen.checkpoint);
        different += seen.checkpoint != before;
        before = seen.checkpoint;
        src->cancelled = FALSE; /* by the engine, so that nobody waits */
        g_clear_error(&err);
        g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){.start_bytes = seen.checkpoint}, &err), ==, 0);
        assertEqual(src, dst);
    }
    g_assert_cmpuint(different, >=, 3);
}

typedef struct {
    MemFile *stalling;
    ReplReader *reader; /* cancelled; NULL: not this one */
    ReplWriter *writer;
} Canceller;

static gpointer
cancelLater(gpointer opaque)
{
    Canceller *canceller = opaque;

    memFileAwaitStall(canceller->stalling);
    if (canceller->reader)
        replReaderCancel(canceller->reader);
    if (canceller->writer)
        replWriterCancel(canceller->writer);
    return NULL;
}

/* Somebody else cancels what waits for a peer. */
static void
testStallCancelled(void)
{
    static const MemOp ops[] = {MEM_DATA, MEM_READ, MEM_WRITE, MEM_FLUSH, MEM_HAVE, MEM_RESIZE};

    for (gsize i = 0; i < G_N_ELEMENTS(ops); i++) {
        g_autoptr(MemFile) src = newSource();
        g_autoptr(MemFile) dst = memFileNew(0);
        g_autoptr(ReplReader) reader = memReaderNew(src);
        g_autoptr(ReplWriter) writer = memWriterNew(dst);
        g_autoptr(GError) err = NULL;
        MemFile *stalling = faulty(src, dst, ops[i]);
        Canceller canceller = {stalling, stalling == src ? reader : NULL, stalling == dst ? writer : NULL};
        GThread *thread = NULL;

        memFileFault(stalling, ops[i], 0, MEM_STALL);
        thread = g_thread_new("canceller", cancelLater, &canceller);
        g_assert_cmpint(replCopyRunTuned(reader, writer, &(ReplCopyJob){.size_bytes = SIZE}, &small, &err),
                        ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
        g_thread_join(thread);
    }
}

/* Reads that hang do not keep a copy alive whose target has failed, and its error is the one that is told. */
static void
testStallElsewhere(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(0);
    g_autoptr(GError) err = NULL;
    Seen seen = {0};

    memFileFault(src, MEM_READ, 1, MEM_STALL);
    memFileFault(dst, MEM_WRITE, 1, MEM_FAIL);
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
    g_assert_cmpstr(err->message, ==, "failed");
}

static gpointer
goOnLater(gpointer opaque)
{
    memFileAwaitStall(opaque);
    memFileGoOn(opaque);
    return NULL;
}

/* A link that comes back costs nothing but time; a checkpoint that stalls meanwhile holds what it tells. */
static void
testStallGoesOn(void)
{
    static const MemOp ops[] = {MEM_READ, MEM_WRITE, MEM_FLUSH};

    for (gsize i = 0; i < G_N_ELEMENTS(ops); i++) {
        g_autoptr(MemFile) src = newSource();
        g_autoptr(MemFile) dst = memFileNew(0);
        g_autoptr(GError) err = NULL;
        MemFile *stalling = faulty(src, dst, ops[i]);
        GThread *thread = NULL;
        Seen seen = {0};

        memFileFault(stalling, ops[i], 0, MEM_STALL);
        thread = g_thread_new("goer", goOnLater, stalling);
        g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, 0);
        g_thread_join(thread);
        assertEqual(src, dst);
    }
}

/* Whatever the target has is neither read nor written, and its reader is told. */
static void
testHave(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(SIZE);
    g_autoptr(GError) err = NULL;
    static const MemRun has[] = {{MIB, 640 * KIB}, {2 * MIB + 17, 1000}, {4 * MIB + 4096, MIB + 777}};
    Seen seen = {0};
    guint64 sum = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(has); i++) {
        g_array_append_val(dst->has, has[i]);
        memcpy(dst->bytes->data + has[i].offset, src->bytes->data + has[i].offset, has[i].length);
        sum += has[i].length;
    }
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){0}, &err), ==, 0);
    assertEqual(src, dst);
    g_assert_cmpuint(seen.spared, ==, sum);
    g_assert_cmpuint(src->passed, ==, sum);
    g_assert_cmpuint(src->read, ==, 4 * MIB + 777 + 5000 - sum);
    g_assert_cmpuint(dst->written, ==, src->read);
}

/* All of it is there, and more than the resumed part is not asked for. */
static void
testHaveAll(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = newSource();
    g_autoptr(GError) err = NULL;
    const MemRun all = {0, SIZE};
    Seen seen = {0};

    g_array_append_val(dst->has, all);
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){.start_bytes = 2 * MIB}, &err), ==, 0);
    assertEqual(src, dst);
    g_assert_cmpuint(src->read, ==, 0);
    g_assert_cmpuint(seen.spared, ==, 2 * MIB + 777 + 5000);
}

static int
yieldExtent(void *opaque, ReplExtent *extent, GError **err)
{
    guint *n = opaque;

    (void)err;
    *extent = (ReplExtent){.srcOffset_bytes = *n * 128 * KIB,
                           .dstOffset_bytes = MIB + *n * 256 * KIB,
                           .length_bytes = 128 * KIB};
    return (*n)++ < 8;
}

/* What lay between the extents reads as zeros; where a copy begins anew, nothing below is touched. */
static void
testOverwrite(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(SIZE);
    g_autoptr(GError) err = NULL;
    ReplExtentSource extents = {.next = yieldExtent};
    Seen seen = {0};
    guint n = 0;

    memFileFill(dst, 0, SIZE, 9);
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){.overwrite = TRUE}, &err), ==, 0);
    assertEqual(src, dst);
    g_assert_cmpuint(dst->zeroed + dst->written, ==, SIZE);

    memFileFill(dst, 0, SIZE, 9);
    seen = (Seen){0};
    extents.opaque = &n;
    g_assert_cmpint(copy(src, dst, &seen,
                         (ReplCopyJob){.overwrite = TRUE, .extents = &extents, .start_bytes = MIB}, &err),
                    ==, 0);
    g_assert_cmpuint(dst->bytes->data[MIB - 1], !=, 0);
    for (guint64 i = MIB; i < SIZE; i++) {
        guint64 part = (i - MIB) / (256 * KIB), within = (i - MIB) % (256 * KIB);
        guint8 should = part < 8 && within < 128 * KIB ? src->bytes->data[part * 128 * KIB + within] : 0;

        if (dst->bytes->data[i] != should)
            g_error("byte %" G_GUINT64_FORMAT " is %u", i, dst->bytes->data[i]);
    }
}

/* A file is punched, so that it holds no more blocks than its source. */
static void
testOverwriteFile(void)
{
    static const Run runs[] = {{MIB, MIB}, {4 * MIB, 64 * KIB}};
    static const TestTune tunes[] = {{TUNE_SMALL}, {TUNE_SMALL, .noSeek = TRUE}};

    for (gsize i = 0; i < G_N_ELEMENTS(tunes); i++) {
        g_autoptr(TestDir) dir = newDir();
        g_autoptr(GError) err = NULL;
        const Run all = {0, 8 * MIB};
        g_auto(ReplFd) src = newSparse(dir, "src", 6 * MIB, runs, 2);
        g_auto(ReplFd) dst = newSparse(dir, "dst", 8 * MIB, &all, 1);

        g_assert_cmpint(
            copyTuned(src, dst, &(ReplCopyJob){.size_bytes = 6 * MIB, .overwrite = TRUE}, &tunes[i], &err),
            ==, 0);
        if (i == 0)
            assertSameLayout(src, dst);
        assertSameContent(dir, "src", "dst");
    }
}

static void
testZeroFault(void)
{
    g_autoptr(MemFile) src = newSource();
    g_autoptr(MemFile) dst = memFileNew(SIZE);
    g_autoptr(GError) err = NULL;
    Seen seen = {0};

    /* There are two gaps; without the last run of data the second one lies behind all data. */
    g_array_set_size(src->runs, 2);
    memFileFault(dst, MEM_ZERO, 1, MEM_FAIL);
    g_assert_cmpint(copy(src, dst, &seen, (ReplCopyJob){.overwrite = TRUE}, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
}

/* A reader whose runs make no sense. */
static int
badData(ReplReader *reader, guint64 from, guint64 *offset, guint64 *length, GError **err)
{
    (void)reader;
    (void)err;
    *offset = from == 0 ? 0 : from - 1;
    *length = from == 0 ? 64 * KIB : 1;
    return 1;
}

static void
justFree(ReplReader *reader)
{
    g_free(reader);
}

static int
zeros(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    (void)reader;
    (void)offset;
    (void)err;
    memset(buf, 0, len);
    return 0;
}

static void
testBadRuns(void)
{
    static const ReplReaderOps ops = {.data = badData, .pread = zeros, .free = justFree};
    g_autoptr(ReplReader) reader = g_new0(ReplReader, 1);
    g_autoptr(MemFile) dst = memFileNew(0);
    g_autoptr(ReplWriter) writer = memWriterNew(dst);
    g_autoptr(GError) err = NULL;

    reader->ops = &ops;
    g_assert_cmpint(replCopyRun(reader, writer, &(ReplCopyJob){.size_bytes = MIB}, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
}

/* The least that a reader can be: everything is data. */
static void
testPlainReader(void)
{
    static const ReplReaderOps ops = {.pread = zeros, .free = justFree};
    g_autoptr(ReplReader) reader = g_new0(ReplReader, 1);
    g_autoptr(MemFile) dst = memFileNew(MIB);
    g_autoptr(ReplWriter) writer = memWriterNew(dst);
    g_autoptr(GError) err = NULL;

    reader->ops = &ops;
    memFileFill(dst, 0, MIB, 9);
    g_assert_cmpint(replCopyRun(reader, writer, &(ReplCopyJob){.size_bytes = MIB}, &err), ==, 0);
    g_assert_cmpuint(dst->written, ==, MIB);
    g_assert_cmpuint(dst->bytes->data[MIB / 2], ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/copy/ends/whole", testWhole);
    g_test_add_func("/copy/ends/faults", testFaults);
    g_test_add_func("/copy/ends/each-checkpoint", testEachCheckpoint);
    g_test_add_func("/copy/ends/stall-cancelled", testStallCancelled);
    g_test_add_func("/copy/ends/stall-elsewhere", testStallElsewhere);
    g_test_add_func("/copy/ends/stall-goes-on", testStallGoesOn);
    g_test_add_func("/copy/ends/have", testHave);
    g_test_add_func("/copy/ends/have-all", testHaveAll);
    g_test_add_func("/copy/ends/overwrite", testOverwrite);
    g_test_add_func("/copy/ends/overwrite-file", testOverwriteFile);
    g_test_add_func("/copy/ends/zero-fault", testZeroFault);
    g_test_add_func("/copy/ends/bad-runs", testBadRuns);
    g_test_add_func("/copy/ends/plain-reader", testPlainReader);
    return g_test_run();
}
