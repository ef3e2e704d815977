/*
 * test_store_digests.c: digests of blocks are kept, checked and compared
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "copy/scrub.h"
#include "copyfiles.h"
#include "store/files.h"

/* A directory with a staging folder that goes away with it. */
typedef struct {
    char *path;
    int fd;
    ReplStaging *staging;
} Pool;

static void
poolClear(Pool *pool)
{
    replStagingUnref(pool->staging);
    replFdClose(pool->fd);
    g_assert_true(runs("rm", "-rf", pool->path, NULL));
    g_free(pool->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pool, poolClear)

static void
poolInit(Pool *pool)
{
    g_autoptr(GError) err = NULL;

    pool->path = g_dir_make_tmp("repl-digests-XXXXXX", NULL);
    pool->fd = open(pool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pool->staging = replStagingOpen(pool->fd, TRUE, &err);
    g_assert_no_error(err);
}

static ReplFileIdentity
identityOf(int fd)
{
    ReplFileIdentity identity;
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    replIdentityOfStat(&st, &identity);
    return identity;
}

/* 40 MiB of file: data in the first and the last of three groups, the last block not whole. */
#define SIZE (40 * MIB + 1000)
static const Run data[] = {{MIB, 3 * MIB}, {39 * MIB + 5, MIB + 995}};

static void
make(Pool *pool, const char *volume, int fd)
{
    ReplFileIdentity identity = identityOf(fd);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplDigestsMaker) maker = replDigestsMake(pool->staging, volume, &identity, &err);
    g_auto(ReplScrub) scrub = {0};

    g_assert_no_error(err);
    g_assert_cmpint(replScrubRun(fd, identity.size_bytes, NULL, maker, NULL, &scrub, &err), ==, 0);
    g_assert_cmpint(replDigestsFinish(maker, &err), ==, 0);
    g_assert_no_error(err);
}

static guint64
scrubNow(const ReplDigests *digests, int fd, ReplScrub *scrub)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replScrubRun(fd, sizeOf(fd), digests, NULL, NULL, scrub, &err), ==, 0);
    g_assert_no_error(err);
    return scrub->blocks;
}

static void
testRound(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(ReplDigests) digests = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(ReplScrub) good = {0};
    g_auto(ReplScrub) bad = {0};
    g_auto(ReplFd) fd = -1;
    ReplFileIdentity now;
    guint8 byte = 0;

    poolInit(&pool);
    fd = newSparse(pool.path, "v", SIZE, data, G_N_ELEMENTS(data));
    g_assert_null(replDigestsLoad(pool.staging, "v", &err));
    g_assert_no_error(err);
    make(&pool, "v", fd);
    digests = replDigestsLoad(pool.staging, "v", &err);
    g_assert_no_error(err);
    now = identityOf(fd);
    g_assert_true(replDigestsFit(digests, &now));
    g_assert_cmpuint(scrubNow(digests, fd, &good), ==, 0);
    g_assert_null(good.damages);
    /* Bytes in data, in a hole, and in the block at the end; two neighbours are one place. */
    g_assert_cmpint(replPwriteFull(fd, &byte, 1, MIB + 5), ==, 0);
    g_assert_cmpint(replPwriteFull(fd, &byte, 1, MIB + 64 * KIB), ==, 0);
    byte = 7;
    g_assert_cmpint(replPwriteFull(fd, &byte, 1, 20 * MIB), ==, 0);
    g_assert_cmpint(replPwriteFull(fd, &byte, 1, SIZE - 1), ==, 0);
    g_assert_cmpuint(scrubNow(digests, fd, &bad), ==, 4);
    g_assert_cmpuint(bad.damages->len, ==, 3);
    g_assert_cmpuint(g_array_index(bad.damages, ReplDamage, 0).offset_bytes, ==, MIB);
    g_assert_cmpuint(g_array_index(bad.damages, ReplDamage, 0).length_bytes, ==, 128 * KIB);
    g_assert_cmpuint(g_array_index(bad.damages, ReplDamage, 1).offset_bytes, ==, 20 * MIB);
    g_assert_cmpuint(g_array_index(bad.damages, ReplDamage, 2).offset_bytes, ==, 40 * MIB);
}

/* Zeros that were written and holes are the same; where nothing but zeros is, digests take no space. */
static void
testZeros(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(ReplDigests) digests = NULL;
    g_autofree guint8 *zeros = g_malloc0(MIB);
    g_auto(ReplScrub) scrub = {0};
    g_auto(ReplFd) fd = -1;
    g_auto(ReplFd) kept = -1;
    g_autofree char *folder = NULL;
    g_autoptr(GDir) list = NULL;

    poolInit(&pool);
    fd = newFile(pool.path, "v");
    g_assert_cmpint(ftruncate(fd, 512 * 1024 * MIB), ==, 0); /* half a terabyte of nothing */
    make(&pool, "v", fd);
    digests = replDigestsLoad(pool.staging, "v", NULL);
    g_assert_cmpint(replPwriteFull(fd, zeros, MIB, 100 * MIB), ==, 0);
    g_assert_cmpuint(scrubNow(digests, fd, &scrub), ==, 0);
    folder = g_build_filename(pool.path, ".replication/digests", NULL);
    list = g_dir_open(folder, 0, NULL);
    kept = openat(pool.fd, ".replication/digests", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kept = openat(kept, g_dir_read_name(list), O_RDONLY | O_CLOEXEC);
    g_assert_cmpuint(allocatedBytes(kept), <=, 2 * MIB);
}

static void
testSize(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(ReplDigests) digests = NULL;
    g_auto(ReplScrub) scrub = {0};
    g_auto(ReplFd) fd = -1;

    poolInit(&pool);
    fd = newSparse(pool.path, "v", SIZE, data, G_N_ELEMENTS(data));
    make(&pool, "v", fd);
    digests = replDigestsLoad(pool.staging, "v", NULL);
    g_assert_cmpint(ftruncate(fd, 2 * MIB), ==, 0);
    /* Two of three MiB of data, and the two groups behind, of which the last had 9 MiB and a bit. */
    g_assert_cmpuint(scrubNow(digests, fd, &scrub), ==, 2 * 16 + 256 + (40 - 32) * 16 + 1);
}

static void
testDamagedDigests(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(GError) err = NULL;
    g_autofree ReplGroupSums *sums = g_malloc(sizeof(ReplGroupSums));
    g_auto(ReplFd) fd = -1;
    static const guint64 places[] = {20, 400, 4000, 4096 + 3, 8192 + 17 * 32}; /* in header, groups, blocks */

    poolInit(&pool);
    fd = newSparse(pool.path, "v", SIZE, data, G_N_ELEMENTS(data));
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(ReplDigests) digests = NULL;
        g_autofree char *file = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "v", -1);
        g_autofree char *path = g_build_filename(pool.path, ".replication/digests", file, NULL);
        g_auto(ReplFd) kept = -1;
        guint8 byte;

        make(&pool, "v", fd);
        kept = open(path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(replPreadFull(kept, &byte, 1, places[i]), ==, 1);
        byte ^= 1;
        g_assert_cmpint(replPwriteFull(kept, &byte, 1, places[i]), ==, 0);
        digests = replDigestsLoad(pool.staging, "v", &err);
        g_assert_no_error(err);
        if (i + 1 < G_N_ELEMENTS(places)) {
            g_assert_null(digests);
            g_assert_cmpint(access(path, F_OK), <, 0);
            continue;
        }
        g_assert_cmpint(replDigestsBlocks(digests, 0, *sums, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
    }
}

static int
refuse(void *opaque, guint64 bytes, GError **err)
{
    (void)opaque;
    (void)bytes;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "no");
    return -1;
}

/* What was not finished leaves nothing, and digests of volumes that are gone go, too. */
static void
testGone(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) fd = -1;
    const ReplCopyWatch watch = {.admit = refuse};

    poolInit(&pool);
    fd = newSparse(pool.path, "v", SIZE, data, G_N_ELEMENTS(data));
    {
        ReplFileIdentity identity = identityOf(fd);
        g_autoptr(ReplDigestsMaker) maker = replDigestsMake(pool.staging, "v", &identity, NULL);
        g_auto(ReplScrub) scrub = {0};

        g_assert_cmpint(replScrubRun(fd, SIZE, NULL, maker, &watch, &scrub, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    }
    g_assert_null(replDigestsLoad(pool.staging, "v", NULL));
    make(&pool, "v", fd);
    make(&pool, "w", fd);
    replDigestsSweep(pool.staging, pool.fd);
    {
        g_autoptr(ReplDigests) here = replDigestsLoad(pool.staging, "v", NULL);

        g_assert_nonnull(here);
    }
    g_assert_null(replDigestsLoad(pool.staging, "w", NULL));
}

static void
testAssume(void)
{
    g_auto(Pool) pool = {0};
    g_autoptr(ReplDigests) digests = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(ReplScrub) scrub = {0};
    g_auto(ReplFd) fd = -1;
    ReplFileIdentity later;

    poolInit(&pool);
    fd = newSparse(pool.path, "v", SIZE, data, G_N_ELEMENTS(data));
    make(&pool, "v", fd);
    later = identityOf(fd);
    later.mtime_ns += 5;
    g_assert_cmpint(replDigestsAssume(pool.staging, "v", &later, &err), ==, 0);
    digests = replDigestsLoad(pool.staging, "v", &err);
    g_assert_true(replDigestsFit(digests, &later));
    g_assert_cmpuint(scrubNow(digests, fd, &scrub), ==, 0);
    later.size_bytes = REPL_SUM_FILE_MAX_BYTES + 1;
    g_assert_null(replDigestsMake(pool.staging, "v", &later, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_SUPPORT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/digests/round", testRound);
    g_test_add_func("/store/digests/zeros", testZeros);
    g_test_add_func("/store/digests/size", testSize);
    g_test_add_func("/store/digests/damaged-digests", testDamagedDigests);
    g_test_add_func("/store/digests/gone", testGone);
    g_test_add_func("/store/digests/assume", testAssume);
    return g_test_run();
}
