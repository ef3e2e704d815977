/*
 * test_convert.c: layers are converted, and a guest sees the same at every depth
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_convert_util.h"

static void
testForeignChain(TestPools *t, gconstpointer unused)
{
    static const char *const formats[][2] = {
        {"vmdk", ""}, {"qed", ""}, {"qed", "-o cluster_size=4096"}, {"qcow", ""}};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        TestConvert c = {.pools = t, .volume = "top"};

        g_test_message("%s %s", formats[i][0], formats[i][1]);
        testMakeForeign(formats[i][0], formats[i][1]);
        testConvertGood(&c);
        g_assert_cmpuint(c.plan->steps->len, ==, 2);
        g_assert_cmpint(c.results[0].way, ==, REPL_CONVERT_BY_QEMU_IMG);
        /* Its own data alone, not that of the base. */
        testRun("qemu-img map --output=json b/copy_north_top | grep -q '\"depth\": 1.*\"data\": true'");
        testConvertClear(&c);
        testRun("rm -f a/* b/*");
    }
}

/* The overlay is larger than its base, or smaller. */
static void
testForeignSizes(TestPools *t, gconstpointer unused)
{
    static const char *const sizes[][2] = {{"3M", "8M"}, {"8M", "3M"}, {"1000000", "5000192"}};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        TestConvert c = {.pools = t, .volume = "top"};

        testRun(
            "cd a && qemu-img create -q -f qed base %s && qemu-io -f qed -c 'write -q -P 1 0 900k' base && "
            "qemu-img create -q -f qed -b base -F qed top %s && "
            "qemu-io -f qed -c 'write -q -P 2 1900k 150k' -c 'write -q -z 100k 100k' top",
            sizes[i][0], sizes[i][1]);
        testConvertGood(&c);
        testConvertClear(&c);
        testRun("rm -f a/* b/*");
    }
}

/* Bases of an older format's overlay that stay as they are. */
static void
testForeignOnOthers(TestPools *t, gconstpointer unused)
{
    static const char *const bases[] = {"raw", "qcow2"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(bases); i++) {
        TestConvert c = {.pools = t, .volume = "top"};

        testRun(
            "cd a && qemu-img create -q -f %s base 4M && qemu-io -f %s -c 'write -q -P 1 0 3M' base && "
            "qemu-img create -q -f qed -b base -F %s top && qemu-io -f qed -c 'write -q -P 2 1M 5000' top",
            bases[i], bases[i], bases[i]);
        testConvertGood(&c);
        testRun("cmp a/base b/base");
        testConvertClear(&c);
        testRun("rm -f a/* b/*");
    }
}

static void
testFlatFormats(TestPools *t, gconstpointer unused)
{
    static const char *const formats[] = {"vmdk",
                                          "vmdk -o subformat=streamOptimized",
                                          "vdi",
                                          "vdi -o static=on",
                                          "vhdx",
                                          "vpc",
                                          "vpc -o force_size=on",
                                          "qed",
                                          "qcow"};
    guint i;

    testRun("cd a && truncate -s 12345856 src && qemu-io -f raw -c 'write -q -P 1 0 3M' "
            "-c 'write -q -P 2 9000k 5000' src");
    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        TestConvert c = {.pools = t, .volume = "img"};

        g_test_message("%s", formats[i]);
        testRun("cd a && qemu-img convert -f raw -O %s src img", formats[i]);
        testConvertGood(&c);
        g_assert_cmpuint(replChainLayer(c.chain, 0)->virtualSize_bytes, >=, 12345856);
        g_assert_cmpuint(c.plan->total_bytes, >, 3 << 20);
        /* Blocks of up to 8 MiB count as a whole. */
        g_assert_cmpuint(c.plan->total_bytes, <,
                         (formats[i][1] == 'h' || formats[i][1] == 'p' ? 14 : 5) << 20);
        testConvertClear(&c);
        testRun("rm -f a/img b/*");
    }
}

static void
testRawToQcow2(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t, .volume = "src", .request = {.format = (char *)"qcow2"}};

    testRun("cd a && truncate -s 5000001 src && qemu-io -f raw -c 'write -q -P 1 0 3M' src");
    testConvertGood(&c);
    testConvertClear(&c);
}

static void
testToRaw(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t,
                     .volume = "top.qcow2",
                     .request = {.format = (char *)"raw", .snapshots = REPL_SNAPSHOTS_FLATTEN}};

    testMakeChain();
    testConvertGood(&c);
    g_assert_cmpuint(c.plan->steps->len, ==, 1);
    testConvertClear(&c);
}

/* Snapshots and bitmaps: what is lost is told. */
static void
testFlatten(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t, .volume = "top.qcow2", .request = {.snapshots = REPL_SNAPSHOTS_FLATTEN}};

    testMakeChain();
    testRun("cd a && qemu-img snapshot -c one mid.qcow2 && qemu-img bitmap --add top.qcow2 bits && "
            "qemu-io -f qcow2 -c 'write -q -P 7 3M 1000' top.qcow2");
    testConvertGood(&c);
    g_assert_cmpuint(c.plan->steps->len, ==, 1);
    g_assert_cmpuint(c.plan->snapshotsLost, ==, 1);
    g_assert_cmpuint(c.results[0].snapshotsLost, ==, 1);
    g_assert_cmpuint(c.results[0].bitmapsLost, ==, 0);
    testRun("qemu-img info b/copy_north_top.qcow2 | grep -q 'name: bits'");
    testConvertClear(&c);
}

/* One layer, its metadata in front, guest clusters behind each other in order. */
static void
testFastCreate(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t, .volume = "top.qcow2", .request = {.fastCreate = TRUE}};

    testMakeChain();
    testRun("cd a && qemu-img convert -c -O qcow2 mid.qcow2 m2 && mv m2 mid.qcow2");
    testConvertGood(&c);
    g_assert_cmpuint(c.plan->steps->len, ==, 1);
    testRun(
        "qemu-img map --output=json b/copy_north_top.qcow2 > map && "
        "python3 -c 'import json; m = json.load(open(\"map\")); d = m[0][\"offset\"]; assert d < 1 << 20; "
        "assert all(e[\"offset\"] == e[\"start\"] + d for e in m if \"offset\" in e and e[\"data\"]), m'");
    testConvertClear(&c);
}

static void
testFastCreateOfRaw(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t, .volume = "base.raw", .request = {.fastCreate = TRUE}};

    testMakeChain();
    testConvertGood(&c);
    testRun("qemu-img info b/copy_north_base.raw | grep -q 'file format: qcow2'");
    testConvertClear(&c);
}

/* Whatever is damaged, it ends, nothing crashes, and what succeeds is a good image. */
static void
testFuzz(TestPools *t, gconstpointer unused)
{
    static const char *const formats[] = {"vmdk", "qed", "qcow", "vdi", "vhdx", "vpc"};
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    guint i, k, good = 0, bad = 0;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        testRun("cd a && qemu-img create -q -f %s whole 6M && qemu-io -f %s -c 'write -q -P 1 0 1M' whole",
                formats[i], formats[i]);
        for (k = 0; k < 8; k++) {
            TestConvert c = {.pools = t, .volume = "img"};
            g_autoptr(GError) err = NULL;
            g_auto(ReplFd) fd = -1;
            guint n = 1 + g_rand_int(rand) % 8;

            testRun("rm -f b/* && cp a/whole a/img");
            fd = testOpen("a/img", O_RDWR);
            while (n-- > 0) {
                guint8 byte = g_rand_int(rand);
                off_t range = g_rand_boolean(rand) ? 128 : 4096;

                g_assert_cmpint(pwrite(fd, &byte, 1, g_rand_int(rand) % range), ==, 1);
            }
            if (g_rand_int(rand) % 4 == 0)
                g_assert_cmpint(ftruncate(fd, g_rand_int(rand) % 70000), ==, 0);
            if (testConvertAll(&c, &err) == 0) {
                good++;
                testRun("for f in b/*; do qemu-img info -U $f | grep -q qcow2 && qemu-img check -q $f || "
                        "qemu-img info $f | grep -q raw || exit 1; done");
            } else {
                bad++;
                g_test_message("%s: %s", formats[i], err->message);
            }
            testConvertClear(&c);
        }
        testRun("rm -f a/*");
    }
    g_assert_cmpuint(good, >, 0);
    g_assert_cmpuint(bad, >, 0);
}

static int
failAdmit(void *opaque, guint64 bytes, GError **err)
{
    guint64 *left = opaque;

    if (bytes <= *left) {
        *left -= bytes;
        return 0;
    }
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled");
    return -1;
}

static void
testCancelled(TestPools *t, gconstpointer unused)
{
    guint64 left = 2 << 20;
    const ReplCopyWatch watch = {.admit = failAdmit, .opaque = &left};
    TestConvert c = {.pools = t, .volume = "img", .watch = &watch};
    g_autoptr(GError) err = NULL;

    testRun("cd a && qemu-img create -q -f vmdk img 64M && qemu-io -f vmdk -c 'write -q -P 1 0 64M' img");
    g_assert_cmpint(testConvertAll(&c, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    testConvertClear(&c);
}

static void
countAdvance(void *opaque, guint64 bytes)
{
    *(guint64 *)opaque += bytes;
}

static void
testAdvances(TestPools *t, gconstpointer unused)
{
    guint64 done = 0;
    const ReplCopyWatch watch = {.advance = countAdvance, .opaque = &done};
    TestConvert c = {.pools = t, .volume = "img", .watch = &watch};

    testRun("cd a && qemu-img create -q -f vmdk img 8M && qemu-io -f vmdk -c 'write -q -P 1 0 4M' img");
    testConvertGood(&c);
    g_assert_cmpuint(done, ==, c.plan->total_bytes);
    testConvertClear(&c);
}

static void
testTargetNotEmpty(TestPools *t, gconstpointer unused)
{
    TestConvert c = {.pools = t, .volume = "img"};
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) fd = -1;
    g_autoptr(ReplWriter) writer = NULL;
    ReplConvertResult result;
    ReplConvertJob job = {.request = &c.request, .limits = testLimits};

    testRun("cd a && qemu-img create -q -f vmdk img 8M && echo x > ../b/x");
    g_assert_cmpint(testConvertPlan(&c, &err), ==, 0);
    job.chain = c.chain;
    job.step = g_ptr_array_index(c.plan->steps, 0);
    fd = testOpen("b/x", O_RDWR);
    job.target = writer = replFileWriterNew(fd, NULL, &err);
    g_assert_cmpint(replConvertRun(&job, &result, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    testRun("[ $(cat b/x) = x ]");
    testConvertClear(&c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    testAdd("/convert/foreign-chain", testForeignChain);
    testAdd("/convert/foreign-sizes", testForeignSizes);
    testAdd("/convert/foreign-on-others", testForeignOnOthers);
    testAdd("/convert/flat-formats", testFlatFormats);
    testAdd("/convert/raw-to-qcow2", testRawToQcow2);
    testAdd("/convert/to-raw", testToRaw);
    testAdd("/convert/flatten", testFlatten);
    testAdd("/convert/fast-create", testFastCreate);
    testAdd("/convert/fast-create-of-raw", testFastCreateOfRaw);
    testAdd("/convert/fuzz", testFuzz);
    testAdd("/convert/cancelled", testCancelled);
    testAdd("/convert/advances", testAdvances);
    testAdd("/convert/target-not-empty", testTargetNotEmpty);
    return g_test_run();
}
