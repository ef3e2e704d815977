/*
 * test_qcow2_backing.c: backing references are set in place; qemu-img is the judge
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_qcow2_util.h"

#include "qcow2/backing.h"

static void
testSet(const char *name, const char *backing, const char *format)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDWR);
    g_autoptr(GError) err = NULL;
    int ret = replQcow2SetBacking(fd, backing, format, name, &err);

    g_assert_no_error(err);
    g_assert_cmpint(ret, ==, 0);
}

static void
testInfoSays(const char *name, const char *backing, const char *format)
{
    g_autofree char *info = testOutput("qemu-img info --output=json %s", name);
    g_autofree char *a = g_strdup_printf("\"backing-filename\": \"%s\"", backing ? backing : "");
    g_autofree char *b = g_strdup_printf("\"backing-filename-format\": \"%s\"", format ? format : "");

    g_assert_cmpint(strstr(info, backing ? a : "\"backing-filename\"") != NULL, ==, backing != NULL);
    g_assert_cmpint(strstr(info, format ? b : "backing-filename-format") != NULL, ==, format != NULL);
    if (!strstr(info, "\"encrypted\": true"))
        testRun("qemu-img check -q %s", name);
}

/* All kinds: none -> one -> longer -> shorter -> none; at the end the file is what it was. */
static void
testKind(gconstpointer opaque)
{
    const TestKind *k = opaque;
    g_autofree char *name = testMakeKind(k);

    testRun("cp --sparse=always %s before; test -e one.raw || truncate -s 1M one.raw; "
            "test -e a-longer-name.qcow2 || qemu-img create -q -f qcow2 a-longer-name.qcow2 1M",
            name);
    testSet(name, "one.raw", "raw");
    testInfoSays(name, "one.raw", "raw");
    testSet(name, "a-longer-name.qcow2", "qcow2");
    testInfoSays(name, "a-longer-name.qcow2", "qcow2");
    testSet(name, "one.raw", NULL);
    testInfoSays(name, "one.raw", NULL);
    testSet(name, "one.raw", "raw");
    testInfoSays(name, "one.raw", "raw");
    testSet(name, NULL, NULL);
    testInfoSays(name, NULL, NULL);
    testRun("cmp %s before", name);
    testRun("rm -f %s before", name);
}

static void
testNothingChanges(void)
{
    struct stat before, after;
    g_autofree char *path = testPath("still.qcow2");

    testRun("truncate -s 1M one.raw && qemu-img create -q -f qcow2 -b one.raw -F raw still.qcow2 1M");
    testRun("touch -d 2001-01-01 still.qcow2");
    g_assert_cmpint(stat(path, &before), ==, 0);
    testSet("still.qcow2", "one.raw", "raw");
    g_assert_cmpint(stat(path, &after), ==, 0);
    g_assert_cmpint(before.st_mtime, ==, after.st_mtime);
}

/* Snapshots, bitmaps and LUKS header extensions stay; no key is needed. */
static void
testExtensionsStay(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(ReplQcow2Header) h = NULL;
    g_autoptr(GError) err = NULL;

    testRun("truncate -s 4M one.raw && retry qemu-img create -q -f qcow2 --object secret,id=s,data=abc -o "
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 ext.qcow2 4M && "
            "qemu-io --object secret,id=s,data=abc -c 'write -q -P 7 1M 64k' "
            "--image-opts driver=qcow2,encrypt.key-secret=s,file.filename=ext.qcow2 && "
            "qemu-img bitmap --object secret,id=s,data=abc --add --image-opts "
            "driver=qcow2,encrypt.key-secret=s,file.filename=ext.qcow2 marks");
    testSet("ext.qcow2", "one.raw", "raw");
    testInfoSays("ext.qcow2", "one.raw", "raw");
    testRun("qemu-img check -q --object secret,id=s,data=abc --image-opts "
            "driver=qcow2,encrypt.key-secret=s,file.filename=ext.qcow2");
    fd = testOpen("ext.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "ext", &err);
    g_assert_no_error(err);
    g_assert_cmpint(h->bitmapCount, ==, 1);
    g_assert_cmpint(h->luksLength, >, 0);
    testRun("qemu-io --object secret,id=s,data=abc -c 'read -P 7 1M 64k' -c 'read -P 0 0 1M' "
            "--image-opts driver=qcow2,encrypt.key-secret=s,file.filename=ext.qcow2 | "
            "grep -c 'Pattern verification failed' | grep -qx 0");
}

/* An extension that nobody knows, in front of the end marker, is kept byte for byte. */
static void
testUnknownStays(void)
{
    g_auto(ReplFd) fd = -1;
    guint8 buf[4096];

    testRun("truncate -s 1M one.raw && qemu-img create -q -f qcow2 -o compat=0.10 unk.qcow2 1M");
    testPoke32("unk.qcow2", 72, 0xabcdef01);
    testPoke32("unk.qcow2", 76, 11);
    testPoke("unk.qcow2", 80, "hello world", 11);
    testSet("unk.qcow2", "one.raw", "raw");
    testInfoSays("unk.qcow2", "one.raw", "raw");
    fd = testOpen("unk.qcow2", O_RDONLY);
    g_assert_cmpint(replPreadFull(fd, buf, sizeof(buf), 0), ==, sizeof(buf));
    g_assert_nonnull(memmem(buf, sizeof(buf), "\xab\xcd\xef\x01\0\0\0\x0bhello world\0\0\0\0\0\0\0", 26));
    g_assert_nonnull(memmem(buf, sizeof(buf), "one.raw", 7));
}

static void
testRefused(const char *name, const char *backing, const char *format, virErrorNumber code)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDWR);
    g_autoptr(GError) err = NULL;

    testRun("cp %s before", name);
    g_assert_cmpint(replQcow2SetBacking(fd, backing, format, name, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, (int)code);
    testRun("cmp %s before", name);
}

static void
testLimits(void)
{
    g_autofree char *fits = g_strnfill(1023, 'n');
    g_autofree char *tooLong = g_strnfill(1024, 'n');
    g_autofree char *small = g_strnfill(512 - 112 - 16 - 8, 'n');
    g_autofree char *smallTooLong = g_strnfill(512 - 112 - 16 - 8 + 1, 'n');

    testRun("qemu-img create -q -f qcow2 big.qcow2 1M && "
            "qemu-img create -q -f qcow2 -o cluster_size=512 small.qcow2 1M && "
            "printf 'not a qcow2 file' > junk");
    testSet("big.qcow2", fits, "raw");
    testRefused("big.qcow2", tooLong, "raw", VIR_ERR_INVALID_ARG);
    testRefused("big.qcow2", "", "raw", VIR_ERR_INVALID_ARG);
    testRefused("big.qcow2", "x", "", VIR_ERR_INVALID_ARG);
    testRefused("big.qcow2", "x", "a-format-of-16-b", VIR_ERR_INVALID_ARG);
    testSet("small.qcow2", small, "raw");
    testRefused("small.qcow2", smallTooLong, "raw", VIR_ERR_OPERATION_INVALID);
    testRefused("junk", "x", "raw", VIR_ERR_OPERATION_INVALID);
}

int
main(int argc, char **argv)
{
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(testKinds); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/backing/%s", testKinds[i].name);

        g_test_add_data_func(path, &testKinds[i], testKind);
    }
    g_test_add_func("/qcow2/backing/nothing-changes", testNothingChanges);
    g_test_add_func("/qcow2/backing/extensions-stay", testExtensionsStay);
    g_test_add_func("/qcow2/backing/unknown-stays", testUnknownStays);
    g_test_add_func("/qcow2/backing/limits", testLimits);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
