/*
 * test_luks_secrecy.c: no guest byte stays plain; passphrases go where they should and nowhere else
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_luks_util.h"

#include <zlib.h>
#include <zstd.h>

#include "luks/xts.h"
#include "qcow2/bytes.h"

#ifdef __has_feature
#define TEST_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define TEST_CLANG_ASAN 0
#endif

#define TEST_MARK "PLAINTEXT-OF-THE-GUEST-"

/* Whether the mark is in a file, as it is or deflated. */
static gboolean
testHasMark(const char *name)
{
    return testTry("grep -aq %s %s", TEST_MARK, name) == 0;
}

/* Whether the raw deflate stream or the zstd frame that may begin at @in gives the mark. */
static gboolean
testUnpacksToMark(const guint8 *in, gsize len)
{
    static const guint8 zstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};
    guint8 out[256];
    gsize got = 0;

    if (len >= sizeof(zstdMagic) && memcmp(in, zstdMagic, sizeof(zstdMagic)) == 0) {
        ZSTD_inBuffer from = {in, len, 0};
        ZSTD_outBuffer to = {out, sizeof(out), 0};
        ZSTD_DCtx *ctx = ZSTD_createDCtx();

        ZSTD_decompressStream(ctx, &to, &from);
        ZSTD_freeDCtx(ctx);
        got = to.pos;
    } else {
        z_stream z = {.next_in = (guint8 *)in, .avail_in = len, .next_out = out, .avail_out = sizeof(out)};

        g_assert_cmpint(inflateInit2(&z, -12), ==, Z_OK);
        inflate(&z, Z_SYNC_FLUSH);
        inflateEnd(&z);
        got = sizeof(out) - z.avail_out;
    }
    return memmem(out, got, TEST_MARK, strlen(TEST_MARK)) != NULL;
}

/* Every place of the file is tried as the start of compressed data that gives the mark. */
static gboolean
testInflatesToMark(const char *name)
{
    g_autofree char *path = testPath(name);
    g_autofree char *content = NULL;
    gsize len, at;

    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    for (at = 0; at < len; at++) {
        if (testUnpacksToMark((const guint8 *)content + at, MIN(len - at, 4096)))
            return TRUE;
    }
    return FALSE;
}

static void
testMakePattern(void)
{
    testRun("yes " TEST_MARK " | head -c 64k > pattern");
}

/* Data, overwritten data in a snapshot, zeroed and discarded data whose old bytes are still in the file, stale bytes
 * in the slack of tables, leaked clusters. */
static void
testNothingPlain(gconstpointer opaque)
{
    const char *options = opaque;

    testMakePattern();
    testRun("qemu-img create -q -f qcow2 -o %s mark.qcow2 16M && "
            "qemu-io -c 'write -q -s pattern 0 3M' mark.qcow2 && qemu-img snapshot -c s1 mark.qcow2 && "
            "qemu-io -c 'write -q -s pattern 1M 100k' -c 'write -q -z 2M 512k' mark.qcow2 && "
            "qemu-img snapshot -c s2 mark.qcow2 && qemu-img snapshot -d s1 mark.qcow2 && "
            "qemu-io -f qcow2 -c 'write -q -s pattern 5M 64k' -c 'discard -q 0 512k' mark.qcow2",
            options);
    if (!strstr(options, "0.10"))
        testRun("qemu-img bitmap --add mark.qcow2 b1");
    g_assert_true(testHasMark("mark.qcow2"));
    testConvert("mark.qcow2", NULL, "mark.luks", "abc");
    g_assert_false(testHasMark("mark.luks"));
    /* The other way, data is readable again: the mark is looked for in the right way. */
    testConvert("mark.luks", "abc", "mark.plain", NULL);
    g_assert_true(testHasMark("mark.plain"));
}

/* Old guest bytes behind a table, in its own cluster. */
static void
testSlack(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f qcow2 slack.qcow2 16M && qemu-io -c 'write -q 0 64k' slack.qcow2 && "
            "qemu-img snapshot -c s1 slack.qcow2 && qemu-img bitmap --add slack.qcow2 b");
    fd = testOpen("slack.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "slack", &err);
    g_assert_no_error(err);
    testPoke("slack.qcow2", h->l1Offset + 1000, TEST_MARK, strlen(TEST_MARK));
    testPoke("slack.qcow2", h->snapshotsOffset + 1000, TEST_MARK, strlen(TEST_MARK));
    testPoke("slack.qcow2", h->bitmapDirOffset + 1000, TEST_MARK, strlen(TEST_MARK));
    testPoke("slack.qcow2", 60000, TEST_MARK, strlen(TEST_MARK));
    g_assert_true(testHasMark("slack.qcow2"));
    testConvert("slack.qcow2", NULL, "slack.luks", "abc");
    g_assert_false(testHasMark("slack.luks"));
}

/* Where the L2 table of the first clusters lies. */
static guint64
testFirstL2(const char *name)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, name, &err);
    guint8 raw[8];

    g_assert_no_error(err);
    g_assert_cmpint(replPreadFull(fd, raw, 8, h->l1Offset), ==, 8);
    return replGetBe64(raw) & REPL_QCOW2_OFFSET_MASK;
}

static guint64
testFirstData(const char *name)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    guint8 raw[8];

    g_assert_cmpint(replPreadFull(fd, raw, 8, testFirstL2(name)), ==, 8);
    return replGetBe64(raw) & REPL_QCOW2_OFFSET_MASK;
}

/* Old guest bytes in a data cluster where no guest reads: subclusters that were never written, and zeroed ones. */
static void
testSubclusters(void)
{
    static const char never[] = TEST_MARK "never-written", zeroed[] = TEST_MARK "zeroed";
    guint64 data;

    testRun("qemu-img create -q -f qcow2 -o extended_l2=on sub.qcow2 8M && "
            "qemu-io -c 'write -q -P 5 0 2k' -c 'write -q -P 6 8k 4k' -c 'write -q -z 8k 4k' sub.qcow2");
    data = testFirstData("sub.qcow2");
    g_assert_cmpuint(data, !=, 0);
    testPoke("sub.qcow2", data + (8 << 10) + 512, zeroed, strlen(zeroed));
    testPoke("sub.qcow2", data + (40 << 10) + 512, never, strlen(never));
    testRun("qemu-img check -q sub.qcow2 && grep -aq %s sub.qcow2 && grep -aq %s sub.qcow2", never, zeroed);
    testRun("qemu-img convert -O raw sub.qcow2 sub.raw && ! grep -aq %s sub.raw", TEST_MARK);
    testConvert("sub.qcow2", NULL, "sub.luks", "abc");
    g_assert_false(testHasMark("sub.luks"));
}

/* Clusters that have a refcount and that nothing refers to. */
static void
testLeakedClusters(void)
{
    guint64 l2;

    testMakePattern();
    testRun("qemu-img create -q -f qcow2 leak.qcow2 8M && "
            "qemu-io -c 'write -q -s pattern 0 128k' -c 'write -q -P 5 1M 64k' leak.qcow2");
    l2 = testFirstL2("leak.qcow2");
    testPoke64("leak.qcow2", l2, 0);
    testPoke64("leak.qcow2", l2 + 8, 0);
    g_assert_cmpint(WEXITSTATUS(testTry("qemu-img check -q leak.qcow2")), ==, 3);
    g_assert_true(testHasMark("leak.qcow2"));
    testConvert("leak.qcow2", NULL, "leak.luks", "abc");
    g_assert_false(testHasMark("leak.luks"));
}

static void
testCompressedInflated(gconstpointer opaque)
{
    const char *type = opaque;

    testMakePattern();
    testRun("for i in $(seq 20); do cat pattern; done > text.raw; truncate -s 2M text.raw; "
            "qemu-img convert -c -O qcow2 -o compression_type=%s text.raw text.qcow2",
            type);
    g_assert_true(testInflatesToMark("text.qcow2"));
    testConvert("text.qcow2", NULL, "text.luks", "abc");
    g_assert_false(testHasMark("text.luks"));
    g_assert_false(testInflatesToMark("text.luks"));
    /* The other way it is found again. */
    testConvert("text.luks", "abc", "text.plain", NULL);
    g_assert_true(testHasMark("text.plain") || testInflatesToMark("text.plain"));
}

/* Two layers with the same content have no sector in common: each has a volume key of its own. */
static void
testOwnKey(void)
{
    testMakePattern();
    testRun("qemu-img create -q -f qcow2 one.qcow2 1M && qemu-io -c 'write -q -s pattern 0 64k' one.qcow2");
    testConvert("one.qcow2", NULL, "k1.luks", "abc");
    testConvert("one.qcow2", NULL, "k2.luks", "abc");
    testRun("cmp -l k1.luks k2.luks | awk '$1 > 327680 && $1 <= 393216' | wc -l | awk '$1 < 60000 {exit 1}'");
}

/* A sector depends on its number alone, in whatever run it comes, and turns back. (That it is what QEMU reads is judged by
 * every conversion.) */
static void
testXtsTurns(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplSecretBuf) key = replSecretBufNew(64, &err);
    g_autoptr(ReplXts) enc = NULL;
    g_autoptr(ReplXts) dec = NULL;
    guint8 a[1024], b[1024];
    gsize i;

    for (i = 0; i < 64; i++)
        key->data[i] = i;
    enc = replXtsNew(key, TRUE, &err);
    dec = replXtsNew(key, FALSE, &err);
    g_assert_no_error(err);
    memset(a, 'x', sizeof(a));
    g_assert_cmpint(replXtsRun(enc, 7, a, sizeof(a), &err), ==, 0);
    g_assert_cmpint(memcmp(a, a + 512, 512), !=, 0);
    memset(b, 'x', sizeof(b));
    g_assert_cmpint(replXtsRun(enc, 8, b, 512, &err), ==, 0);
    g_assert_cmpint(memcmp(a + 512, b, 512), ==, 0);
    g_assert_cmpint(replXtsRun(dec, 7, a, sizeof(a), &err), ==, 0);
    memset(b, 'x', sizeof(b));
    g_assert_cmpint(memcmp(a, b, sizeof(a)), ==, 0);
    memset(key->data, 1, 64);
    g_clear_pointer(&enc, replXtsFree);
    enc = replXtsNew(key, TRUE, &err); /* both halves equal: weak */
    g_assert_null(enc);
    g_assert_nonnull(err);
}

static void
testSecretBuffers(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplSecretBuf) a = replSecretBufNewFrom("abcd", 4, &err);
    g_autoptr(ReplSecretBuf) b = replSecretBufNewFrom("abce", 4, &err);
    g_autoptr(ReplSecretBuf) c = replSecretBufNewFrom("abc", 3, &err);
    g_autoptr(ReplSecretBuf) d = replSecretBufNewFrom("abcd", 4, &err);
    g_autofree char *status = NULL;

    g_assert_no_error(err);
    g_assert_true(replSecretBufEqual(a, d));
    g_assert_false(replSecretBufEqual(a, b));
    g_assert_false(replSecretBufEqual(a, c));
    g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                                       \
    !TEST_CLANG_ASAN /* which make mlock do nothing */
    g_assert_null(strstr(status, "VmLck:\t       0 kB"));
#endif
    g_assert_null(replSecretBufNew(0, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
}

static int
testSlot(const char *name, const char *from, const char *to, GError **err)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDWR);
    g_autoptr(ReplSecretBuf) old = testSecret(from);
    g_autoptr(ReplSecretBuf) fresh = testSecret(to);
    const ReplLuksConvert params = {
        .what = name, .source = old, .target = fresh, .kdf = REPL_LUKS_KDF_RANDOM};

    return replLuksRekeySlot(fd, &params, err);
}

static int
testOpens(const char *name, const char *word)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_autoptr(ReplSecretBuf) secret = testSecret(word);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplSecretBuf) key = replLuksUnlock(fd, name, secret, &err);

    if (!key)
        g_assert_error(err, REPL_ERROR, VIR_ERR_AUTH_FAILED);
    return key ? 0 : -1;
}

/* A new passphrase only, in a file that had several. */
static void
testSlots(void)
{
    g_autoptr(GError) err = NULL;

    testRun("qemu-img create -q -f qcow2 s.qcow2 8M && qemu-io -c 'write -q -P 5 1M 1M' s.qcow2 && "
            "qemu-img snapshot -c s1 s.qcow2 && qemu-io -c 'write -q -P 6 1M 70k' s.qcow2 && "
            "qemu-img bitmap --add s.qcow2 b");
    testConvert("s.qcow2", NULL, "s.luks", "abc");
    testRun("retry qemu-img amend --object secret,id=third,data=third " TEST_SECRETS " --image-opts "
            "driver=qcow2,file.filename=s.luks,encrypt.key-secret=abc -o encrypt.state=active,"
            "encrypt.new-secret=third,encrypt.iter-time=10 && cp s.luks before.luks");
    g_assert_cmpint(testOpens("s.luks", "third"), ==, 0);
    g_assert_cmpint(testSlot("s.luks", "abc", "abc", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    g_assert_cmpint(testSlot("s.luks", "wrong", "xyz", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_AUTH_FAILED);
    g_clear_error(&err);
    testRun("cmp s.luks before.luks");
    g_assert_cmpint(testSlot("s.luks", "abc", "xyz", &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(testOpens("s.luks", "xyz"), ==, 0);
    g_assert_cmpint(testOpens("s.luks", "abc"), ==, -1);
    g_assert_cmpint(testOpens("s.luks", "third"), ==, -1);
    testJudge("s.qcow2", NULL, "s.luks", "xyz");
    /* Outside of the LUKS header nothing changed. */
    {
        g_auto(ReplFd) fd = testOpen("s.luks", O_RDONLY);
        g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, "s.luks", &err);

        testRun("cmp -l s.luks before.luks | awk '$1 <= %" G_GUINT64_FORMAT " || $1 > %" G_GUINT64_FORMAT
                " {exit 1}'",
                h->luksOffset, h->luksOffset + h->luksLength);
    }
}

/* Compressed clusters inside LUKS are clear text: made by pasting the LUKS header of one file on another. */
static void
testSlotCompressed(void)
{
    g_autoptr(GError) err = NULL;

    testMakePattern();
    testRun("qemu-img create -q -f qcow2 c.qcow2 1M && truncate -s 1M z.raw && cp pattern p.raw && "
            "truncate -s 1M p.raw");
    testConvert("c.qcow2", NULL, "c.luks", "abc");
    testRun("qemu-io " TEST_SECRETS " -c 'write -q -c -s pattern 0 64k' --image-opts "
            "driver=qcow2,file.filename=c.luks,encrypt.key-secret=abc");
    g_assert_true(testInflatesToMark("c.luks"));
    g_assert_cmpint(testSlot("c.luks", "abc", "xyz", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "1 compressed cluster"));
    g_assert_cmpint(testOpens("c.luks", "abc"), ==, 0);
    /* The full way makes it safe, and decrypting keeps it compressed. */
    testConvert("c.luks", "abc", "c2.luks", "xyz");
    g_assert_false(testInflatesToMark("c2.luks"));
    testConvert("c.luks", "abc", "c.plain", NULL);
    g_assert_true(testInflatesToMark("c.plain"));
}

int
main(int argc, char **argv)
{
    static const char *const options[] = {
        "compat=1.1",     "compat=0.10", "cluster_size=4k", "extended_l2=on", "preallocation=metadata",
        "cluster_size=2M"};
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *path = g_strdup_printf("/luks/plain/%s", options[i]);

        g_test_add_data_func(path, options[i], testNothingPlain);
    }
    g_test_add_func("/luks/plain/slack", testSlack);
    g_test_add_func("/luks/plain/subclusters", testSubclusters);
    g_test_add_func("/luks/plain/leaked", testLeakedClusters);
    g_test_add_data_func("/luks/plain/compressed/zlib", "zlib", testCompressedInflated);
    g_test_add_data_func("/luks/plain/compressed/zstd", "zstd", testCompressedInflated);
    g_test_add_func("/luks/own-key", testOwnKey);
    g_test_add_func("/luks/xts", testXtsTurns);
    g_test_add_func("/luks/secretbuf", testSecretBuffers);
    g_test_add_func("/luks/slot", testSlots);
    g_test_add_func("/luks/slot-compressed", testSlotCompressed);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
