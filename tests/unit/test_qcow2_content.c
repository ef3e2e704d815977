/*
 * test_qcow2_content.c: guest content, reachable clusters and equality of layers
 *
 * The judges: qemu-img convert for guest content, the refcounts that QEMU wrote for what is reachable.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_qcow2_util.h"

#include "qcow2/backing.h"
#include "qcow2/bytes.h"
#include "qcow2/guest.h"
#include "qcow2/same.h"
#include "qcow2/tables.h"

/* Reads the whole disk and compares it with @raw, made by qemu-img. */
static void
testGuestEquals(const char *name, const char *raw, gsize step)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_auto(ReplFd) rawFd = testOpen(raw, O_RDONLY);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, name, &err);
    g_autofree guint8 *buf = g_malloc(step);
    g_autofree guint8 *want = g_malloc(step);
    guint64 pos = 0;

    g_assert_no_error(err);
    for (;;) {
        ReplGuestKind kind;
        gsize got;
        int ret = replQcow2ReadGuest(fd, h, pos, buf, step, &got, &kind, name, &err);

        g_assert_no_error(err);
        g_assert_cmpint(ret, ==, 0);
        if (got == 0)
            break;
        g_assert_cmpint(kind, !=, REPL_GUEST_ENCRYPTED);
        if (kind == REPL_GUEST_UNALLOCATED)
            memset(buf, 0, got);
        g_assert_cmpint(replPreadFull(rawFd, want, got, pos), ==, got);
        if (memcmp(buf, want, got) != 0)
            g_error("%s differs at %" G_GUINT64_FORMAT, name, pos);
        pos += got;
    }
    g_assert_cmpint(pos, ==, h->virtualSize_bytes);
}

static guint64
testRefcount(int fd, const ReplQcow2Header *h, guint64 cluster)
{
    guint64 perBlock = (replQcow2ClusterSize(h) * 8) >> h->refcountOrder;
    guint64 bit = (cluster % perBlock) << h->refcountOrder;
    guint32 bits = 1U << h->refcountOrder;
    guint8 raw[8] = {0};
    guint64 block, value = 0;
    guint32 i;

    if ((cluster / perBlock) * 8 >= (guint64)h->refcountTableClusters << h->clusterBits)
        return 0;
    replPreadFull(fd, raw, 8, h->refcountTableOffset + cluster / perBlock * 8);
    block = replGetBe64(raw) & ~511ULL;
    if (!block)
        return 0;
    memset(raw, 0, sizeof(raw));
    replPreadFull(fd, raw, MAX(bits / 8, 1), block + bit / 8);
    if (bits < 8)
        return raw[0] >> (bit % 8) & ((1U << bits) - 1);
    for (i = 0; i < bits / 8; i++)
        value = value << 8 | raw[i];
    return value;
}

/* In a consistent file a cluster is reachable if and only if it has a refcount. Returns how many are leaked. */
static guint64
testMapEqualsRefcounts(const char *name)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, name, &err);
    g_autoptr(ReplQcow2Map) map = NULL;
    guint64 cluster, leaked = 0, pos = 0, next = 0, total = 0;
    ReplQcow2Run run;

    g_assert_no_error(err);
    map = replQcow2MapRead(fd, h, name, NULL, &err);
    g_assert_no_error(err);
    for (cluster = 0; cluster << h->clusterBits < h->fileSize_bytes; cluster++) {
        gboolean reached = replQcow2MapClass(map, cluster << h->clusterBits) != REPL_QCOW2_NONE;
        gboolean counted = testRefcount(fd, h, cluster) != 0;

        if (reached && !counted)
            g_error("%s: cluster %" G_GUINT64_FORMAT " is reached but free", name, cluster);
        leaked += counted && !reached;
        total += reached;
    }
    /* The runs cover exactly the same clusters, ascending. */
    while (replQcow2MapNext(map, &pos, &run)) {
        guint64 at;

        g_assert_cmpuint(run.offset_bytes, >=, next);
        next = run.offset_bytes + run.length_bytes;
        g_assert_cmpuint(pos, ==, next);
        for (at = run.offset_bytes; at < next; at += replQcow2ClusterSize(h)) {
            g_assert_cmpint(replQcow2MapClass(map, at), ==, run.class);
            total--;
        }
    }
    g_assert_cmpuint(total, ==, 0);
    return leaked;
}

static void
testKind(gconstpointer opaque)
{
    const TestKind *k = opaque;
    g_autofree char *name = testMakeKind(k);

    testRun("qemu-img convert -O raw %s flat.raw", name);
    testGuestEquals(name, "flat.raw", 300000);
    g_assert_cmpuint(testMapEqualsRefcounts(name), ==, 0);
    if (strstr(k->name, "ref1"))
        return;
    /* Snapshots, overwritten parts, bitmaps. */
    testRun("qemu-img snapshot -c s1 %s && qemu-io -c 'write -q -P 0x61 10k 100k' -c 'write -q -P 9 3M 5k' "
            "%s && qemu-img snapshot -c s2 %s && qemu-io -c 'write -q -P 0x62 3500k 500k' %s",
            name, name, name, name);
    if (!strstr(k->options, "0.10"))
        testRun("qemu-img bitmap --add --enable %s b1 && qemu-io -c 'write -q 2M 64k' %s", name, name);
    testRun("qemu-img convert -O raw %s flat.raw", name);
    testGuestEquals(name, "flat.raw", 65536);
    g_assert_cmpuint(testMapEqualsRefcounts(name), ==, 0);
    testRun("rm -f %s flat.raw", name);
}

static void
testCompressed(gconstpointer opaque)
{
    const char *options = opaque;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;
    g_autoptr(ReplQcow2Map) map = NULL;
    g_auto(ReplFd) fd = -1;

    /* Text that compresses, random data that does not. */
    testRun("rm -f mix.raw; i=0; while [ $i -lt 20000 ]; do echo \"line $i of the file\"; i=$((i+1)); done "
            "> mix.raw; head -c 300000 /dev/urandom >> mix.raw; truncate -s 5M mix.raw; "
            "qemu-img convert -c -O qcow2 -o %s mix.raw comp.qcow2",
            options);
    testGuestEquals("comp.qcow2", "mix.raw", 100000);
    g_assert_cmpuint(testMapEqualsRefcounts("comp.qcow2"), ==, 0);
    fd = testOpen("comp.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "comp", &err);
    map = replQcow2MapRead(fd, h, "comp", NULL, &err);
    g_assert_cmpuint(replQcow2MapCount(map, REPL_QCOW2_COMPRESSED), >, 0);
}

static void
testEncrypted(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;
    guint8 buf[512];
    ReplGuestKind kind;
    gsize got;

    testRun("retry qemu-img create -q -f qcow2 --object secret,id=s,data=abc -o "
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 enc.qcow2 8M && "
            "qemu-io --object secret,id=s,data=abc -c 'write -q -P 7 1M 64k' "
            "--image-opts driver=qcow2,encrypt.key-secret=s,file.filename=enc.qcow2");
    g_assert_cmpuint(testMapEqualsRefcounts("enc.qcow2"), ==, 0);
    fd = testOpen("enc.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "enc", &err);
    g_assert_cmpint(replQcow2ReadGuest(fd, h, 1 << 20, buf, 512, &got, &kind, "enc", &err), ==, 0);
    g_assert_cmpint(kind, ==, REPL_GUEST_ENCRYPTED);
    g_assert_cmpint(replQcow2ReadGuest(fd, h, 0, buf, 512, &got, &kind, "enc", &err), ==, 0);
    g_assert_cmpint(kind, ==, REPL_GUEST_UNALLOCATED);
}

static void
testLeaked(void)
{
    testRun("qemu-img create -q -f qcow2 leak.qcow2 8M && "
            "qemu-io -c 'write -q 0 64k' -c 'write -q 1M 128k' leak.qcow2");
    {
        g_auto(ReplFd) fd = testOpen("leak.qcow2", O_RDONLY);
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, "leak", &err);
        guint8 raw[8];
        guint64 l2;

        replPreadFull(fd, raw, 8, h->l1Offset);
        l2 = replGetBe64(raw) & REPL_QCOW2_OFFSET_MASK;
        testPoke64("leak.qcow2", l2, 0);
    }
    g_assert_cmpuint(testMapEqualsRefcounts("leak.qcow2"), ==, 1);
    g_assert_cmpint(WEXITSTATUS(testTry("qemu-img check -q leak.qcow2")), ==, 3);
}

/* Entries that lead astray: each must be refused by the walk. */
static void
testAstray(gconstpointer opaque)
{
    const char *how = opaque;
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;
    g_autoptr(ReplQcow2Map) map = NULL;
    guint8 raw[8];
    guint64 l2;

    testRun("qemu-img create -q -f qcow2 astray.qcow2 4G && qemu-io -c 'write -q 0 64k' astray.qcow2");
    fd = testOpen("astray.qcow2", O_RDWR);
    h = replQcow2HeaderRead(fd, "astray", &err);
    g_assert_no_error(err);
    replPreadFull(fd, raw, 8, h->l1Offset);
    l2 = replGetBe64(raw) & REPL_QCOW2_OFFSET_MASK;
    if (g_str_equal(how, "l2-loop"))
        testPoke64("astray.qcow2", l2 + 8, l2);
    else if (g_str_equal(how, "l2-is-l1"))
        testPoke64("astray.qcow2", h->l1Offset + 8, h->l1Offset);
    else if (g_str_equal(how, "data-outside"))
        testPoke64("astray.qcow2", l2 + 8, 1ULL << 40);
    else if (g_str_equal(how, "l2-outside"))
        testPoke64("astray.qcow2", h->l1Offset + 8, 1ULL << 40);
    else if (g_str_equal(how, "data-unaligned"))
        testPoke64("astray.qcow2", l2 + 8, 0x50200);
    else if (g_str_equal(how, "data-is-header"))
        testPoke64("astray.qcow2", l2 + 8, 0x10000);
    else if (g_str_equal(how, "compressed-outside"))
        testPoke64("astray.qcow2", l2 + 8, 1ULL << 62 | 1ULL << 40);
    else if (g_str_equal(how, "compressed-is-l1"))
        testPoke64("astray.qcow2", l2 + 8, 1ULL << 62 | (h->l1Offset + 5));
    else if (g_str_equal(how, "refblock-twice"))
        testPoke64("astray.qcow2", h->refcountTableOffset + 8, 0x20000);
    else
        g_assert_not_reached();
    map = replQcow2MapRead(fd, h, "astray", NULL, &err);
    g_assert_null(map);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "'astray'"));
}

static int
testSame(const char *a, const char *b)
{
    g_auto(ReplFd) fdA = testOpen(a, O_RDONLY);
    g_auto(ReplFd) fdB = testOpen(b, O_RDONLY);
    g_autoptr(GError) err = NULL;
    int ret = replQcow2SameLayer(fdA, fdB, a, b, NULL, &err);

    g_assert_no_error(err);
    return ret;
}

static void
testSameLayers(void)
{
    testRun("truncate -s 8M one.raw two.raw && qemu-img create -q -f qcow2 -b one.raw -F raw a.qcow2 && "
            "qemu-io -c 'write -q -P 1 1M 3M' -c 'write -q -P 0 5M 1M' a.qcow2 && cp a.qcow2 b.qcow2");
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 1);
    /* Holes where the other has zeros, and another backing name. */
    testRun("cp --sparse=always a.qcow2 b.qcow2 && qemu-img rebase -u -b ./two.raw -F raw b.qcow2");
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 1);
    g_assert_cmpint(testSame("b.qcow2", "a.qcow2"), ==, 1);
    testRun("qemu-img rebase -u -b '' b.qcow2");
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 0);
    testRun("cp a.qcow2 b.qcow2 && qemu-io -c 'write -q -P 2 2M 1' b.qcow2");
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 0);
    testRun("cp a.qcow2 b.qcow2 && truncate -s +1 b.qcow2");
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 0);
    testRun("cp a.qcow2 b.qcow2");
    testPoke("b.qcow2", 111, "x", 1); /* header padding */
    g_assert_cmpint(testSame("a.qcow2", "b.qcow2"), ==, 0);
    /* A byte in what is a hole on the other side. */
    testRun("cp --sparse=always a.qcow2 c.qcow2 && cp c.qcow2 b.qcow2");
    g_assert_cmpint(testSame("c.qcow2", "b.qcow2"), ==, 1);
    testPoke("b.qcow2", 60000, "x", 1);
    g_assert_cmpint(testSame("c.qcow2", "b.qcow2"), ==, 0);
}

static int
testStop(void *opaque, guint64 bytes, GError **err)
{
    int *left = opaque;

    (void)bytes;
    if ((*left)-- > 0)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "stopped");
    return -1;
}

static void
testSameRaw(void)
{
    g_auto(ReplFd) a = -1;
    g_auto(ReplFd) b = -1;
    g_autoptr(GError) err = NULL;
    int left = 2;
    ReplSameWatch watch = {.proceed = testStop, .opaque = &left};

    testRun("truncate -s 1T big1.raw big2.raw && printf abc | dd of=big1.raw bs=1 seek=9999999999 "
            "conv=notrunc 2>/dev/null");
    a = testOpen("big1.raw", O_RDWR);
    b = testOpen("big2.raw", O_RDWR);
    g_assert_cmpint(replSameBytes(a, b, "a", "b", NULL, &err), ==, 0);
    testRun("printf abc | dd of=big2.raw bs=1 seek=9999999999 conv=notrunc 2>/dev/null");
    g_assert_cmpint(replSameBytes(a, b, "a", "b", NULL, &err), ==, 1);
    /* 4 MiB of data stopped after two pieces. */
    testRun("for i in 1 2; do head -c 4M /dev/zero | dd of=big$i.raw conv=notrunc bs=1M 2>/dev/null; done");
    g_assert_cmpint(replSameBytes(a, b, "a", "b", &watch, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
}

int
main(int argc, char **argv)
{
    static const char *const astray[] = {
        "l2-loop",        "l2-is-l1",           "data-outside",     "l2-outside",    "data-unaligned",
        "data-is-header", "compressed-outside", "compressed-is-l1", "refblock-twice"};
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(testKinds); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/content/%s", testKinds[i].name);

        g_test_add_data_func(path, &testKinds[i], testKind);
    }
    for (i = 0; i < G_N_ELEMENTS(testCompressions); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/compressed/%s", testCompressions[i]);

        g_test_add_data_func(path, testCompressions[i], testCompressed);
    }
    for (i = 0; i < G_N_ELEMENTS(astray); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/astray/%s", astray[i]);

        g_test_add_data_func(path, astray[i], testAstray);
    }
    g_test_add_func("/qcow2/content/encrypted", testEncrypted);
    g_test_add_func("/qcow2/content/leaked", testLeaked);
    g_test_add_func("/qcow2/same/layers", testSameLayers);
    g_test_add_func("/qcow2/same/raw", testSameRaw);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
