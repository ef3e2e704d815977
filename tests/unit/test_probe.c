/*
 * test_probe.c: chains are walked as far as they may lead, on files made by qemu-img
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_probe_util.h"

#include "base/printable.h"
#include "probe/backing.h"
#include "probe/kind.h"
#include "qcow2/backing.h"
#include "store/imagelock.h"

static ReplChain *
openChain(const TestPools *t, const char *volume)
{
    g_autoptr(GError) err = NULL;
    ReplChain *chain = replChainOpen(t->set, t->a, volume, &err);

    g_assert_no_error(err);
    return chain;
}

static void
expectChain(const TestPools *t, const char *volume, const char *want)
{
    g_autoptr(ReplChain) chain = openChain(t, volume);
    g_autofree char *text = testShowChain(chain);

    g_assert_cmpstr(text, ==, want);
}

static void
expectRefused(const TestPools *t, const char *volume, int code, const char *part)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplChain) chain = replChainOpen(t->set, t->a, volume, &err);

    g_assert_null(chain);
    g_assert_error(err, REPL_ERROR, code);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, part));
}

static void
testWalk(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplChain) chain = NULL;
    const ReplLayer *layer;
    struct stat st;

    testMakeChain();
    chain = openChain(t, "top.qcow2");
    g_assert_cmpint(chain->layers->len, ==, 3);
    layer = replChainLayer(chain, 0);
    g_assert_cmpint(layer->format, ==, REPL_FORMAT_QCOW2);
    g_assert_cmpstr(layer->backingVolume, ==, "mid.qcow2");
    g_assert_cmpint(layer->virtualSize_bytes, ==, 8 << 20);
    layer = replChainLayer(chain, 2);
    g_assert_cmpstr(layer->volume, ==, "base.raw");
    g_assert_cmpint(layer->format, ==, REPL_FORMAT_RAW);
    g_assert_null(layer->qcow2);
    g_assert_null(layer->backingVolume);
    g_assert_cmpint(layer->virtualSize_bytes, ==, 8 << 20);
    g_assert_cmpint(fstatat(t->a->dirFd, "base.raw", &st, 0), ==, 0);
    g_assert_cmpint(layer->allocated_bytes, ==, st.st_blocks * 512);
    g_assert_cmpint(layer->identity.ino, ==, st.st_ino);
}

/* Every way to write the name of a file in a pool of the region. */
static void
testNames(TestPools *t, gconstpointer unused)
{
    static const char *const ways[] = {"b.qcow2",        "./b.qcow2",          "../a/b.qcow2",
                                       "%s/a/b.qcow2",   "%s/a/../a//b.qcow2", "%s/link/b.qcow2",
                                       "../link/b.qcow2"};
    guint i;

    testRun("qemu-img create -q -f qcow2 a/b.qcow2 1M && qemu-img create -q -f qcow2 b/b.qcow2 1M && "
            "ln -s a link");
    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_auto(GStrv) parts = g_strsplit(ways[i], "%s", 2);
        g_autofree char *name = g_strjoinv(testDir, parts);

        testRun("qemu-img create -q -f qcow2 -u -b '%s' -F qcow2 a/t.qcow2 1M", name);
        expectChain(t, "t.qcow2", "a/t.qcow2 a/b.qcow2");
    }
    testRun("qemu-img create -q -f qcow2 -u -b ../b/b.qcow2 -F qcow2 a/t.qcow2 1M");
    expectChain(t, "t.qcow2", "a/t.qcow2 b/b.qcow2");
    testRun("qemu-img create -q -f qcow2 -u -b %s/b/b.qcow2 -F qcow2 a/t.qcow2 1M", testDir);
    expectChain(t, "t.qcow2", "a/t.qcow2 b/b.qcow2");
}

/* A pool whose path is a symbolic link is the directory behind it. */
static void
testLinkedPool(TestPools *t, gconstpointer unused)
{
    const ReplPoolDir *linked;
    g_autoptr(ReplChain) chain = NULL;
    g_autoptr(GError) err = NULL;

    testRun("mkdir out/real && ln -s out/real link");
    linked = testPool(t->set, "linked", "link", "north");
    testRun("cd link && qemu-img create -q -f qcow2 b.qcow2 1M && "
            "qemu-img create -q -f qcow2 -b %s/out/real/b.qcow2 -F qcow2 t.qcow2",
            testDir);
    chain = replChainOpen(t->set, linked, "t.qcow2", &err);
    g_assert_no_error(err);
    g_assert_cmpint(chain->layers->len, ==, 2);
}

/* One row for each chain that is refused: how the file a/t.qcow2 is made, and what is said of it. */
typedef struct {
    const char *name;
    const char *make;
    int code;
    const char *part;
} Refused;

#define OVER(backing, format) "qemu-img create -q -f qcow2 -u -b '" backing "' -F " format " a/t.qcow2 1M"

static const Refused refused[] = {
    {"passwd", OVER("/etc/passwd", "raw"), VIR_ERR_OPERATION_INVALID,
     "'/etc/passwd' of volume 't.qcow2' in storage pool 'a' is outside of the pools of its region"},
    {"no-such-directory", OVER("/no/such/place/x", "raw"), VIR_ERR_OPERATION_INVALID, "is outside of"},
    {"up-and-out", "touch out/x && " OVER("../out/x", "raw"), VIR_ERR_OPERATION_INVALID, "is outside of"},
    {"other-region", "touch c/x && " OVER("../c/x", "raw"), VIR_ERR_OPERATION_INVALID,
     "is in storage pool 'c', which is not in the region of storage pool 'a'"},
    {"subdirectory", "mkdir a/sub && touch a/sub/x && " OVER("sub/x", "raw"), VIR_ERR_OPERATION_INVALID,
     "is outside of"},
    {"staging-file", "touch a/.replication/x && " OVER(".replication/x", "raw"), VIR_ERR_OPERATION_INVALID,
     "is outside of"},
    {"staging", OVER(".replication", "raw"), VIR_ERR_OPERATION_INVALID, "is not a volume"},
    {"directory-itself", OVER("../a/.", "raw"), VIR_ERR_OPERATION_INVALID, "is not a volume"},
    {"slash", OVER("../a/", "raw"), VIR_ERR_OPERATION_INVALID, "is not a volume"},
    {"json", OVER("json:{\"driver\":\"raw\",\"file.filename\":\"/etc/passwd\"}", "raw"), VIR_ERR_NO_SUPPORT,
     "is not a file of a storage pool"},
    {"nbd", OVER("nbd:localhost:10809", "raw"), VIR_ERR_NO_SUPPORT, "'nbd:localhost:10809'"},
    {"file", OVER("file:b.raw", "raw"), VIR_ERR_NO_SUPPORT, "'file:b.raw'"},
    {"missing", OVER("gone.qcow2", "qcow2"), VIR_ERR_NO_STORAGE_VOL,
     "The backing file 'gone.qcow2' of volume 't.qcow2' is missing in storage pool 'a'"},
    {"renamed",
     "qemu-img create -q -f qcow2 a/b.qcow2 1M && " OVER("b.qcow2", "qcow2") " && mv a/b.qcow2 a/n.qcow2",
     VIR_ERR_NO_STORAGE_VOL, "'b.qcow2'"},
    {"itself", OVER("t.qcow2", "qcow2"), VIR_ERR_OPERATION_INVALID,
     "is a loop: volume 't.qcow2' is a backing file of itself"},
    {"loop", OVER("u.qcow2", "qcow2") " && qemu-img create -q -f qcow2 -u -b t.qcow2 -F qcow2 a/u.qcow2 1M",
     VIR_ERR_OPERATION_INVALID, "is a loop"},
    {"loop-below",
     OVER("u.qcow2", "qcow2") " && qemu-img create -q -f qcow2 -u -b v.qcow2 -F qcow2 a/u.qcow2 1M && "
                              "qemu-img create -q -f qcow2 -u -b u.qcow2 -F qcow2 a/v.qcow2 1M",
     VIR_ERR_OPERATION_INVALID, "is a loop: volume 'u.qcow2'"},
    {"loop-by-hard-link", OVER("u.qcow2", "qcow2") " && ln a/t.qcow2 a/u.qcow2", VIR_ERR_OPERATION_INVALID,
     "is a loop"},
    {"link-out", "ln -s /etc/passwd a/l && " OVER("l", "raw"), VIR_ERR_OPERATION_INVALID,
     "'l' of storage pool 'a' is a symbolic link"},
    {"link-in", "qemu-img create -q -f qcow2 a/b.qcow2 1M && ln -s b.qcow2 a/l && " OVER("l", "qcow2"),
     VIR_ERR_OPERATION_INVALID, "is a symbolic link"},
    {"top-is-a-link", "qemu-img create -q -f qcow2 a/b.qcow2 1M && ln -s b.qcow2 a/t.qcow2",
     VIR_ERR_OPERATION_INVALID, "is a symbolic link"},
    {"top-is-missing", "true", VIR_ERR_NO_STORAGE_VOL, "There is no volume 't.qcow2'"},
    {"top-is-a-directory", "mkdir a/t.qcow2", VIR_ERR_OPERATION_INVALID, "is not a regular file"},
    {"fifo", "mkfifo a/f && " OVER("f", "raw"), VIR_ERR_OPERATION_INVALID, "is not a regular file"},
    {"device", "mknod a/z c 1 5 && " OVER("z", "raw"), VIR_ERR_OPERATION_INVALID, "is not a regular file"},
    {"data-file", "qemu-img create -q -f qcow2 -o data_file=a/d.raw a/t.qcow2 1M", VIR_ERR_NO_SUPPORT,
     "has an external data file"},
    {"data-file-below",
     "qemu-img create -q -f qcow2 -o data_file=a/d.raw,data_file_raw=on a/b.qcow2 1M && " OVER("b.qcow2",
                                                                                               "qcow2"),
     VIR_ERR_NO_SUPPORT, "Volume 'b.qcow2' of storage pool 'a' has an external data file"},
    {"truncated", "qemu-img create -q -f qcow2 a/t.qcow2 1M && truncate -s 90 a/t.qcow2",
     VIR_ERR_OPERATION_INVALID, "'t.qcow2'"},
    {"truncated-below",
     "qemu-img create -q -f qcow2 a/b.qcow2 1M && truncate -s 90 a/b.qcow2 && " OVER("b.qcow2", "qcow2"),
     VIR_ERR_OPERATION_INVALID, "'b.qcow2'"},
    {"not-what-it-is-called", "truncate -s 1M a/b.qcow2 && " OVER("b.qcow2", "qcow2"),
     VIR_ERR_OPERATION_INVALID, "'b.qcow2'"},
    {"unknown-below", "qemu-img create -q -f vmdk a/b.vmdk 1M && " OVER("b.vmdk", "cloop"),
     VIR_ERR_NO_SUPPORT, "of format 'cloop', which is not supported"},
    /* In these the statement of the format is taken out again. */
    {"guessed-chain",
     "qemu-img create -q -f raw a/r 1M && qemu-img create -q -f qcow2 -b r -F raw a/b.qcow2 && " OVER(
         "b.qcow2", "qcow2"),
     VIR_ERR_OPERATION_INVALID, "does not say the format of its backing file 'b.qcow2'"},
    {"guessed-vmdk", "qemu-img create -q -f vmdk a/b.vmdk 1M && " OVER("b.vmdk", "vmdk"),
     VIR_ERR_OPERATION_INVALID, "looks like 'vmdk' but may be raw"},
};

/* Makes a stated backing format an unstated one: the extension gets a type that means nothing. */
static void
dropBackingFormat(const char *name)
{
    g_autofree guint8 *head = g_malloc0(4096);
    g_auto(ReplFd) fd = testOpen(name, O_RDWR);
    ssize_t n = replPreadFull(fd, head, 4096, 0);
    guint found = 0;
    ssize_t i;

    for (i = 72; i + 4 <= n; i += 8) {
        if (!memcmp(head + i, "\xe2\x79\x2a\xca", 4)) {
            g_assert_cmpint(replPwriteFull(fd, "\x12\x34\x56\x78", 4, i), ==, 0);
            found++;
        }
    }
    g_assert_cmpint(found, ==, 1);
}

static guint
countDescriptors(void)
{
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    g_dir_close(dir);
    return n;
}

static void
testRefused(TestPools *t, gconstpointer opaque)
{
    const Refused *r = opaque;
    guint before = countDescriptors();

    testRun("%s", r->make);
    if (g_str_has_prefix(r->name, "guessed"))
        dropBackingFormat("a/t.qcow2");
    expectRefused(t, "t.qcow2", r->code, r->part);
    g_assert_cmpint(countDescriptors(), ==, before);
}

static void
testGuessed(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplChain) chain = NULL;

    testRun("truncate -s 1M a/b.raw && qemu-img create -q -f qcow2 -b b.raw -F raw a/t.qcow2");
    dropBackingFormat("a/t.qcow2");
    expectChain(t, "t.qcow2", "a/t.qcow2 a/b.raw");
    testRun("qemu-img create -q -f qcow2 a/b.qcow2 1M && "
            "qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 a/t.qcow2");
    dropBackingFormat("a/t.qcow2");
    chain = openChain(t, "t.qcow2");
    g_assert_cmpint(replChainLayer(chain, 1)->format, ==, REPL_FORMAT_QCOW2);
}

/* What a guest writes into its raw disk leads nowhere. */
static void
testRawIsRaw(TestPools *t, gconstpointer unused)
{
    testRun("qemu-img create -q -f qcow2 -u -b /etc/passwd -F raw a/b.raw 1M && "
            "qemu-img create -q -f qcow2 -b b.raw -F raw a/t.qcow2");
    expectChain(t, "t.qcow2", "a/t.qcow2 a/b.raw");
    expectRefused(t, "b.raw", VIR_ERR_OPERATION_INVALID, "'/etc/passwd'");
}

static void
testOtherFormats(TestPools *t, gconstpointer unused)
{
    static const char *const formats[] = {"raw", "qcow2", "vmdk", "vdi", "vhdx", "qed"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autofree char *name = g_strdup_printf("x.%s", formats[i]);
        g_autoptr(ReplChain) chain = NULL;

        testRun("qemu-img create -q -f %s a/%s 1M", formats[i], name);
        chain = openChain(t, name);
        g_assert_cmpint(chain->layers->len, ==, 1);
        g_assert_cmpstr(replFormatToString(replChainLayer(chain, 0)->format), ==, formats[i]);
    }
}

/* d1 <- d2 <- ... <- dN, all alike but for the names. */
static void
makeDeep(guint layers)
{
    guint i;

    testRun("cd a && rm -f d* && qemu-img create -q -f qcow2 -u -b base -F qcow2 d2 1M && "
            "qemu-img create -q -f qcow2 d1 1M && i=3 && "
            "while [ $i -le %u ]; do cp d2 d$i || exit 1; i=$((i+1)); done",
            layers);
    for (i = 2; i <= layers; i++) {
        g_autofree char *name = g_strdup_printf("a/d%u", i);
        g_autofree char *below = g_strdup_printf("d%u", i - 1);
        g_auto(ReplFd) fd = testOpen(name, O_RDWR);

        g_assert_cmpint(replQcow2SetBacking(fd, below, "qcow2", name, NULL), ==, 0);
    }
}

static void
testDeep(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplChain) chain = NULL;

    makeDeep(201);
    expectRefused(t, "d201", VIR_ERR_OPERATION_INVALID,
                  "volume 'd201' of storage pool 'a' has more than 200 layers");
    chain = openChain(t, "d200");
    g_assert_cmpint(chain->layers->len, ==, 200);
}

static void
testBadNames(TestPools *t, gconstpointer unused)
{
    static const char *const names[] = {"", ".", "..", ".replication", "../a/x", "a/b", "x\ny", "x\xff"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(names); i++)
        expectRefused(t, names[i], VIR_ERR_INVALID_ARG, "cannot be the name of a volume");
}

static void
testChanged(TestPools *t, gconstpointer unused)
{
    static const char *const changes[] = {"printf x | dd of=a/base.raw bs=1 seek=5M conv=notrunc status=none",
                                          "chmod 600 a/base.raw", "truncate -s 9M a/base.raw",
                                          "touch -d 2020-01-01 a/base.raw", "rm a/base.raw"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(ReplChain) chain = NULL;
        g_autoptr(GError) err = NULL;

        testMakeChain();
        chain = openChain(t, "top.qcow2");
        testRun("cat a/base.raw > /dev/null");
        g_assert_cmpint(replChainChanged(chain, &err), ==, 0);
        /* Past the granularity of the file system's clock. */
        g_usleep(20000);
        testRun("%s", changes[i]);
        g_assert_cmpint(replChainChanged(chain, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(err->message, "'base.raw' of storage pool 'a' was changed"));
    }
}

static void
testLock(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplChain) chain = NULL;
    g_autoptr(ReplChain) other = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) writer = -1;

    testMakeChain();
    chain = openChain(t, "top.qcow2");
    other = openChain(t, "mid.qcow2");
    g_assert_cmpint(replChainLock(chain, &err), ==, 0);
    g_assert_cmpint(replChainLock(other, &err), ==, 0);
    /* qemu agrees: it may read, and it may not write any layer. */
    testRun("qemu-io -r -f qcow2 -c 'read -q 0 512' a/top.qcow2");
    g_assert_cmpint(testTry("qemu-io -f qcow2 -c 'write -q 0 512' a/top.qcow2"), !=, 0);
    g_assert_cmpint(testTry("qemu-io -f raw -c 'write -q 0 512' a/base.raw"), !=, 0);
    g_clear_pointer(&chain, replChainFree);
    testRun("qemu-io -f qcow2 -c 'write -q 0 512' a/top.qcow2");
    g_clear_pointer(&other, replChainFree);

    /* A base that somebody writes: nothing stays locked. */
    writer = testOpen("a/base.raw", O_RDWR);
    g_assert_cmpint(replImageLockWrite(writer, "base.raw", &err), ==, 0);
    chain = openChain(t, "top.qcow2");
    g_assert_cmpint(replChainLock(chain, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "base.raw"));
    replImageUnlock(writer);
    testRun("qemu-io -f qcow2 -c 'write -q 0 512' a/top.qcow2");
}

/* A boot sector, an active partition: seen through whatever layers lie above. */
static void
testKind(TestPools *t, gconstpointer unused)
{
    static const struct {
        const char *make;
        ReplImageType type;
    } kinds[] = {
        {"true", REPL_IMAGE_TYPE_SYSTEM_DISK},
        {"qemu-io -f qcow2 -c 'write -q -P 0 0 512' a/top.qcow2", REPL_IMAGE_TYPE_DATA_DISK},
        {"qemu-io -f qcow2 -c 'discard -q 0 64k' a/top.qcow2", REPL_IMAGE_TYPE_DATA_DISK},
        {"truncate -s 512 a/base.raw && "
         "qemu-img create -q -f qcow2 -u -b base.raw -F raw a/top.qcow2 8M",
         REPL_IMAGE_TYPE_SYSTEM_DISK},
        {"qemu-img convert -q -f raw -O qcow2 -c a/base.raw a/top.qcow2", REPL_IMAGE_TYPE_SYSTEM_DISK},
        {"qemu-img convert -q -f raw -O vmdk a/base.raw a/top.qcow2", REPL_IMAGE_TYPE_UNKNOWN},
        {"qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,"
         "encrypt.key-secret=s,encrypt.iter-time=10 a/top.qcow2 1M && qemu-io --object "
         "secret,id=s,data=x -c 'write -q 0 64k' --image-opts "
         "driver=qcow2,file.filename=a/top.qcow2,encrypt.key-secret=s",
         REPL_IMAGE_TYPE_UNKNOWN},
        {"truncate -s 0 a/top.qcow2", REPL_IMAGE_TYPE_DATA_DISK},
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(ReplChain) chain = NULL;
        g_autoptr(GError) err = NULL;
        ReplImageType type;

        testRun("truncate -s 8M a/base.raw && cd a && "
                "qemu-img create -q -f qcow2 -b base.raw -F raw mid.qcow2 && "
                "qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2");
        /* An active Linux partition of 4 MiB, and a boot signature. */
        testPoke("a/base.raw", 446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x20\0\0", 16);
        testPoke("a/base.raw", 510, "\x55\xaa", 2);
        testRun("%s", kinds[i].make);
        chain = openChain(t, "top.qcow2");
        g_assert_cmpint(replKindLook(chain, &type, &err), ==, 0);
        g_assert_no_error(err);
        g_test_message("%s", kinds[i].make);
        g_assert_cmpint(type, ==, kinds[i].type);
    }
}

/* What a header says is shown without harm. */
static void
testPrintable(void)
{
    g_autofree char *plain = replPrintable("b\xc3\xa4se.qcow2");
    g_autofree char *bad = replPrintable("a\nb\x1b[0m\xff");
    g_autofree char *longName = g_strnfill(5000, 'x');
    g_autofree char *cut = replPrintable(longName);
    g_autofree char *ref = replBackingReference("b:1");
    g_autofree char *same = replBackingReference("b/:1");

    g_assert_cmpstr(plain, ==, "b\xc3\xa4se.qcow2");
    g_assert_cmpstr(bad, ==, "a?b?[0m\xef\xbf\xbd");
    g_assert_cmpint(strlen(cut), <, 320);
    g_assert_cmpstr(ref, ==, "./b:1");
    g_assert_cmpstr(same, ==, "b/:1");
}

static void
testPoolDir(TestPools *t, gconstpointer unused)
{
    g_auto(GStrv) taken = NULL;
    g_autoptr(GError) err = NULL;
    g_autofree char *none = testPath("none");
    g_autofree char *file = testPath("a/x");
    guint64 free_bytes = 0;

    testRun("touch a/x a/.y && mkdir a/z && ln -s /nowhere a/l");
    taken = replPoolDirTaken(t->a, NULL);
    g_assert_cmpint(g_strv_length(taken), ==, 5);
    g_assert_true(g_strv_contains((const char *const *)taken, "l"));
    g_assert_true(g_strv_contains((const char *const *)taken, REPL_STAGING_NAME));
    g_assert_cmpint(replPoolDirFree(t->a, &free_bytes, NULL), ==, 0);
    g_assert_cmpint(free_bytes, >, 1 << 20);
    g_assert_null(replPoolDirNew("u", "n", none, NULL, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_STORAGE_POOL);
    g_clear_error(&err);
    g_assert_null(replPoolDirNew("u", "n", file, NULL, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
}

int
main(int argc, char **argv)
{
    guint i;

    g_test_init(&argc, &argv, NULL);
    testAdd("/probe/pool", testPoolDir);
    testAdd("/probe/walk", testWalk);
    testAdd("/probe/names", testNames);
    testAdd("/probe/linked-pool", testLinkedPool);
    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/probe/refused/%s", refused[i].name);

        g_test_add(path, TestPools, &refused[i], testPoolsUp, testRefused, testPoolsDown);
    }
    testAdd("/probe/bad-names", testBadNames);
    testAdd("/probe/deep", testDeep);
    testAdd("/probe/guessed", testGuessed);
    testAdd("/probe/raw-is-raw", testRawIsRaw);
    testAdd("/probe/other-formats", testOtherFormats);
    testAdd("/probe/changed", testChanged);
    testAdd("/probe/lock", testLock);
    testAdd("/probe/kind", testKind);
    g_test_add_func("/probe/printable", testPrintable);
    return g_test_run();
}
