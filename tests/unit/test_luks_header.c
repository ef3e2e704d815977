/*
 * test_luks_header.c: LUKS headers, the cost of key derivation, and conversions of damaged layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_luks_util.h"

#include <sys/mman.h>

static ReplLuksHeader *
testCreate(gsize keyBytes, ReplLuksKdf kdf, gint64 *took_us)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplSecretBuf) pass = testSecret("abc");
    g_autoptr(ReplSecretBuf) key = NULL;
    gint64 start = g_get_monotonic_time();
    ReplLuksHeader *header = replLuksHeaderCreate(keyBytes, pass, kdf, &key, &err);

    *took_us = g_get_monotonic_time() - start;
    g_assert_no_error(err);
    g_assert_cmpuint(key->length, ==, keyBytes);
    {
        g_autoptr(ReplSecretBuf) again = replLuksHeaderOpen(header, pass, "header", &err);

        g_assert_no_error(err);
        g_assert_true(replSecretBufEqual(key, again));
    }
    return header;
}

static guint64
testRoundsOf(ReplLuksHeader *header)
{
    g_auto(ReplFd) fd = testOpen("h", O_RDWR | O_CREAT | O_TRUNC);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplWriter) writer = replFileWriterNew(fd, NULL, &err);
    g_autofree char *out = NULL;

    g_assert_cmpint(replLuksHeaderWrite(header, writer, 0, "h", &err), ==, 0);
    out = testOutput("PATH=$PATH:/sbin:/usr/sbin; cryptsetup luksDump h | awk '/Iterations:/{print $2}'");
    return g_ascii_strtoull(out, NULL, 10);
}

static void
testCost(void)
{
    gint64 random_us, slow_us, again_us;
    g_autoptr(ReplLuksHeader) r = testCreate(64, REPL_LUKS_KDF_RANDOM, &random_us);
    g_autoptr(ReplLuksHeader) a = testCreate(32, REPL_LUKS_KDF_PASSPHRASE, &slow_us);
    g_autoptr(ReplLuksHeader) b = testCreate(64, REPL_LUKS_KDF_PASSPHRASE, &again_us);

    g_test_message("random %ld ms, passphrase %ld ms, once more %ld ms", (long)random_us / 1000,
                   (long)slow_us / 1000, (long)again_us / 1000);
    g_assert_cmpuint(testRoundsOf(r), ==, 1000);
    g_assert_cmpuint(testRoundsOf(a), >, 10000); /* also under valgrind */
    /* Calibrated once: the same count again. */
    g_assert_cmpuint(testRoundsOf(a), ==, testRoundsOf(b));
    g_assert_true(replLuksInfoIsOurs(replLuksHeaderInfo(a)));
    g_assert_cmpuint(replLuksHeaderInfo(a)->keyBytes, ==, 32);
}

/* Several threads make and open headers at once. */
static gpointer
testThread(gpointer opaque)
{
    int i;

    (void)opaque;
    for (i = 0; i < 10; i++) {
        gint64 took;

        replLuksHeaderFree(testCreate(64, REPL_LUKS_KDF_RANDOM, &took));
    }
    return NULL;
}

static void
testThreads(void)
{
    GThread *threads[4];
    gsize i;

    for (i = 0; i < 4; i++)
        threads[i] = g_thread_new("luks", testThread, NULL);
    for (i = 0; i < 4; i++)
        g_thread_join(threads[i]);
}

static int
testConvertFd(int src, const char *secret, const char *target, GError **err)
{
    g_auto(ReplFd) dst = memfd_create("target", MFD_CLOEXEC);
    g_autoptr(ReplSecretBuf) source = testSecret(secret);
    g_autoptr(ReplSecretBuf) fresh = testSecret(target);
    ReplLuksConvert params = {
        .what = "mutant", .source = source, .target = fresh, .kdf = REPL_LUKS_KDF_RANDOM};

    return testConvertFile(src, dst, &params, err);
}

/* Mutants of a good layer are converted or refused, never worse; the sanitizers watch. */
static void
testFuzz(gconstpointer opaque)
{
    const char *name = opaque;
    gboolean encrypted = strstr(name, ".luks") != NULL;
    g_autofree char *path = testPath(name);
    g_autofree char *content = NULL;
    g_autofree char *mutant = NULL;
    g_autoptr(GRand) rnd = g_rand_new_with_seed(4711);
    int i, j, refused = 0;
    gsize len;

    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    mutant = g_malloc(len);
    for (i = 0; i < 250; i++) {
        g_auto(ReplFd) fd = memfd_create("mutant", MFD_CLOEXEC);
        g_autoptr(GError) err = NULL;
        gsize cut = i % 10 ? len : (gsize)g_rand_int_range(rnd, 0, len);

        memcpy(mutant, content, len);
        for (j = g_rand_int_range(rnd, 1, 5); j > 0; j--)
            mutant[g_rand_int_range(rnd, 0, i % 3 ? MIN(len, 60000) : 120)] = g_rand_int(rnd) & 0xff;
        g_assert_cmpint(replPwriteFull(fd, mutant, cut, 0), ==, 0);
        if (testConvertFd(fd, encrypted ? "abc" : NULL, i % 2 ? "xyz" : NULL, &err) < 0) {
            g_assert_nonnull(err);
            g_assert_true(err->domain == REPL_ERROR);
            refused++;
        }
    }
    g_test_message("%d refused", refused);
    g_assert_cmpint(refused, >, 10);
    g_assert_cmpint(refused, <, 250);
}

/* A copy is stopped by its watch, and then there is no image. */
static int
testNo(void *opaque, guint64 bytes, GError **err)
{
    (void)opaque;
    if (bytes == 0)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "stopped");
    return -1;
}

static void
testStopped(void)
{
    ReplCopyWatch watch = {.admit = testNo};
    g_auto(ReplFd) src = -1;
    g_auto(ReplFd) dst = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplSecretBuf) target = testSecret("abc");
    ReplLuksConvert params = {.what = "w", .target = target, .kdf = REPL_LUKS_KDF_RANDOM, .watch = &watch};
    guint8 magic[4];

    testRun("qemu-img create -q -f qcow2 w.qcow2 8M && qemu-io -c 'write -q -P 5 0 4M' w.qcow2");
    src = testOpen("w.qcow2", O_RDONLY);
    dst = testOpen("w.luks", O_RDWR | O_CREAT | O_TRUNC);
    g_assert_cmpint(testConvertFile(src, dst, &params, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    g_assert_cmpint(replPreadFull(dst, magic, 4, 0), ==, 4);
    g_assert_cmpint(memcmp(magic, "\0\0\0\0", 4), ==, 0);
}

int
main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    testRun("qemu-img create -q -f qcow2 -o cluster_size=512 a.qcow2 4M && "
            "qemu-io -c 'write -q -P 1 0 9k' -c 'write -q -P 2 1M 3k' -c 'write -q -z 2M 4k' a.qcow2 && "
            "qemu-img snapshot -c s a.qcow2 && qemu-img bitmap --add --enable a.qcow2 b && "
            "qemu-io -c 'write -q -P 1 3M 3k' -c 'write -c -q -P 7 64k 512' a.qcow2 && "
            "head -c 60000 /dev/zero | tr '\\0' x > text.raw; truncate -s 3M text.raw; "
            "qemu-img convert -c -O qcow2 -o cluster_size=4k,compression_type=zstd text.raw c.qcow2");
    testConvert("a.qcow2", NULL, "a.luks", "abc");
    g_test_add_func("/luks/header/cost", testCost);
    g_test_add_func("/luks/header/threads", testThreads);
    g_test_add_func("/luks/stopped", testStopped);
    g_test_add_data_func("/luks/fuzz/rich", "a.qcow2", testFuzz);
    g_test_add_data_func("/luks/fuzz/compressed", "c.qcow2", testFuzz);
    g_test_add_data_func("/luks/fuzz/encrypted", "a.luks", testFuzz);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
