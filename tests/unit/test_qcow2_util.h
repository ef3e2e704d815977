/*
 * test_qcow2_util.h: files made by qemu-img for the tests of driver/qcow2 and driver/luks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* Options of qcow2 files that compress in each way there is. */
static const char *const testCompressions[] G_GNUC_UNUSED = {"compression_type=zlib",
                                                             "compression_type=zstd",
                                                             "compat=0.10",
                                                             "cluster_size=512",
                                                             "cluster_size=2M",
                                                             "extended_l2=on",
                                                             "compression_type=zstd,cluster_size=4k"};

/* A scratch directory that every command runs in; removed at the end. */
static char *testDir;

static G_GNUC_UNUSED void
testDirMake(void)
{
    g_autoptr(GError) err = NULL;

    testDir = g_dir_make_tmp("repl-qcow2-XXXXXX", &err);
    g_assert_no_error(err);
}

static G_GNUC_UNUSED void
testDirRemove(void)
{
    GDir *dir = g_dir_open(testDir, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(testDir, name, NULL);

        g_unlink(path);
    }
    if (dir)
        g_dir_close(dir);
    g_rmdir(testDir);
    g_clear_pointer(&testDir, g_free);
}

static G_GNUC_UNUSED char *
testPath(const char *name)
{
    return g_build_filename(testDir, name, NULL);
}

/* qemu-img's calibration of key derivation takes seconds and fails now and then, on an idle machine, too ("Unable to get
 * accurate CPU usage"). With harness/quickluks.c it does neither; by hand, without that, commands that make LUKS files are
 * called through this. */
#define TEST_RETRY                                                                                           \
    "[ -z \"$REPL_TEST_QUICKLUKS\" ] || export LD_PRELOAD=\"$REPL_TEST_QUICKLUKS\"; "                        \
    "retry() { n=0; until \"$@\"; do n=$((n+1)); [ $n -lt 50 ] || return 1; done; }; "

static int
testShellOnce(char **out, char **messages, const char *cmd)
{
    g_autofree char *script = g_strconcat(TEST_RETRY, cmd, NULL);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    g_autoptr(GError) err = NULL;
    int status;

    g_spawn_sync(testDir, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, messages, &status, &err);
    g_assert_no_error(err);
    return status;
}

/* Runs a shell command in the scratch directory; returns its exit status, *out its stdout. Whole commands that did not call
 * retry are called again, too. */
static int
testShellV(char **out, const char *cmd)
{
    for (guint round = 1;; round++) {
        g_autofree char *messages = NULL;
        int status = testShellOnce(out, &messages, cmd);

        if (status == 0)
            return 0;
        g_test_message("'%s' failed: %s", cmd, messages);
        if (round == 50 || !strstr(messages, "Unable to get accurate CPU usage"))
            return status;
        g_clear_pointer(out, g_free);
        g_usleep(10000);
    }
}

G_GNUC_PRINTF(1, 2)
static G_GNUC_UNUSED int
testTry(const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    g_autofree char *out = NULL;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return testShellV(&out, cmd);
}

/* The same for commands that must succeed. */
G_GNUC_PRINTF(1, 2)
static G_GNUC_UNUSED void
testRun(const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    g_autofree char *out = NULL;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_cmpint(testShellV(&out, cmd), ==, 0);
}

G_GNUC_PRINTF(1, 2)
static G_GNUC_UNUSED char *
testOutput(const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    char *out = NULL;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_cmpint(testShellV(&out, cmd), ==, 0);
    return out;
}

static G_GNUC_UNUSED int
testOpen(const char *name, int flags)
{
    g_autofree char *path = testPath(name);
    int fd = open(path, flags | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static G_GNUC_UNUSED void
testPoke(const char *name, guint64 offset, const void *bytes, gsize len)
{
    g_auto(ReplFd) fd = testOpen(name, O_RDWR);

    g_assert_cmpint(replPwriteFull(fd, bytes, len, offset), ==, 0);
}

static G_GNUC_UNUSED void
testPoke32(const char *name, guint64 offset, guint32 value)
{
    guint32 be = GUINT32_TO_BE(value);

    testPoke(name, offset, &be, sizeof(be));
}

static G_GNUC_UNUSED void
testPoke64(const char *name, guint64 offset, guint64 value)
{
    guint64 be = GUINT64_TO_BE(value);

    testPoke(name, offset, &be, sizeof(be));
}

/* Files of every kind that qemu-img writes, with guest data in several places. */
typedef struct {
    const char *name;
    const char *options; /* of qemu-img create -o */
    const char *size;
} TestKind;

static const TestKind testKinds[] = {
    {"plain", "compat=1.1", "64M"},
    {"v2", "compat=0.10", "64M"},
    {"c512", "cluster_size=512", "4M"},
    {"c4k", "cluster_size=4k", "16M"},
    {"c2m", "cluster_size=2M", "64M"},
    {"v2c512", "compat=0.10,cluster_size=512", "4M"},
    {"extl2", "extended_l2=on", "64M"},
    {"extl2c16k", "extended_l2=on,cluster_size=16k", "16M"},
    {"extl2c2m", "extended_l2=on,cluster_size=2M", "64M"},
    {"lazy", "lazy_refcounts=on", "64M"},
    {"zstd", "compression_type=zstd", "64M"},
    {"ref1", "refcount_bits=1", "64M"},
    {"ref64", "refcount_bits=64", "64M"},
    {"odd", "compat=1.1", "33555968"},
    {"premeta", "preallocation=metadata", "16M"},
    {"prefalloc", "preallocation=falloc", "4M"},
    {"prefull", "preallocation=full", "4M"},
    {"preextl2", "preallocation=metadata,extended_l2=on", "16M"},
};

/* Makes kind @k as "KIND.qcow2" and writes patterns where no size of cluster aligns with them. */
static G_GNUC_UNUSED char *
testMakeKind(const TestKind *k)
{
    char *name = g_strdup_printf("%s.qcow2", k->name);

    testRun("qemu-img create -q -f qcow2 -o %s %s %s", k->options, name, k->size);
    testRun("qemu-io -f qcow2 -c 'write -q -P 0x51 0 70k' -c 'write -q -P 0x52 1000k 5k' "
            "-c 'write -q -P 0x53 3M 1M' -c 'write -q -z 3200k 128k' -c 'discard -q 3400k 64k' %s",
            name);
    return name;
}
