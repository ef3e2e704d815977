/*
 * test_copy.c: the copy engine: content, layout, resuming, cancelling, transforming
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "copyfiles.h"

static const TestTune tunes[] = {
    {.workers = 4, .block_bytes = 8 * MIB},  {TUNE_SMALL},
    {TUNE_SMALL, .noDirect = TRUE},          {TUNE_SMALL, .noReserve = TRUE},
    {.workers = 1, .block_bytes = 64 * KIB}, {.workers = 16, .block_bytes = 64 * KIB},
};

static void
copyOk(int src, int dst, ReplCopyJob job, const TestTune *tune)
{
    g_autoptr(GError) err = NULL;
    int rc;

    if (job.size_bytes == 0)
        job.size_bytes = sizeOf(src);
    rc = copyTuned(src, dst, &job, tune, &err);
    g_assert_no_error(err);
    g_assert_cmpint(rc, ==, 0);
}

static void
testSizes(void)
{
    static const guint64 sizes[] = {0,        1,       511,         4095,    4096,        4097,
                                    64 * KIB, MIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 9 * MIB + 4095};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(tunes); j++) {
            g_autoptr(TestDir) dir = newDir();
            Run all = {0, sizes[i]};
            g_auto(ReplFd) src = newSparse(dir, "src", sizes[i], &all, 1);
            g_auto(ReplFd) dst = newFile(dir, "dst");

            copyOk(src, dst, (ReplCopyJob){0}, &tunes[j]);
            g_assert_cmpuint(sizeOf(dst), ==, sizes[i]);
            assertSameContent(dir, "src", "dst");
        }
    }
}

static const Run holey[] = {
    {64 * KIB, 4 * KIB}, {256 * KIB, 3 * MIB}, {5 * MIB, 100 * KIB}, {6 * MIB, 128 * KIB + 77}};
#define HOLEY_SIZE (20 * MIB + 1000)

static void
testSparse(void)
{
    for (gsize j = 0; j < G_N_ELEMENTS(tunes); j++) {
        g_autoptr(TestDir) dir = newDir();
        g_auto(ReplFd) src = newSparse(dir, "src", HOLEY_SIZE, holey, G_N_ELEMENTS(holey));
        g_auto(ReplFd) dst = newFile(dir, "dst");

        copyOk(src, dst, (ReplCopyJob){0}, &tunes[j]);
        assertSameLayout(src, dst);
        assertSameContent(dir, "src", "dst");
        g_assert_cmpuint(allocatedBytes(dst), ==, allocatedBytes(src));
    }
}

/* A target larger than its source reads as zeros behind it, a smaller one is a prefix. */
static void
testOtherSize(void)
{
    g_autoptr(TestDir) dir = newDir();
    Run all = {0, 300 * KIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 300 * KIB, &all, 1);
    g_auto(ReplFd) larger = newFile(dir, "larger");
    g_auto(ReplFd) smaller = newFile(dir, "smaller");

    copyOk(src, larger, (ReplCopyJob){.size_bytes = MIB}, &tunes[1]);
    copyOk(src, smaller, (ReplCopyJob){.size_bytes = 99999}, &tunes[1]);
    g_assert_cmpuint(sizeOf(larger), ==, MIB);
    g_assert_cmpuint(sizeOf(smaller), ==, 99999);
    g_assert_cmpint(ftruncate(src, 99999), ==, 0);
    assertSameContent(dir, "src", "smaller");
    g_assert_cmpint(ftruncate(larger, 99999), ==, 0);
    assertSameContent(dir, "src", "larger");
}

static void
testHoleBlind(void)
{
    TestTune tune = {TUNE_SMALL, .noSeek = TRUE};
    g_autoptr(TestDir) dir = newDir();
    g_auto(ReplFd) src = newSparse(dir, "src", HOLEY_SIZE, holey, G_N_ELEMENTS(holey));
    g_auto(ReplFd) dst = newFile(dir, "dst");

    copyOk(src, dst, (ReplCopyJob){0}, &tune);
    assertSameContent(dir, "src", "dst");
    /* Zeros are found in runs of 64 KiB. */
    g_assert_cmpuint(allocatedBytes(dst), <=, allocatedBytes(src) + G_N_ELEMENTS(holey) * 128 * KIB);
}

/* A watch that counts, checks and stops. */
typedef struct {
    int src;
    int dst;
    guint64 admitted_bytes;
    guint64 advanced_bytes;
    guint64 failAfter_bytes; /* admit fails then; 0: never */
    guint64 lastAdmit_bytes;
    gboolean failCheckpoint;
    gboolean signalsOpen; /* a thread other than the caller's does not block SIGTERM */
    pthread_t caller;
    GArray *checkpoints; /* guint64 */
} Watch;

static int
watchAdmit(void *opaque, guint64 bytes, GError **err)
{
    Watch *watch = opaque;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!pthread_equal(pthread_self(), watch->caller) && !sigismember(&mask, SIGTERM))
        watch->signalsOpen = TRUE;
    watch->lastAdmit_bytes = bytes;
    if (watch->failAfter_bytes > 0 && watch->admitted_bytes >= watch->failAfter_bytes) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled");
        return -1;
    }
    watch->admitted_bytes += bytes;
    return 0;
}

static void
watchAdvance(void *opaque, guint64 bytes)
{
    Watch *watch = opaque;

    watch->advanced_bytes += bytes;
}

/* Whether both files are equal below @end. */
static gboolean
prefixEqual(int a, int b, guint64 end)
{
    g_autofree char *x = g_malloc(64 * KIB);
    g_autofree char *y = g_malloc(64 * KIB);

    for (guint64 pos = 0; pos < end; pos += 64 * KIB) {
        gsize n = MIN(end - pos, 64 * KIB);

        if (replPreadFull(a, x, n, pos) != (gssize)n || replPreadFull(b, y, n, pos) != (gssize)n ||
            memcmp(x, y, n) != 0)
            return FALSE;
    }
    return TRUE;
}

static int
watchCheckpoint(void *opaque, guint64 offset, GError **err)
{
    Watch *watch = opaque;

    g_assert_true(prefixEqual(watch->src, watch->dst, offset));
    if (watch->failCheckpoint) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "no record");
        return -1;
    }
    g_array_append_val(watch->checkpoints, offset);
    return 0;
}

static ReplCopyWatch
watchOf(Watch *watch)
{
    watch->caller = pthread_self();
    return (ReplCopyWatch){
        .admit = watchAdmit, .advance = watchAdvance, .checkpoint = watchCheckpoint, .opaque = watch};
}

/* Makes "resumed" what an interrupted copy may leave: all below @start, some of what lies above. */
static void
resumeFrom(const char *dir, int src, guint64 start)
{
    g_auto(ReplFd) dst = newFile(dir, "resumed");
    g_autofree char *buf = g_malloc(64 * KIB);
    ReplCopyJob job = {.start_bytes = start};
    off_t pos = 0;

    g_assert_cmpint(ftruncate(dst, HOLEY_SIZE), ==, 0);
    while ((pos = lseek(src, pos, SEEK_DATA)) >= 0 && (guint64)pos < start) {
        gsize n = MIN(MIN(64 * KIB, start - pos), (guint64)(lseek(src, pos, SEEK_HOLE) - pos));

        g_assert_cmpint(replPreadFull(src, buf, n, pos), ==, n);
        g_assert_cmpint(replPwriteFull(dst, buf, n, pos), ==, 0);
        pos += n;
    }
    copyOk(src, dst, job, &tunes[1]);
    assertSameLayout(src, dst);
    assertSameContent(dir, "src", "resumed");
}

static void
testCheckpoints(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GArray) checkpoints = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_auto(ReplFd) src = newSparse(dir, "src", HOLEY_SIZE, holey, G_N_ELEMENTS(holey));
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Watch watch = {.src = src, .dst = dst, .checkpoints = checkpoints};
    ReplCopyWatch ops = watchOf(&watch);
    ReplCopyJob job = {.watch = &ops, .checkpoint_bytes = 256 * KIB};
    guint64 last = 0;

    copyOk(src, dst, job, &tunes[1]);
    assertSameContent(dir, "src", "dst");
    g_assert_false(watch.signalsOpen);
    g_assert_cmpuint(watch.advanced_bytes, ==, watch.admitted_bytes);
    g_assert_cmpuint(checkpoints->len, >=, 3);
    for (guint i = 0; i < checkpoints->len; i++) {
        guint64 offset = g_array_index(checkpoints, guint64, i);

        g_assert_cmpuint(offset, >=, last + 256 * KIB);
        resumeFrom(dir, src, offset);
        last = offset;
    }
    resumeFrom(dir, src, 1234567); /* not aligned */
    resumeFrom(dir, src, HOLEY_SIZE);
}

/* Interrupted again and again, each attempt goes on at its last checkpoint. */
static void
testInterrupted(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GArray) checkpoints = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_auto(ReplFd) src = newSparse(dir, "src", HOLEY_SIZE, holey, G_N_ELEMENTS(holey));
    g_auto(ReplFd) dst = newFile(dir, "dst");
    guint attempts = 0;
    int rc = -1;

    while (rc < 0) {
        g_autoptr(GError) err = NULL;
        Watch watch = {.src = src, .dst = dst, .checkpoints = checkpoints, .failAfter_bytes = MIB};
        ReplCopyWatch ops = watchOf(&watch);
        ReplCopyJob job = {.watch = &ops, .checkpoint_bytes = 128 * KIB, .size_bytes = HOLEY_SIZE};

        if (checkpoints->len > 0)
            job.start_bytes = g_array_index(checkpoints, guint64, checkpoints->len - 1);
        rc = copyTuned(src, dst, &job, &tunes[1], &err);
        if (rc < 0)
            g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
        g_assert_cmpuint(attempts++, <, 30);
    }
    g_assert_cmpuint(attempts, >, 2);
    assertSameLayout(src, dst);
    assertSameContent(dir, "src", "dst");
}

static void
testCancel(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    Run all = {0, 4 * MIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 4 * MIB, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Watch watch = {.src = src, .dst = dst, .failAfter_bytes = MIB};
    ReplCopyWatch ops = watchOf(&watch);
    ReplCopyJob job = {.watch = &ops, .size_bytes = 4 * MIB};
    guint threads = countSelf("task");
    guint fds = countSelf("fd");

    g_assert_cmpint(copyTuned(src, dst, &job, &tunes[1], &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    g_assert_cmpstr(err->message, ==, "cancelled");
    g_assert_cmpuint(watch.admitted_bytes, ==, MIB); /* not asked again */
    g_assert_cmpuint(watch.advanced_bytes, <=, MIB);
    g_assert_cmpuint(countSelf("task"), ==, threads);
    g_assert_cmpuint(countSelf("fd"), ==, fds);
}

static void
testCheckpointFails(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    Run all = {0, 4 * MIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 4 * MIB, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Watch watch = {.src = src, .dst = dst, .failCheckpoint = TRUE};
    ReplCopyWatch ops = watchOf(&watch);
    ReplCopyJob job = {.watch = &ops, .checkpoint_bytes = MIB, .size_bytes = 4 * MIB};

    g_assert_cmpint(copyTuned(src, dst, &job, &tunes[1], &err), ==, -1);
    g_assert_cmpstr(err->message, ==, "no record");
}

/* The caller's descriptors: same flags, same file offset, none more. */
static void
testDescriptors(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_auto(ReplFd) src = newSparse(dir, "src", HOLEY_SIZE, holey, G_N_ELEMENTS(holey));
    g_auto(ReplFd) dst = newFile(dir, "dst");
    int flags = fcntl(dst, F_GETFL);
    guint fds = countSelf("fd");
    guint threads = countSelf("task");

    lseek(src, 42, SEEK_SET);
    copyOk(src, dst, (ReplCopyJob){0}, &tunes[0]);
    g_assert_cmpint(fcntl(src, F_GETFL), ==, flags);
    g_assert_cmpint(fcntl(dst, F_GETFL), ==, flags);
    g_assert_cmpint(lseek(src, 0, SEEK_CUR), ==, 42);
    g_assert_cmpuint(countSelf("fd"), ==, fds);
    g_assert_cmpuint(countSelf("task"), ==, threads);
}

static guint
residentPages(int fd, gsize len)
{
    g_autofree unsigned char *vec = g_malloc((len + 4095) / 4096);
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    guint n = 0;

    g_assert_true(map != MAP_FAILED);
    g_assert_cmpint(mincore(map, len, vec), ==, 0);
    for (gsize i = 0; i < (len + 4095) / 4096; i++)
        n += vec[i] & 1;
    munmap(map, len);
    return n;
}

/* Copying a file that is not cached leaves the cache alone. */
static void
testCacheStaysClean(void)
{
    g_autoptr(TestDir) dir = newDir();
    const Run parts[] = {{0, 16 * MIB}, {17 * MIB, 4 * KIB}, {18 * MIB, 64 * KIB + 1}};
    g_auto(ReplFd) src = newSparse(dir, "src", 19 * MIB, parts, G_N_ELEMENTS(parts));
    g_auto(ReplFd) dst = newFile(dir, "dst");
    g_autofree char *path = g_build_filename(dir, "src", NULL);
    g_auto(ReplFd) direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

    g_assert_cmpint(posix_fadvise(src, 0, 0, POSIX_FADV_DONTNEED), ==, 0);
    if (direct < 0 || residentPages(src, 19 * MIB) > 16) {
        g_test_skip("the file system has no O_DIRECT or no cache of its own");
        return;
    }
    copyOk(src, dst, (ReplCopyJob){0}, &tunes[0]);
    g_assert_cmpuint(residentPages(src, 19 * MIB), <=, 16);
    g_assert_cmpuint(residentPages(dst, 19 * MIB), <=, 16); /* a few the kernel may hold */
    assertSameContent(dir, "src", "dst");
}

/* What is in the cache only is copied too: a source that was just written and not synced. */
static void
testDirtySource(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_auto(ReplFd) src = newFile(dir, "src");
    g_auto(ReplFd) dst = newFile(dir, "dst");

    writePattern(src, 100 * KIB, 5 * MIB + 5);
    copyOk(src, dst, (ReplCopyJob){0}, &tunes[0]);
    assertSameContent(dir, "src", "dst");
}

static void
testRefused(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_auto(ReplFd) src = newFile(dir, "src");
    g_auto(ReplFd) dst = newFile(dir, "dst");
    g_auto(ReplFd) null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ReplCopyJob job = {.size_bytes = 10, .start_bytes = 11};
    GError *err = NULL;

    g_assert_cmpint(copyFiles(src, dst, &job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    job.start_bytes = 0;
    g_assert_cmpint(copyFiles(src, src, &job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    g_assert_cmpint(copyFiles(null, dst, &job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    job.size_bytes = G_MAXUINT64;
    g_assert_cmpint(copyFiles(src, dst, &job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    g_assert_cmpuint(sizeOf(dst), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/copy/sizes", testSizes);
    g_test_add_func("/copy/sparse", testSparse);
    g_test_add_func("/copy/other-size", testOtherSize);
    g_test_add_func("/copy/hole-blind", testHoleBlind);
    g_test_add_func("/copy/checkpoints", testCheckpoints);
    g_test_add_func("/copy/interrupted", testInterrupted);
    g_test_add_func("/copy/cancel", testCancel);
    g_test_add_func("/copy/checkpoint-fails", testCheckpointFails);
    g_test_add_func("/copy/descriptors", testDescriptors);
    g_test_add_func("/copy/cache-stays-clean", testCacheStaysClean);
    g_test_add_func("/copy/dirty-source", testDirtySource);
    g_test_add_func("/copy/refused", testRefused);
    return g_test_run();
}
