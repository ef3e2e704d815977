/*
 * test_luks_raw.c: raw and raw LUKS files become qcow2, raw LUKS or raw; qemu-img is the judge
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "memfile.h"
#include "test_luks_util.h"

static int
testTryRaw(const char *from, ReplFormat fromFormat, const char *fromSecret, const char *to,
           ReplFormat toFormat, const char *toSecret, GError **err)
{
    g_auto(ReplFd) src = testOpen(from, O_RDONLY);
    g_auto(ReplFd) dst = testOpen(to, O_RDWR | O_CREAT | O_TRUNC);
    g_autoptr(ReplSecretBuf) source = testSecret(fromSecret);
    g_autoptr(ReplSecretBuf) target = testSecret(toSecret);
    ReplLuksConvert params = {.what = from, .source = source, .target = target, .kdf = REPL_LUKS_KDF_RANDOM};

    g_autoptr(ReplWriter) writer = replFileWriterNew(dst, NULL, err);

    return writer ? replLuksConvertRaw(src, fromFormat, writer, toFormat, &params, err) : -1;
}

static char *
testRawOpts(const char *name, ReplFormat format, const char *secret)
{
    return g_strdup_printf("driver=%s,file.filename=%s%s%s", replFormatToString(format), name,
                           !secret                       ? ""
                           : format == REPL_FORMAT_QCOW2 ? ",encrypt.key-secret="
                                                         : ",key-secret=",
                           secret ? secret : "");
}

static void
testRaw(const char *from, ReplFormat fromFormat, const char *fromSecret, const char *to, ReplFormat toFormat,
        const char *toSecret)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *a = testRawOpts(from, fromFormat, fromSecret);
    g_autofree char *b = testRawOpts(to, toFormat, toSecret);
    int ret = testTryRaw(from, fromFormat, fromSecret, to, toFormat, toSecret, &err);

    g_assert_no_error(err);
    g_assert_cmpint(ret, ==, 0);
    testRun("qemu-img compare -q " TEST_SECRETS " --image-opts %s %s", a, b);
    if (toFormat == REPL_FORMAT_QCOW2)
        testRun("qemu-img check -q " TEST_SECRETS " --image-opts %s && qemu-io " TEST_SECRETS
                " -c 'write -q -P 4 0 512' --image-opts %s && qemu-img check -q " TEST_SECRETS
                " --image-opts %s",
                b, b, b);
}

/* Every way out of a plain raw file and back. */
static void
testWays(const char *raw)
{
    testRaw(raw, REPL_FORMAT_RAW, NULL, "a.qcow2", REPL_FORMAT_QCOW2, NULL);
    testRaw(raw, REPL_FORMAT_RAW, NULL, "a.lq", REPL_FORMAT_QCOW2, "abc");
    testRaw(raw, REPL_FORMAT_RAW, NULL, "a.luks", REPL_FORMAT_LUKS, "abc");
    testRaw("a.luks", REPL_FORMAT_LUKS, "abc", "b.luks", REPL_FORMAT_LUKS, "xyz");
    testRaw("b.luks", REPL_FORMAT_LUKS, "xyz", "b.lq", REPL_FORMAT_QCOW2, "abc");
    testRaw("b.luks", REPL_FORMAT_LUKS, "xyz", "b.qcow2", REPL_FORMAT_QCOW2, NULL);
    testRaw("b.luks", REPL_FORMAT_LUKS, "xyz", "b.raw", REPL_FORMAT_RAW, NULL);
    testRun("cmp -n $(stat -c %%s %s) %s b.raw", raw, raw);
}

static void
testSparse(void)
{
    testRun(
        "truncate -s 64M s.raw && head -c 100000 /dev/urandom | dd of=s.raw bs=1 seek=5000000 conv=notrunc "
        "2>/dev/null; head -c 5M /dev/urandom | dd of=s.raw bs=1M seek=30 conv=notrunc 2>/dev/null");
    testWays("s.raw");
    /* Holes stay holes where they can. */
    testRun("test $(stat -c %%b a.lq) -lt 20000");
}

/* Sizes that end inside a cluster and inside a sector. */
static void
testOdd(void)
{
    testRun("head -c 3000001 /dev/urandom > odd.raw");
    testWays("odd.raw");
    testRun("head -c 1 /dev/urandom > one.raw");
    testWays("one.raw");
    testRun("truncate -s 1000000 hole.raw");
    testWays("hole.raw");
}

static void
testLarge(void)
{
    /* Several L2 tables, a gap of tables between them, more than one refcount block would be for dense ones. */
    testRun("truncate -s 3T large.raw && for at in 0 600 2000000 2999999; do head -c 300k /dev/urandom | "
            "dd of=large.raw bs=1M seek=$at conv=notrunc 2>/dev/null; done");
    testRaw("large.raw", REPL_FORMAT_RAW, NULL, "a.lq", REPL_FORMAT_QCOW2, "abc");
}

static void
testEmpty(void)
{
    testRun("truncate -s 0 empty.raw");
    {
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(
            testTryRaw("empty.raw", REPL_FORMAT_RAW, NULL, "e.lq", REPL_FORMAT_QCOW2, "abc", &err), ==, 0);
        g_assert_no_error(err);
    }
    testRun("qemu-img check -q " TEST_SECRETS
            " --image-opts driver=qcow2,file.filename=e.lq,encrypt.key-secret=abc");
}

/* Files that other programs made: by cryptsetup with free blocks, by qemu-img. */
static void
testForeign(void)
{
    testRun("truncate -s 12M c.luks && PATH=$PATH:/sbin:/usr/sbin; printf abc | cryptsetup luksFormat -q "
            "--type luks1 "
            "--pbkdf-force-iterations 1000 --key-file - c.luks");
    testRaw("c.luks", REPL_FORMAT_LUKS, "abc", "c.lq", REPL_FORMAT_QCOW2, "xyz");
    testRaw("c.luks", REPL_FORMAT_LUKS, "abc", "c.raw", REPL_FORMAT_RAW, NULL);
    testRun("head -c 5000000 /dev/urandom > p.raw; retry qemu-img convert " TEST_SECRETS
            " -O luks -o key-secret=abc,"
            "iter-time=10,cipher-alg=aes-128 p.raw q.luks");
    testRaw("q.luks", REPL_FORMAT_LUKS, "abc", "q.lq", REPL_FORMAT_QCOW2, "xyz");
    testRaw("q.luks", REPL_FORMAT_LUKS, "abc", "q2.luks", REPL_FORMAT_LUKS, "xyz");
}

static void
testRefusal(const char *from, ReplFormat fromFormat, const char *fromSecret, ReplFormat toFormat,
            const char *toSecret, virErrorNumber code)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(testTryRaw(from, fromFormat, fromSecret, "t", toFormat, toSecret, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, (int)code);
    testRun("test ! -s t");
}

static void
testRefusals(void)
{
    testRun("head -c 3000000 /dev/urandom > r.raw");
    testRaw("r.raw", REPL_FORMAT_RAW, NULL, "r.luks", REPL_FORMAT_LUKS, "abc");
    testRefusal("r.raw", REPL_FORMAT_RAW, NULL, REPL_FORMAT_RAW, NULL, VIR_ERR_INVALID_ARG);
    testRefusal("r.raw", REPL_FORMAT_RAW, NULL, REPL_FORMAT_RAW, "abc", VIR_ERR_INVALID_ARG);
    testRefusal("r.raw", REPL_FORMAT_RAW, NULL, REPL_FORMAT_LUKS, NULL, VIR_ERR_INVALID_ARG);
    testRefusal("r.raw", REPL_FORMAT_LUKS, "abc", REPL_FORMAT_QCOW2, NULL, VIR_ERR_OPERATION_INVALID);
    testRefusal("r.luks", REPL_FORMAT_LUKS, "xyz", REPL_FORMAT_QCOW2, NULL, VIR_ERR_AUTH_FAILED);
    testRefusal("r.luks", REPL_FORMAT_LUKS, NULL, REPL_FORMAT_QCOW2, NULL, VIR_ERR_INVALID_SECRET);
}

/* Headers cut or changed at every part never do worse than an error. */
static void
testDamaged(void)
{
    g_autoptr(GRand) rnd = g_rand_new_with_seed(7);
    int i, refused = 0;

    testRun("head -c 300000 /dev/urandom > d.raw");
    testRaw("d.raw", REPL_FORMAT_RAW, NULL, "d.luks", REPL_FORMAT_LUKS, "abc");
    for (i = 0; i < 200; i++) {
        g_autoptr(GError) err = NULL;
        guint8 byte = g_rand_int(rnd) & 0xff;
        g_autofree char *from = testPath("d.luks");
        g_autofree char *content = NULL;
        g_autofree char *to = testPath("d2.luks");
        gsize len;

        g_assert_true(g_file_get_contents(from, &content, &len, NULL));
        content[g_rand_int_range(rnd, 0, 600)] = byte;
        content[g_rand_int_range(rnd, 0, 600)] = 0xff;
        if (i % 8 == 0)
            len = g_rand_int_range(rnd, 0, len);
        g_assert_true(g_file_set_contents(to, content, len, NULL));
        if (testTryRaw("d2.luks", REPL_FORMAT_LUKS, "abc", "t", REPL_FORMAT_RAW, NULL, &err) < 0) {
            g_assert_nonnull(err);
            g_assert_true(err->domain == REPL_ERROR);
            refused++;
        }
    }
    g_assert_cmpint(refused, >, 50);
}

/* A header that would keep us busy for hours is refused at once. */
static void
testRounds(void)
{
    g_autoptr(GError) err = NULL;

    testRun("head -c 300000 /dev/urandom > i.raw");
    testRaw("i.raw", REPL_FORMAT_RAW, NULL, "i.luks", REPL_FORMAT_LUKS, "abc");
    testPoke32("i.luks", 208 + 4, 0x10000000);
    g_assert_cmpint(testTryRaw("i.luks", REPL_FORMAT_LUKS, "abc", "t", REPL_FORMAT_RAW, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, " rounds of key derivation, more than"));
}

/* Puts what a writer without a file got into one. */
static void
testDump(const MemFile *mem, const char *name)
{
    g_autofree char *path = testPath(name);
    g_autoptr(GError) err = NULL;

    g_file_set_contents(path, (const char *)mem->bytes->data, mem->bytes->len, &err);
    g_assert_no_error(err);
}

/* A qcow2 layer and a raw disk are encrypted into something that is no file here, with another backing reference. */
static void
testWriter(void)
{
    g_autoptr(ReplSecretBuf) target = testSecret("xyz");
    g_autoptr(MemFile) layer = memFileNew(0);
    g_autoptr(MemFile) disk = memFileNew(0);
    g_autoptr(ReplWriter) toLayer = memWriterNew(layer);
    g_autoptr(ReplWriter) toDisk = memWriterNew(disk);
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) src = -1;
    g_auto(ReplFd) raw = -1;
    ReplLuksConvert params = {.what = "wr", .target = target, .kdf = REPL_LUKS_KDF_RANDOM};

    testRun("qemu-img create -q -f raw wr.raw 4M && qemu-io -f raw -c 'write -q -P 7 1M 1M' wr.raw && "
            "qemu-img create -q -f qcow2 -b wr.raw -F raw wr.qcow2 && cp wr.raw moved.raw && "
            "qemu-io -c 'write -q -P 5 0 1500k' wr.qcow2");
    src = testOpen("wr.qcow2", O_RDONLY);
    raw = testOpen("wr.raw", O_RDONLY);
    g_assert_cmpint(replLuksConvertRaw(raw, REPL_FORMAT_RAW, toDisk, REPL_FORMAT_QCOW2, &params, &err), ==,
                    0);
    params.setBacking = TRUE;
    params.backing = "moved.raw";
    params.backingFormat = "raw";
    g_assert_cmpint(replLuksConvert(src, toLayer, &params, &err), ==, 0);
    g_assert_cmpmem(layer->stable->data, layer->stable->len, layer->bytes->data, layer->bytes->len);
    testDump(layer, "wr.luks");
    testDump(disk, "wrd.luks");
    testRun("qemu-img info wr.luks | grep -q 'backing file: moved.raw' && rm wr.raw && cp moved.raw wr.raw");
    testJudge("wr.qcow2", NULL, "wr.luks", "xyz");
    testRun("qemu-img convert -f raw -O qcow2 wr.raw wrd.qcow2");
    testJudge("wrd.qcow2", NULL, "wrd.luks", "xyz");
}

int
main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    g_test_add_func("/luks/raw/sparse", testSparse);
    g_test_add_func("/luks/raw/odd", testOdd);
    g_test_add_func("/luks/raw/large", testLarge);
    g_test_add_func("/luks/raw/empty", testEmpty);
    g_test_add_func("/luks/raw/foreign", testForeign);
    g_test_add_func("/luks/raw/refusals", testRefusals);
    g_test_add_func("/luks/raw/damaged", testDamaged);
    g_test_add_func("/luks/raw/rounds", testRounds);
    g_test_add_func("/luks/raw/writer", testWriter);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
