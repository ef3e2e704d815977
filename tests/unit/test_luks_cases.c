/*
 * test_luks_cases.c: compressed, unclean, preallocated and refused layers; qemu-img is the judge
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_luks_util.h"

static void
testCompressed(gconstpointer opaque)
{
    const char *options = opaque;

    testRun("rm -f mix.raw; i=0; while [ $i -lt 20000 ]; do echo \"line $i of the file\"; i=$((i+1)); done "
            "> mix.raw; head -c 300000 /dev/urandom >> mix.raw; truncate -s 5M mix.raw; "
            "qemu-img convert -c -O qcow2 -o %s mix.raw comp.qcow2 && "
            "qemu-io -c 'write -q -P 5 200k 10k' comp.qcow2",
            options);
    if (!strstr(options, "cluster_size=512"))
        testRun("qemu-img snapshot -c s1 comp.qcow2 && qemu-io -c 'write -q -P 7 400k 10k' comp.qcow2");
    testCircle("comp.qcow2");
}

static void
testEmpty(void)
{
    testRun("qemu-img create -q -f qcow2 empty.qcow2 0 && qemu-img create -q -f qcow2 empty2.qcow2 1T");
    testConvert("empty.qcow2", NULL, "e.luks", "abc");
    testConvert("empty2.qcow2", NULL, "e.luks", "abc");
}

/* An overlay keeps its backing reference, and reads through it. */
static void
testOverlay(void)
{
    testRun("qemu-img create -q -f qcow2 base.qcow2 8M && qemu-io -c 'write -q -P 1 0 8M' base.qcow2 && "
            "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 over.qcow2 && "
            "qemu-io -c 'write -q -P 2 3M 70k' -c 'write -q -z 5M 256k' over.qcow2");
    testConvert("over.qcow2", NULL, "over.luks", "abc");
    testRun("qemu-img info over.luks | grep -q 'backing file: base.qcow2'");
}

/* qemu's own LUKS files are a source like ours. */
static void
testFromQemu(void)
{
    testRun(
        "retry qemu-img create -q -f qcow2 " TEST_SECRETS " -o encrypt.format=luks,encrypt.key-secret=abc,"
        "encrypt.iter-time=10 q.luks 16M && qemu-io " TEST_SECRETS " -c 'write -q -P 7 1M 1M' --image-opts "
        "driver=qcow2,file.filename=q.luks,encrypt.key-secret=abc");
    testConvert("q.luks", "abc", "q2.luks", "xyz");
    testConvert("q.luks", "abc", "q.plain", NULL);
    testRun("retry qemu-img create -q -f qcow2 " TEST_SECRETS
            " -o encrypt.format=luks,encrypt.key-secret=abc,"
            "encrypt.iter-time=10,encrypt.cipher-alg=aes-128,preallocation=metadata q.luks 4M && "
            "qemu-io " TEST_SECRETS " -c 'write -q -P 7 1M 1M' --image-opts "
            "driver=qcow2,file.filename=q.luks,encrypt.key-secret=abc");
    /* Preallocated, never written: QEMU reads noise there, and so it stays. */
    testConvert("q.luks", "abc", "q2.luks", "xyz");
    testConvert("q.luks", "abc", "q.plain", NULL);
}

/* A snapshot with VM state: data that only the snapshot's L1 table reaches, behind the end of the disk. QEMU 7.2
 * aborts on any loadvm or savevm in an encrypted qcow2 file, its own too, so the judge has to look at the way back. The
 * stream names the memory blocks, and holds the BIOS. */
static void
testVmState(void)
{
    static const char *const words[] = {"pc\\.ram", "SeaBIOS"};
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    ReplLuksVerdict verdict;
    gsize i;

    if (testTry("command -v qemu-system-x86_64") != 0) {
        g_test_skip("qemu-system-x86_64 is not here");
        return;
    }
    testRun("qemu-img create -q -f qcow2 vm.qcow2 64M && qemu-io -c 'write -q -P 3 0 1M' vm.qcow2 && "
            "(echo savevm snap; echo quit) | qemu-system-x86_64 -M pc,accel=tcg -m 16 -display none -S "
            "-drive file=vm.qcow2,format=qcow2 -monitor stdio >/dev/null");
    testRun("qemu-img snapshot -l vm.qcow2 | grep -q snap");
    fd = testOpen("vm.qcow2", O_RDONLY);
    g_assert_cmpint(replLuksJudge(fd, "vm", REPL_FORMAT_QCOW2, TRUE, &verdict, &err), ==, 0);
    g_assert_true(verdict.keepsVmState);
    testConvert("vm.qcow2", NULL, "vm.luks", "abc");
    testConvert("vm.luks", "abc", "vm2.luks", "xyz");
    testConvert("vm2.luks", "xyz", "vmback.qcow2", NULL);
    for (i = 0; i < G_N_ELEMENTS(words); i++)
        testRun("grep -aq '%s' vm.qcow2 && ! grep -aq '%s' vm.luks && ! grep -aq '%s' vm2.luks && "
                "grep -aq '%s' vmback.qcow2",
                words[i], words[i], words[i], words[i]);
    testRun("(echo info status; echo quit) | qemu-system-x86_64 -M pc,accel=tcg -m 16 -display none -S "
            "-drive file=vmback.qcow2,format=qcow2 -loadvm snap -monitor stdio >vm.log 2>&1");
    testRun("grep -q 'VM status: paused' vm.log && ! grep -qi error vm.log");
}

/* Leaked clusters, stale refcounts of a killed writer and wrong flags are all mended in the copy. */
static void
testUnclean(void)
{
    testRun(
        "qemu-img create -q -f qcow2 -o lazy_refcounts=on dirty.qcow2 8M; "
        "qemu-io -c 'write -q -P 9 0 300k' -c 'write -q -P 8 1M 64k' -c 'sigraise 9' dirty.qcow2 || true");
    testRun("cp dirty.qcow2 repaired.qcow2 && qemu-img check -q -r all repaired.qcow2; true");
    {
        g_autoptr(GError) err = NULL;

        testTryConvert("dirty.qcow2", NULL, "dirty.luks", "abc", &err);
        g_assert_no_error(err);
    }
    testJudge("repaired.qcow2", NULL, "dirty.luks", "abc");
}

static void
testCipherHeader(void)
{
    g_auto(ReplFd) fd = -1;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplQcow2Header) h = NULL;

    testRun("qemu-img create -q -f qcow2 small.qcow2 1M");
    testConvert("small.qcow2", NULL, "small.luks", "abc");
    fd = testOpen("small.luks", O_RDONLY);
    h = replQcow2HeaderRead(fd, "small.luks", &err);
    g_assert_no_error(err);
    testRun("dd if=small.luks of=header bs=512 skip=%" G_GUINT64_FORMAT " 2>/dev/null && "
            "PATH=$PATH:/sbin:/usr/sbin; cryptsetup luksDump header > dump && grep -q 'xts-plain64' dump && "
            "grep -q 'MK bits:.*512' dump && grep -c ENABLED dump | grep -qx 1 && "
            "printf abc | cryptsetup open --test-passphrase --key-file - header && "
            "! printf xyz | cryptsetup open --test-passphrase --key-file - header 2>/dev/null",
            h->luksOffset / 512);
}

static void
testRefusals(void)
{
    g_autoptr(GError) err = NULL;

    testRun("test -e cbc.qcow2 && exit; "
            "qemu-img create -q -f qcow2 p.qcow2 1M && retry qemu-img create -q -f qcow2 " TEST_SECRETS
            " -o encrypt.format=luks,encrypt.key-secret=abc,encrypt.iter-time=10 l.qcow2 1M && "
            "retry qemu-img create -q -f qcow2 " TEST_SECRETS
            " -o encrypt.format=luks,encrypt.key-secret=abc,"
            "encrypt.iter-time=10,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=plain64 cbc.qcow2 1M");
    g_assert_cmpint(testTryConvert("l.qcow2", "xyz", "t", NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_AUTH_FAILED);
    g_clear_error(&err);
    g_assert_cmpint(testTryConvert("l.qcow2", NULL, "t", NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_SECRET);
    g_clear_error(&err);
    g_assert_cmpint(testTryConvert("cbc.qcow2", "abc", "t", NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_SUPPORT);
    testRun("test ! -s t");
}

static void
testVerdict(const char *name, gboolean encrypt, ReplLuksWay way, gboolean loses)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDONLY);
    g_autoptr(GError) err = NULL;
    ReplLuksVerdict verdict;

    g_assert_cmpint(replLuksJudge(fd, name, REPL_FORMAT_QCOW2, encrypt, &verdict, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(verdict.way, ==, way);
    g_assert_cmpint(verdict.losesSnapshots, ==, loses);
    g_assert_cmpint(verdict.why != NULL, ==, way == REPL_LUKS_BY_QEMU_IMG);
}

static void
testVerdicts(void)
{
    testRefusals();
    testVerdict("p.qcow2", FALSE, REPL_LUKS_BY_COPY, FALSE);
    testVerdict("p.qcow2", TRUE, REPL_LUKS_BY_ENGINE, FALSE);
    testVerdict("l.qcow2", FALSE, REPL_LUKS_BY_ENGINE, FALSE);
    testVerdict("l.qcow2", TRUE, REPL_LUKS_BY_ENGINE, FALSE);
    testVerdict("cbc.qcow2", FALSE, REPL_LUKS_BY_QEMU_IMG, FALSE);
    testRun("qemu-img snapshot -c s " TEST_SECRETS " --image-opts "
            "driver=qcow2,file.filename=cbc.qcow2,encrypt.key-secret=abc");
    testVerdict("cbc.qcow2", TRUE, REPL_LUKS_BY_QEMU_IMG, TRUE);
    testRun(
        "qemu-img create -q -f qcow2 -u -o cluster_size=512 -b $(head -c 375 /dev/zero | tr '\\0' x) -F raw "
        "tight.qcow2 1M");
    testVerdict("tight.qcow2", TRUE, REPL_LUKS_BY_QEMU_IMG, FALSE);
}

int
main(int argc, char **argv)
{
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(testCompressions); i++) {
        g_autofree char *path = g_strdup_printf("/luks/compressed/%s", testCompressions[i]);

        g_test_add_data_func(path, testCompressions[i], testCompressed);
    }
    g_test_add_func("/luks/cases/empty", testEmpty);
    g_test_add_func("/luks/cases/overlay", testOverlay);
    g_test_add_func("/luks/cases/from-qemu", testFromQemu);
    g_test_add_func("/luks/cases/vm-state", testVmState);
    g_test_add_func("/luks/cases/unclean", testUnclean);
    g_test_add_func("/luks/cases/cryptsetup", testCipherHeader);
    g_test_add_func("/luks/refusals", testRefusals);
    g_test_add_func("/luks/verdicts", testVerdicts);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
