/*
 * test_qcow2_header.c: headers are read as qemu-img reads them, and malformed ones refused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_qcow2_util.h"

#include "qcow2/format.h"
#include "qcow2/header.h"

static void
testKind(gconstpointer opaque)
{
    const TestKind *k = opaque;
    g_autofree char *name = testMakeKind(k);
    g_autofree char *info = testOutput("qemu-img info --output=json %s", name);
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = replQcow2HeaderRead(fd, name, &err);
    g_autofree char *want = NULL;
    ReplFormat format;

    g_assert_no_error(err);
    want = g_strdup_printf("\"virtual-size\": %" G_GUINT64_FORMAT, h->virtualSize_bytes);
    g_assert_nonnull(strstr(info, want));
    g_free(want);
    want = g_strdup_printf("\"cluster-size\": %" G_GUINT64_FORMAT, replQcow2ClusterSize(h));
    g_assert_nonnull(strstr(info, want));
    g_assert_cmpint(h->version == 3, ==, strstr(info, "\"compat\": \"1.1\"") != NULL);
    g_assert_cmpint(replQcow2IsExtendedL2(h), ==, strstr(info, "\"extended-l2\": true") != NULL);
    g_assert_cmpint(h->compression == REPL_QCOW2_COMPRESSION_ZSTD, ==,
                    strstr(info, "\"compression-type\": \"zstd\"") != NULL);
    g_assert_cmpint(h->compatible & REPL_QCOW2_COMPAT_LAZY_REFCOUNTS, ==,
                    strstr(info, "\"lazy-refcounts\": true") != NULL);
    if (h->version == 3) {
        g_free(want);
        want = g_strdup_printf("\"refcount-bits\": %u", 1U << h->refcountOrder);
        g_assert_nonnull(strstr(info, want));
    }
    g_assert_null(h->backing);
    g_assert_cmpint(replFormatProbe(fd, name, &format, &err), ==, 0);
    g_assert_cmpint(format, ==, REPL_FORMAT_QCOW2);
}

static void
testRich(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f raw b.raw 8M && "
            "qemu-img create -q -f qcow2 -b b.raw -F raw rich.qcow2 && "
            "qemu-img snapshot -c one rich.qcow2 && qemu-img snapshot -c two rich.qcow2 && "
            "qemu-img bitmap --add rich.qcow2 m1 && qemu-img bitmap --add rich.qcow2 m2");
    fd = testOpen("rich.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "rich", &err);
    g_assert_no_error(err);
    g_assert_cmpstr(h->backing, ==, "b.raw");
    g_assert_cmpstr(h->backingFormat, ==, "raw");
    g_assert_cmpint(h->snapshotCount, ==, 2);
    g_assert_cmpint(h->bitmapCount, ==, 2);
    g_assert_false(h->hasDataFile);
}

static void
testLuks(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;
    guint8 magic[6];

    testRun("retry qemu-img create -q -f qcow2 --object secret,id=s,data=abc -o "
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 luks.qcow2 8M");
    fd = testOpen("luks.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "luks", &err);
    g_assert_no_error(err);
    g_assert_cmpint(h->cryptMethod, ==, REPL_QCOW2_CRYPT_LUKS);
    g_assert_cmpint(replPreadFull(fd, magic, 6, h->luksOffset), ==, 6);
    g_assert_cmpint(memcmp(magic, "LUKS\xba\xbe", 6), ==, 0);
}

static void
testDataFile(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f qcow2 -o data_file=ext.raw ext.qcow2 1M");
    fd = testOpen("ext.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "ext", &err);
    g_assert_no_error(err);
    g_assert_true(h->hasDataFile);
    g_assert_cmpstr(h->dataFile, ==, "ext.raw");
}

static void
testDirtyFile(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    /* Killed while lazy refcounts are open: the dirty bit stays. */
    testRun("qemu-img create -q -f qcow2 -o lazy_refcounts=on dirty.qcow2 1M; "
            "qemu-io -c 'write -q 0 64k' -c 'sigraise 9' dirty.qcow2 || true");
    fd = testOpen("dirty.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "dirty", &err);
    g_assert_no_error(err);
    g_assert_cmpuint(h->incompatible & REPL_QCOW2_INCOMPAT_DIRTY, !=, 0);
}

/* One wrong field each in an otherwise good file. */
typedef struct {
    const char *name;
    guint64 offset;
    int bytes;
    guint64 value;
    virErrorNumber code;
    const char *says;
} TestBad;

static const TestBad testBads[] = {
    {"magic", 0, 4, 0x51464900, VIR_ERR_OPERATION_INVALID, "is not a qcow2 file"},
    {"version1", 4, 4, 1, VIR_ERR_OPERATION_INVALID, "is not a qcow2 file"},
    {"version4", 4, 4, 4, VIR_ERR_OPERATION_INVALID, "is not a qcow2 file"},
    {"cluster8", 20, 4, 8, VIR_ERR_OPERATION_INVALID, "cluster size"},
    {"cluster22", 20, 4, 22, VIR_ERR_OPERATION_INVALID, "cluster size"},
    {"cluster64", 20, 4, 0xffffffff, VIR_ERR_OPERATION_INVALID, "cluster size"},
    {"size", 24, 8, 0x8000000000000000ULL, VIR_ERR_OPERATION_INVALID, "virtual size"},
    {"size-l1", 24, 8, 1ULL << 50, VIR_ERR_OPERATION_INVALID, "too small for"},
    {"crypt", 32, 4, 3, VIR_ERR_NO_SUPPORT, "encryption method 3"},
    {"crypt-noheader", 32, 4, 2, VIR_ERR_OPERATION_INVALID, "no LUKS header"},
    {"l1-huge", 36, 4, 0x400001, VIR_ERR_OPERATION_INVALID, "exceeds 32 MiB"},
    {"l1-max", 36, 4, 0xffffffff, VIR_ERR_OPERATION_INVALID, "exceeds 32 MiB"},
    {"l1-out", 36, 4, 0x100000, VIR_ERR_OPERATION_INVALID, "L1 table at offset"},
    {"l1-offset", 40, 8, 1ULL << 40, VIR_ERR_OPERATION_INVALID, "L1 table at offset"},
    {"l1-wrap", 40, 8, 0xffffffffffff0000ULL, VIR_ERR_OPERATION_INVALID, "L1 table at offset"},
    {"l1-unaligned", 40, 8, 0x30008, VIR_ERR_OPERATION_INVALID, "L1 table at offset"},
    {"l1-header", 40, 8, 0, VIR_ERR_OPERATION_INVALID, "L1 table at offset"},
    {"ref-offset", 48, 8, 1ULL << 40, VIR_ERR_OPERATION_INVALID, "refcount table"},
    {"ref-none", 56, 4, 0, VIR_ERR_OPERATION_INVALID, "refcount table"},
    {"ref-huge", 56, 4, 129, VIR_ERR_OPERATION_INVALID, "refcount table"},
    {"snaps", 60, 4, 65537, VIR_ERR_OPERATION_INVALID, "internal snapshots"},
    {"snaps-out", 60, 4, 1, VIR_ERR_OPERATION_INVALID, "internal snapshots"},
    {"incompat", 72, 8, 1 << 5, VIR_ERR_NO_SUPPORT, "not known here (0x20)"},
    {"corrupt", 72, 8, 2, VIR_ERR_OPERATION_INVALID, "marked as corrupt"},
    {"compress-bit", 72, 8, 8, VIR_ERR_NO_SUPPORT, "compression type 0"},
    {"compress-byte", 104, 1, 1, VIR_ERR_NO_SUPPORT, "compression type 1"},
    {"reforder", 96, 4, 7, VIR_ERR_OPERATION_INVALID, "refcount order 7"},
    {"length-short", 100, 4, 96, VIR_ERR_OPERATION_INVALID, "header length"},
    {"length-odd", 100, 4, 105, VIR_ERR_OPERATION_INVALID, "header length"},
    {"length-long", 100, 4, 65544, VIR_ERR_OPERATION_INVALID, "header length"},
    {"back-long", 16, 4, 1024, VIR_ERR_OPERATION_INVALID, "backing name"},
    {"back-out", 8, 8, 65530, VIR_ERR_OPERATION_INVALID, "backing name"},
    {"back-header", 8, 8, 16, VIR_ERR_OPERATION_INVALID, "backing name"},
    {"ext-overrun", 116, 4, 0xfffffff0, VIR_ERR_OPERATION_INVALID, "runs out of the header"},
    {"ext-format", 116, 4, 16, VIR_ERR_OPERATION_INVALID, "has 16 bytes"},
    {"format-nul", 120, 1, 0, VIR_ERR_OPERATION_INVALID, "cut short"},
};

static void
testBad(gconstpointer opaque)
{
    const TestBad *bad = opaque;
    guint8 value[8];
    guint64 be = GUINT64_TO_BE(bad->value);
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f qcow2 -u -b some.raw -F raw bad.qcow2 64M");
    memcpy(value, (guint8 *)&be + 8 - bad->bytes, bad->bytes);
    testPoke("bad.qcow2", bad->offset, value, bad->bytes);
    fd = testOpen("bad.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "bad.qcow2", &err);
    g_assert_null(h);
    g_assert_error(err, REPL_ERROR, (int)bad->code);
    g_assert_nonnull(strstr(err->message, bad->says));
    g_assert_nonnull(strstr(err->message, "'bad.qcow2'"));
}

static void
testLuksOutside(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;
    g_autofree guint8 *buf = g_malloc(65536);
    guint8 *ext;

    testLuks();
    fd = testOpen("luks.qcow2", O_RDWR);
    g_assert_cmpint(replPreadFull(fd, buf, 65536, 0), ==, 65536);
    ext = memmem(buf, 65536, "\x05\x37\xbe\x77", 4);
    g_assert_nonnull(ext);
    testPoke64("luks.qcow2", ext + 8 - buf, 1ULL << 33);
    h = replQcow2HeaderRead(fd, "luks", &err);
    g_assert_null(h);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "LUKS header at offset 8589934592"));
}

/* Every cut of the file is refused: its L1 table is the last thing in it. */
static void
testTruncated(void)
{
    g_auto(ReplFd) fd = -1;
    gint64 size;

    testRun("qemu-img create -q -f qcow2 -u -b some.raw -F raw cut.qcow2 64M");
    fd = testOpen("cut.qcow2", O_RDWR);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 196616);
    for (size = 196615; size >= 0; size -= size > 1000 ? 509 : 1) {
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplQcow2Header) h = NULL;

        g_assert_cmpint(ftruncate(fd, size), ==, 0);
        h = replQcow2HeaderRead(fd, "cut", &err);
        g_assert_null(h);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    }
}

/* An extension list longer than the first read. */
static void
testLongExtensions(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f qcow2 -o compat=1.1 long.qcow2 64M");
    testPoke32("long.qcow2", 112, 0x12345678);
    testPoke32("long.qcow2", 116, 20000);
    testPoke32("long.qcow2", 112 + 8 + 20000, REPL_QCOW2_EXT_BACKING_FORMAT);
    testPoke32("long.qcow2", 112 + 8 + 20004, 3);
    testPoke("long.qcow2", 112 + 8 + 20008, "qed", 3);
    fd = testOpen("long.qcow2", O_RDONLY);
    h = replQcow2HeaderRead(fd, "long", &err);
    g_assert_no_error(err);
    g_assert_cmpstr(h->backingFormat, ==, "qed");
}

static void
testFormats(void)
{
    static const char *const formats[] = {"qcow2", "qcow", "qed", "vmdk", "vdi", "vhdx", "vpc", "luks"};
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_auto(ReplFd) fd = -1;
        g_autoptr(GError) err = NULL;
        ReplFormat format;

        testRun("retry qemu-img create -q -f %s %s probe 4M", formats[i],
                g_str_equal(formats[i], "luks") ? "--object secret,id=s,data=a -o key-secret=s,iter-time=10"
                                                : "");
        fd = testOpen("probe", O_RDONLY);
        g_assert_cmpint(replFormatProbe(fd, "probe", &format, &err), ==, 0);
        g_assert_cmpstr(replFormatToString(format), ==, formats[i]);
        g_assert_cmpint(replFormatFromString(formats[i]), ==, format);
    }
    g_assert_cmpint(replFormatOfBytes((const guint8 *)"", 0), ==, REPL_FORMAT_RAW);
    g_assert_cmpint(replFormatFromString("parallels"), ==, -1);
}

int
main(int argc, char **argv)
{
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(testKinds); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/header/%s", testKinds[i].name);

        g_test_add_data_func(path, &testKinds[i], testKind);
    }
    for (i = 0; i < G_N_ELEMENTS(testBads); i++) {
        g_autofree char *path = g_strdup_printf("/qcow2/bad/%s", testBads[i].name);

        g_test_add_data_func(path, &testBads[i], testBad);
    }
    g_test_add_func("/qcow2/header/rich", testRich);
    g_test_add_func("/qcow2/header/luks", testLuks);
    g_test_add_func("/qcow2/header/data-file", testDataFile);
    g_test_add_func("/qcow2/header/dirty", testDirtyFile);
    g_test_add_func("/qcow2/header/long-extensions", testLongExtensions);
    g_test_add_func("/qcow2/bad/luks-outside", testLuksOutside);
    g_test_add_func("/qcow2/bad/truncated", testTruncated);
    g_test_add_func("/qcow2/format", testFormats);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
