/*
 * test_qemuimg_run.c: qemu-img is run, followed, stopped and kept within its limits
 *
 * A script that is called qemu-img and comes first in PATH stands in for it where it has to misbehave.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qemuimg/run.h"

static char *dir, *path;

/* From now on qemu-img is a shell script of this text; NULL: the real one. */
static void
standIn(const char *script)
{
    g_autofree char *file = g_build_filename(dir, "qemu-img", NULL);
    g_autofree char *text = g_strdup_printf("#!/bin/bash\n%s\n", script);
    g_autofree char *both = g_strdup_printf("%s:%s", dir, path);

    g_unlink(file);
    if (script) {
        g_assert_true(g_file_set_contents(file, text, -1, NULL));
        g_assert_cmpint(g_chmod(file, 0755), ==, 0);
    }
    g_setenv("PATH", both, TRUE);
}

static ReplQemuCommand *
anyCommand(int fd)
{
    const ReplQemuFile file = {.fd = fd, .format = REPL_FORMAT_RAW};
    const ReplQemuChain chain = {&file, 1};

    return replQemuArgvInfo(&chain);
}

static int
runAny(const ReplQemuRun *run, char **output, int *status, GError **err)
{
    g_auto(ReplFd) fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(ReplQemuCommand) command = anyCommand(fd);

    return replQemuImgRun(command, run, "vol", output, status, err);
}

static const ReplQemuRun nothing = {.meterFd = -1};

static void
testReal(void)
{
    g_autofree char *file = g_build_filename(dir, "raw", NULL);
    g_auto(ReplFd) fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_autoptr(ReplQemuCommand) command = anyCommand(fd);
    g_autofree char *output = NULL;
    g_autoptr(GError) err = NULL;
    guint64 size = 0;

    standIn(NULL);
    g_assert_cmpint(ftruncate(fd, 3 << 20), ==, 0);
    g_assert_cmpint(replQemuImgRun(command, &nothing, "vol", &output, NULL, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(replQemuNumber(output, "virtual-size", &size), ==, 0);
    g_assert_cmpuint(size, ==, 3 << 20);
}

/* What the child has: its inputs, the standard streams, and nothing of ours. */
static void
testWorld(void)
{
    g_autofree char *output = NULL;
    g_autoptr(GError) err = NULL;
    int leak = open("/dev/zero", O_RDONLY); /* not close-on-exec */

    g_setenv("SECRET_OF_OURS", "1", TRUE);
    standIn("cd /proc/$$/fd; for i in {0..99}; do [ -e $i ] && echo -n \"$i \"; done; readlink 0 3; "
            "env | grep -c SECRET; echo $LC_ALL; grep SigBlk /proc/self/status; ulimit -v; ulimit -c");
    g_assert_cmpint(runAny(&(ReplQemuRun){.meterFd = -1, .memory_bytes = 1 << 30}, &output, NULL, &err), ==,
                    0);
    g_assert_no_error(err);
    g_assert_cmpstr(output, ==,
                    "0 1 2 3 /dev/null\n/dev/null\n0\nC\nSigBlk:\t0000000000000000\n1048576\n0\n");
    replFdClose(leak);
}

static void
testSecretArrives(void)
{
    g_autoptr(ReplSecretBuf) buf = replSecretBufNewFrom("a\0b\n", 4, NULL);
    const ReplQemuFile file = {.fd = -1, .format = REPL_FORMAT_LUKS, .secret = buf};
    g_auto(ReplFd) fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ReplQemuFile copy = file;
    const ReplQemuChain chain = {&copy, 1};
    g_autoptr(ReplQemuCommand) command = NULL;
    g_autofree char *output = NULL;
    g_autoptr(GError) err = NULL;

    copy.fd = fd;
    command = replQemuArgvInfo(&chain);
    standIn("od -An -tx1 /dev/fd/3");
    g_assert_cmpint(replQemuImgRun(command, &nothing, "vol", &output, NULL, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpstr(output, ==, " 61 00 62 0a\n");
}

typedef struct {
    const char *name, *script;
    ReplQemuRun run;
    const char *part;
} Bad;

static const Bad bads[] = {
    {"message",
     "echo -e 'qemu-img: no\\x01way' >&2; exit 1",
     {.meterFd = -1},
     "failed with status 1 at volume 'vol': qemu-img: no?way"},
    {"signal", "kill -SEGV $$", {.meterFd = -1}, "ended by signal 11"},
    {"long message", "yes talk | head -c 1000000 >&2; exit 1", {.meterFd = -1}, "talk talk"},
    {"cpu", "while :; do :; done", {.meterFd = -1, .cpu_s = 1}, "more than 1 seconds of CPU time"},
    {"asleep", "exec sleep 60", {.meterFd = -1, .wall_s = 1}, "more than 1 seconds in all"},
    {"stalled", "while :; do :; done", {.meterFd = -1, .stall_s = 1}, "without any progress"},
    {"deaf", "trap '' TERM; while :; do sleep 1; done", {.meterFd = -1, .wall_s = 1}, "in all"},
};

static void
testBad(gconstpointer opaque)
{
    const Bad *bad = opaque;
    gint64 start = g_get_monotonic_time();
    g_autoptr(GError) err = NULL;

    standIn(bad->script);
    g_assert_cmpint(runAny(&bad->run, NULL, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(err->message, bad->part));
    g_assert_cmpuint(strlen(err->message), <, 4400);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
}

static void
testStatus(void)
{
    g_autoptr(GError) err = NULL;
    int status = -1;

    standIn("exit 3");
    g_assert_cmpint(runAny(&nothing, NULL, &status, &err), ==, 0);
    g_assert_cmpint(status, ==, 3);
}

static void
testMissing(void)
{
    g_autoptr(GError) err = NULL;

    standIn(NULL);
    g_setenv("PATH", dir, TRUE);
    g_assert_cmpint(runAny(&nothing, NULL, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_SUPPORT);
}

typedef struct {
    guint64 admitted, advanced;
    guint64 refuseAt;
    guint calls;
    gint64 wait_us;
} Seen;

static int
seenAdmit(void *opaque, guint64 bytes, GError **err)
{
    Seen *seen = opaque;

    g_assert_cmpuint(bytes, <=, 2 << 20);
    seen->admitted += bytes;
    if (seen->calls++ > 0)
        g_usleep(seen->wait_us);
    if (!seen->refuseAt || seen->admitted < seen->refuseAt)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled");
    return -1;
}

static void
seenAdvance(void *opaque, guint64 bytes)
{
    ((Seen *)opaque)->advanced += bytes;
}

static void
testFollow(void)
{
    Seen seen = {0};
    const ReplCopyWatch watch = {.admit = seenAdmit, .advance = seenAdvance, .opaque = &seen};
    const ReplQemuRun run = {.watch = &watch, .meterFd = -1, .total_bytes = 100 << 20};
    g_autoptr(GError) err = NULL;

    standIn("for i in 10 30 60; do printf '    (%s.00/100%%)\\r' $i; sleep 0.1; done");
    g_assert_cmpint(runAny(&run, NULL, NULL, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpuint(seen.advanced, ==, 100 << 20);
    g_assert_cmpuint(seen.admitted, ==, 100 << 20);
    g_assert_cmpuint(seen.calls, >, 50);
}

static void
testCancel(void)
{
    Seen seen = {.refuseAt = 30 << 20};
    const ReplCopyWatch watch = {.admit = seenAdmit, .advance = seenAdvance, .opaque = &seen};
    const ReplQemuRun run = {.watch = &watch, .meterFd = -1, .total_bytes = 100 << 20};
    g_autofree char *left = g_build_filename(dir, "left", NULL);
    g_autofree char *script = g_strdup_printf("printf '(50.00/100%%%%)\\r'; sleep 2; touch %s", left);
    gint64 start = g_get_monotonic_time();
    g_autoptr(GError) err = NULL;

    standIn(script);
    g_assert_cmpint(runAny(&run, NULL, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
    g_usleep(2500000);
    g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
}

/* While the watch waits, the child does nothing. */
static void
testPause(void)
{
    Seen seen = {.wait_us = 300000};
    const ReplCopyWatch watch = {.admit = seenAdmit, .advance = seenAdvance, .opaque = &seen};
    g_autofree char *file = g_build_filename(dir, "grows", NULL);
    g_autofree char *script =
        g_strdup_printf("for i in {1..400}; do printf x >> %s; read -t 0.005 < <(sleep 1); done; true", file);
    const ReplQemuRun run = {.watch = &watch, .meterFd = -1, .total_bytes = 1};
    g_autoptr(GError) err = NULL;
    gint64 start = g_get_monotonic_time();

    standIn(script);
    g_assert_cmpint(runAny(&run, NULL, NULL, &err), ==, 0);
    /* 400 rounds of 5 ms, in slices of 50 ms with 300 ms of standstill in between. */
    g_assert_cmpint(g_get_monotonic_time() - start, >, 6 * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    g_autofree char *remove = NULL;
    guint i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("repl-qemuimg-XXXXXX", NULL);
    path = g_strdup(g_getenv("PATH"));
    g_test_add_func("/qemuimg-run/real", testReal);
    g_test_add_func("/qemuimg-run/world", testWorld);
    g_test_add_func("/qemuimg-run/secret", testSecretArrives);
    for (i = 0; i < G_N_ELEMENTS(bads); i++) {
        g_autofree char *name = g_strdup_printf("/qemuimg-run/%s", bads[i].name);

        g_test_add_data_func(name, &bads[i], testBad);
    }
    g_test_add_func("/qemuimg-run/status", testStatus);
    g_test_add_func("/qemuimg-run/missing", testMissing);
    g_test_add_func("/qemuimg-run/follow", testFollow);
    g_test_add_func("/qemuimg-run/cancel", testCancel);
    g_test_add_func("/qemuimg-run/pause", testPause);
    ret = g_test_run();
    g_setenv("PATH", path, TRUE);
    remove = g_strdup_printf("rm -rf '%s'", dir);
    if (system(remove) != 0)
        ret = 1;
    g_free(dir);
    g_free(path);
    return ret;
}
