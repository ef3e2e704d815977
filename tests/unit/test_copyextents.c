/*
 * test_copyextents.c: the copy engine with extents and a transform of somebody else
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <pthread.h>

#include "copy/piece.h"
#include "copyfiles.h"

static const TestTune tune = {TUNE_SMALL};

/* A list of extents as a source; fails behind its end when @fails. */
typedef struct {
    const ReplExtent *extents;
    gsize n;
    gsize pos;
    gboolean fails;
} List;

static int
listNext(void *opaque, ReplExtent *extent, GError **err)
{
    List *list = opaque;

    if (list->pos < list->n) {
        *extent = list->extents[list->pos++];
        return 1;
    }
    if (list->fails) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "broken table");
        return -1;
    }
    return 0;
}

/* Flips all bits, and remembers whether all was as promised. */
typedef struct {
    gboolean awaits; /* gives another thread the time to come */
    guint64 align_bytes;
    gint misaligned;
    gint inside;   /* threads in apply now */
    gint together; /* two of them were at once */
    gint sawPlain;
    guint64 fail_bytes; /* fail at the part that holds this offset; 0: never */
    guint64 seen_bytes;
    pthread_mutex_t *lock; /* not a GMutex: thread sanitizers do not know it */
} Flip;

static int
flipApply(void *opaque, const ReplExtent *part, guint8 *buf, GError **err)
{
    Flip *flip = opaque;

    if (g_atomic_int_add(&flip->inside, 1) > 0)
        g_atomic_int_set(&flip->together, 1);
    /* Not for ever: there may be one processor only. */
    for (int i = 0; flip->awaits && i < 100 && !g_atomic_int_get(&flip->together); i++)
        g_usleep(1000);
    if (part->kind == REPL_EXTENT_PLAIN)
        g_atomic_int_set(&flip->sawPlain, 1);
    if (flip->align_bytes &&
        (part->dstOffset_bytes % flip->align_bytes || part->length_bytes % flip->align_bytes))
        g_atomic_int_inc(&flip->misaligned);
    for (guint64 i = 0; i < part->length_bytes; i++)
        buf[i] = ~buf[i];
    g_atomic_int_add(&flip->inside, -1);
    pthread_mutex_lock(flip->lock);
    flip->seen_bytes += part->length_bytes;
    pthread_mutex_unlock(flip->lock);
    if (flip->fail_bytes && part->dstOffset_bytes <= flip->fail_bytes &&
        part->dstOffset_bytes + part->length_bytes > flip->fail_bytes) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "cannot flip");
        return -1;
    }
    return 0;
}

/* Every byte below @size of @fd is what flipping the pattern gives. */
static void
assertFlipped(int fd, guint64 size)
{
    g_autofree guint8 *buf = g_malloc(size);
    guint64 wrong = 0;

    g_assert_cmpint(replPreadFull(fd, buf, size, 0), ==, size);
    for (guint64 i = 0; i < size; i++)
        wrong += (buf[i] ^ byteAt(i)) != 0xff;
    g_assert_cmpuint(wrong, ==, 0);
}

static void
transformWith(guint align, guint64 size)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    Run all = {0, size};
    g_auto(ReplFd) src = newSparse(dir, "src", size, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Flip flip = {.awaits = TRUE, .align_bytes = size % MAX(align, 1) ? 0 : align, .lock = &lock};
    ReplTransform transform = {.apply = flipApply, .opaque = &flip, .align_bytes = align};
    ReplCopyJob job = {.transform = &transform, .size_bytes = size};

    g_assert_cmpint(copyTuned(src, dst, &job, &tune, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(flip.misaligned, ==, 0);
    g_assert_cmpint(flip.together, ==, 1);
    g_assert_cmpuint(flip.seen_bytes, ==, size);
    assertFlipped(dst, size);
}

static void
testTransform(void)
{
    transformWith(0, 2 * MIB + 17);
    transformWith(512, 2 * MIB);
    transformWith(4096, 2 * MIB);
    transformWith(12 * KIB, 180 * 12 * KIB); /* does not divide the block */
}

static void
testTransformFails(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    Run all = {0, 2 * MIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 2 * MIB, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Flip flip = {.fail_bytes = MIB + 5, .lock = &lock};
    ReplTransform transform = {.apply = flipApply, .opaque = &flip};
    ReplCopyJob job = {.transform = &transform, .size_bytes = 2 * MIB};
    guint threads = countSelf("task");

    g_assert_cmpint(copyTuned(src, dst, &job, &tune, &err), ==, -1);
    g_assert_cmpstr(err->message, ==, "cannot flip");
    g_assert_cmpuint(countSelf("task"), ==, threads);
}

/* The first piece takes its time; how much is asked for meanwhile? */
typedef struct {
    gint admitted_bytes;
    gint meanwhile_bytes;
} Slow;

static int
slowApply(void *opaque, const ReplExtent *part, guint8 *buf, GError **err)
{
    Slow *slow = opaque;

    if (part->dstOffset_bytes == 0) {
        g_usleep(300 * 1000);
        slow->meanwhile_bytes = g_atomic_int_get(&slow->admitted_bytes);
    }
    return 0;
}

static int
slowAdmit(void *opaque, guint64 bytes, GError **err)
{
    Slow *slow = opaque;

    g_atomic_int_add(&slow->admitted_bytes, bytes);
    return 0;
}

static int
slowCheckpoint(void *opaque, guint64 offset, GError **err)
{
    return 0;
}

/* A copy never runs further ahead of its last checkpoint than the header says. */
static void
testLead(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    Run all = {0, 4 * MIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 4 * MIB, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    Slow slow = {0};
    ReplTransform transform = {.apply = slowApply, .opaque = &slow};
    ReplCopyWatch watch = {.admit = slowAdmit, .checkpoint = slowCheckpoint, .opaque = &slow};
    ReplCopyJob job = {
        .transform = &transform, .watch = &watch, .size_bytes = 4 * MIB, .checkpoint_bytes = 512 * KIB};

    g_assert_cmpint(copyTuned(src, dst, &job, &tune, &err), ==, 0);
    g_assert_no_error(err);
    assertSameContent(dir, "src", "dst");
    g_assert_cmpint(slow.meanwhile_bytes, <=, MIB);
    g_assert_cmpint(slow.meanwhile_bytes, >=, 512 * KIB); /* others did not wait for it */
    g_assert_cmpint(slow.admitted_bytes, ==, 4 * MIB);
}

/* Clusters of odd sizes are gathered from all over the source into one run, some flipped. */
static void
scatter(guint64 cluster, const TestTune *how)
{
    enum { N = 300 };
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    g_autofree guint8 *got = NULL;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    ReplExtent extents[N];
    Run all = {0, N * cluster};
    g_auto(ReplFd) src = newSparse(dir, "src", N * cluster, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    List list = {.extents = extents, .n = N};
    ReplExtentSource source = {.next = listNext, .opaque = &list};
    Flip flip = {.lock = &lock};
    ReplTransform transform = {.apply = flipApply, .opaque = &flip};
    ReplCopyJob job = {.extents = &source, .transform = &transform, .size_bytes = (N + 1) * cluster};
    guint64 wrong = 0;

    for (gsize i = 0; i < N; i++) {
        extents[i] = (ReplExtent){.srcOffset_bytes = (i * 7 % N) * cluster,
                                  .dstOffset_bytes = (i + 1) * cluster,
                                  .length_bytes = cluster,
                                  .kind = i % 3 ? 5 : REPL_EXTENT_PLAIN};
    }
    g_assert_cmpint(copyTuned(src, dst, &job, how, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(flip.sawPlain, ==, 0);
    got = g_malloc((N + 1) * cluster);
    g_assert_cmpint(replPreadFull(dst, got, (N + 1) * cluster, 0), ==, (N + 1) * cluster);
    for (guint64 pos = 0; pos < (N + 1) * cluster; pos++) {
        guint64 i = pos / cluster - 1;
        guint8 byte = pos < cluster ? 0 : byteAt((i * 7 % N) * cluster + pos % cluster);

        wrong += got[pos] != (guint8)(pos >= cluster && i % 3 ? byte ^ 0xff : byte);
    }
    g_assert_cmpuint(wrong, ==, 0);
}

static void
testScattered(void)
{
    TestTune large = {.workers = 4, .block_bytes = 8 * MIB};

    scatter(4 * KIB, &tune);
    scatter(4 * KIB, &large);
    scatter(64 * KIB, &large);
    scatter(1000, &tune);
    scatter(4097, &large);
}

static void
refuses(const ReplExtent *extents, gsize n, gboolean fails, const char *part)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    Run all = {0, 100 * KIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 100 * KIB, &all, 1);
    g_auto(ReplFd) dst = newFile(dir, "dst");
    List list = {.extents = extents, .n = n, .fails = fails};
    ReplExtentSource source = {.next = listNext, .opaque = &list};
    ReplCopyJob job = {.extents = &source, .size_bytes = MIB};

    g_assert_cmpint(copyTuned(src, dst, &job, &tune, &err), ==, -1);
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, part));
}

static void
testBadExtents(void)
{
    const ReplExtent overlap[] = {{0, 0, 8192, 0}, {0, 4096, 8192, 0}};
    const ReplExtent back[] = {{0, 65536, 4096, 0}, {0, 0, 4096, 0}};
    const ReplExtent beyond[] = {{0, MIB - 4096, 4097, 0}};
    const ReplExtent wrap[] = {{0, G_MAXUINT64 - 10, 100, 0}};
    const ReplExtent huge[] = {{0, 0, G_MAXUINT64, 0}};
    const ReplExtent wrapSource[] = {{G_MAXINT64 - 10, 0, 100, 0}};
    const ReplExtent pastSource[] = {{90 * KIB, 0, 20 * KIB, 0}};
    const ReplExtent farPastSource[] = {{MIB, 0, 20 * KIB, 0}};
    const ReplExtent good[] = {{0, 0, 4096, 0}, {0, 8192, 0, 0}};

    refuses(overlap, 2, FALSE, "does not fit");
    refuses(back, 2, FALSE, "does not fit");
    refuses(beyond, 1, FALSE, "does not fit");
    refuses(wrap, 1, FALSE, "does not fit");
    refuses(huge, 1, FALSE, "does not fit");
    refuses(wrapSource, 1, FALSE, "does not fit");
    refuses(pastSource, 1, FALSE, "source ends at offset 102400");
    refuses(farPastSource, 1, FALSE, "source ends");
    refuses(good, 2, TRUE, "broken table");
}

/* Where a walk over the bytes of extents stands. */
typedef struct {
    const ReplExtent *extents;
    gsize n;
    gsize at;     /* extent that the next byte belongs to */
    guint64 gone; /* of it */
} Walk;

/* Goes on to an extent of which bytes are left. */
static void
walkOn(Walk *walk)
{
    while (walk->at < walk->n && walk->extents[walk->at].length_bytes == walk->gone) {
        walk->at++;
        walk->gone = 0;
    }
}

static void
walkStart(Walk *walk, guint64 start_bytes)
{
    const ReplExtent *all = walk->extents;

    while (walk->at < walk->n && all[walk->at].dstOffset_bytes + all[walk->at].length_bytes <= start_bytes)
        walk->at++;
    if (walk->at < walk->n && all[walk->at].dstOffset_bytes < start_bytes)
        walk->gone = start_bytes - all[walk->at].dstOffset_bytes;
}

/* The next bytes of the walk are those of @part, which may join extents that are one run in the source too. */
static void
walkPart(Walk *walk, ReplExtent part)
{
    while (part.length_bytes > 0) {
        const ReplExtent *extent;
        guint64 n;

        walkOn(walk);
        g_assert_cmpuint(walk->at, <, walk->n);
        extent = &walk->extents[walk->at];
        g_assert_cmpuint(part.srcOffset_bytes, ==, extent->srcOffset_bytes + walk->gone);
        g_assert_cmpuint(part.dstOffset_bytes, ==, extent->dstOffset_bytes + walk->gone);
        g_assert_cmpuint(part.kind, ==, extent->kind);
        n = MIN(extent->length_bytes - walk->gone, part.length_bytes);
        walk->gone += n;
        part.srcOffset_bytes += n;
        part.dstOffset_bytes += n;
        part.length_bytes -= n;
    }
}

static void
randomExtents(ReplExtent *extents, gsize n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    guint64 dst = 0;

    for (gsize i = 0; i < n; i++) {
        guint64 length = g_rand_int_range(rand, 0, 3) ? g_rand_int_range(rand, 0, 9000) : 300000;

        dst += g_rand_boolean(rand) ? g_rand_int_range(rand, 1, 50000) : 0;
        extents[i] = (ReplExtent){.srcOffset_bytes = g_rand_int(rand),
                                  .dstOffset_bytes = dst,
                                  .length_bytes = length,
                                  .kind = g_rand_int_range(rand, 0, 3)};
        dst += length;
    }
}

/* Pieces hold every byte of the extents once, in order, and never more than a block. */
static void
testPieces(void)
{
    enum { N = 400 };
    const guint64 block = 64 * KIB, start = 777777;
    g_autofree ReplPiece *piece = g_new0(ReplPiece, 1);
    ReplExtent extents[N];
    List list = {.extents = extents, .n = N};
    ReplExtentSource source = {.next = listNext, .opaque = &list};
    ReplCutter cutter = {
        .source = &source, .block_bytes = block, .size_bytes = G_MAXINT64, .start_bytes = start};
    Walk walk = {.extents = extents, .n = N};
    int rc;

    randomExtents(extents, N);
    walkStart(&walk, start);
    while ((rc = replCutterNext(&cutter, piece, NULL)) == 1) {
        guint64 pos = piece->dstOffset_bytes;

        g_assert_cmpuint(piece->length_bytes, >, 0);
        g_assert_cmpuint(pos / block, ==, (pos + piece->length_bytes - 1) / block);
        g_assert_cmpuint(piece->nparts, <=, REPL_PIECE_PARTS);
        for (guint i = 0; i < piece->nparts; i++) {
            g_assert_cmpuint(piece->parts[i].dstOffset_bytes, ==, pos);
            pos += piece->parts[i].length_bytes;
            walkPart(&walk, piece->parts[i]);
        }
        g_assert_cmpuint(pos, ==, piece->dstOffset_bytes + piece->length_bytes);
    }
    g_assert_cmpint(rc, ==, 0);
    walkOn(&walk);
    g_assert_cmpuint(walk.at, ==, N);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/copy/transform", testTransform);
    g_test_add_func("/copy/transform-fails", testTransformFails);
    g_test_add_func("/copy/lead", testLead);
    g_test_add_func("/copy/scattered", testScattered);
    g_test_add_func("/copy/bad-extents", testBadExtents);
    g_test_add_func("/copy/pieces", testPieces);
    return g_test_run();
}
