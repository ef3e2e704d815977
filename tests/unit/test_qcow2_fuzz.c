/*
 * test_qcow2_fuzz.c: damaged files never crash, hang or grow the reader; meant for the sanitizers
 *
 * Deterministic: a fixed seed, so that a failure can be repeated. Every reader of the part is fed each
 * mutant; its answer does not matter, but a refusal has a message that names the volume.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_qcow2_util.h"

#include <sys/mman.h>

#include "qcow2/backing.h"
#include "qcow2/guest.h"
#include "qcow2/same.h"
#include "qcow2/tables.h"

#define TEST_ROUNDS 1500

static int accepted, refused;

static void
testVerdict(gboolean ok, GError *const *err)
{
    if (ok) {
        g_assert_no_error(*err);
        accepted++;
        return;
    }
    g_assert_nonnull(*err);
    g_assert_true((*err)->domain == REPL_ERROR);
    g_assert_nonnull(strstr((*err)->message, "'mutant'"));
    refused++;
}

static void
testReadGuests(int fd, const ReplQcow2Header *h)
{
    static const guint64 offsets[] = {0, 4096, 100000, 1 << 20, 3 << 20, G_MAXUINT64 / 4};
    g_autofree guint8 *buf = g_malloc(65536);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(offsets); i++) {
        g_autoptr(GError) err = NULL;
        ReplGuestKind kind;
        gsize got;

        testVerdict(replQcow2ReadGuest(fd, h, offsets[i], buf, 65536, &got, &kind, "mutant", &err) == 0,
                    &err);
    }
}

static void
testReaders(int fd, int original)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) errMap = NULL;
    g_autoptr(GError) errSame = NULL;
    g_autoptr(GError) errSet = NULL;
    g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, "mutant", &err);
    g_autoptr(ReplQcow2Map) map = NULL;

    testVerdict(h != NULL, &err);
    if (!h)
        return;
    map = replQcow2MapRead(fd, h, "mutant", NULL, &errMap);
    testVerdict(map != NULL, &errMap);
    testReadGuests(fd, h);
    testVerdict(replQcow2SameLayer(fd, original, "mutant", "original", NULL, &errSame) >= 0, &errSame);
    testVerdict(replQcow2SetBacking(fd, "elsewhere.raw", "raw", "mutant", &errSet) == 0, &errSet);
    if (!errSet) {
        g_autoptr(ReplQcow2Header) again = replQcow2HeaderRead(fd, "mutant", &errSet);

        g_assert_no_error(errSet);
        g_assert_cmpstr(again->backing, ==, "elsewhere.raw");
        g_assert_cmpstr(again->backingFormat, ==, "raw");
    }
}

/* Changes a few bytes, most of them where tables are, or cuts the file. */
static void
testMutate(GRand *rnd, guint8 *bytes, gsize *len)
{
    static const guint8 nasty[] = {0, 1, 0x7f, 0x80, 0xff, 0x40};
    int changes = g_rand_int_range(rnd, 1, 5);

    while (changes--) {
        gsize reach = g_rand_boolean(rnd) ? MIN(*len, 160) : *len;
        gsize at = g_rand_int_range(rnd, 0, reach);

        bytes[at] = g_rand_boolean(rnd) ? nasty[g_rand_int_range(rnd, 0, 6)] : g_rand_int(rnd) & 0xff;
    }
    if (g_rand_int_range(rnd, 0, 8) == 0)
        *len = g_rand_int_range(rnd, 0, *len);
}

static void
testFuzz(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *path = testPath(name);
    g_autofree char *content = NULL;
    g_autofree guint8 *mutant = NULL;
    g_autoptr(GRand) rnd = g_rand_new_with_seed(20240229);
    g_auto(ReplFd) original = testOpen(name, O_RDONLY);
    gsize len;
    int i;

    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    mutant = g_malloc(len);
    accepted = refused = 0;
    for (i = 0; i < TEST_ROUNDS; i++) {
        g_auto(ReplFd) fd = memfd_create("mutant", MFD_CLOEXEC);
        gsize n = len;

        memcpy(mutant, content, len);
        testMutate(rnd, mutant, &n);
        g_assert_cmpint(replPwriteFull(fd, mutant, n, 0), ==, 0);
        testReaders(fd, original);
    }
    g_test_message("%d accepted, %d refused", accepted, refused);
    /* Both ways were walked, or the mutants are no good. */
    g_assert_cmpint(accepted, >, TEST_ROUNDS / 10);
    g_assert_cmpint(refused, >, TEST_ROUNDS / 10);
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
            "qemu-io -c 'write -q -P 1 3M 3k' a.qcow2 && truncate -s 1M one.raw && "
            "qemu-img rebase -u -b one.raw -F raw a.qcow2");
    testRun("head -c 60000 /dev/zero | tr '\\0' x > text.raw; truncate -s 3M text.raw; "
            "qemu-img convert -c -O qcow2 -o cluster_size=4k text.raw b.qcow2; "
            "qemu-img convert -c -O qcow2 -o cluster_size=4k,compression_type=zstd text.raw c.qcow2; "
            "qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=16k d.qcow2 4M; "
            "qemu-io -c 'write -q -P 1 0 9k' -c 'write -q -P 2 1M 3k' -c 'write -q -z 2M 4k' d.qcow2");
    g_test_add_data_func("/qcow2/fuzz/rich", "a.qcow2", testFuzz);
    g_test_add_data_func("/qcow2/fuzz/zlib", "b.qcow2", testFuzz);
    g_test_add_data_func("/qcow2/fuzz/zstd", "c.qcow2", testFuzz);
    g_test_add_data_func("/qcow2/fuzz/extended", "d.qcow2", testFuzz);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
