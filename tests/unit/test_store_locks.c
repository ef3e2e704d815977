/*
 * test_store_locks.c: QEMU's image locks, against QEMU itself, and the lease of a host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/imagelock.h"
#include "store/lease.h"
#include "store/stagingpriv.h"

#define HOST "2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab"
#define HOST2 "9c9ce1f0-1111-4222-8333-444455556666"

static gboolean
missing(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    if (!path)
        g_test_skip("a program of QEMU is not installed");
    return !path;
}

/* A process with two pipes to it. */
typedef struct {
    GPid pid;
    int in;
    int out;
} Child;

static void
childStart(Child *child, const char *const *argv)
{
    g_autoptr(GError) err = NULL;

    g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                             NULL, NULL, &child->pid, &child->in, &child->out, NULL, &err);
    g_assert_no_error(err);
}

/* Reads until @what came. */
static void
childExpect(Child *child, const char *what)
{
    g_autoptr(GString) got = g_string_new(NULL);
    char c;

    while (!strstr(got->str, what)) {
        g_assert_cmpint(read(child->out, &c, 1), ==, 1);
        g_string_append_c(got, c);
    }
}

static void
childEnd(Child *child, const char *words)
{
    int status;

    g_assert_cmpint(write(child->in, words, strlen(words)), ==, (gssize)strlen(words));
    close(child->in);
    g_assert_cmpint(waitpid(child->pid, &status, 0), ==, child->pid);
    close(child->out);
}

/* qemu-io that has @path open. */
static void
qemuIoStart(Child *child, const char *path, gboolean readOnly)
{
    const char *const rw[] = {"qemu-io", "-f", "raw", path, NULL};
    const char *const ro[] = {"qemu-io", "-r", "-f", "raw", path, NULL};

    childStart(child, readOnly ? ro : rw);
    g_assert_cmpint(write(child->in, "length\n", 7), ==, 7);
    childExpect(child, "1 MiB");
}

/* Exit status of a program. */
static int
run(const char *a, const char *b, const char *c, const char *d, const char *e)
{
    const char *argv[] = {a, b, c, d, e, NULL};
    g_autoptr(GError) err = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                 NULL, NULL, &status, &err);
    g_assert_no_error(err);
    return WEXITSTATUS(status);
}

static int
imageMake(Pool *pool, char **path)
{
    int fd = openat(pool->fd, "image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    *path = g_build_filename(pool->path, "image", NULL);
    return fd;
}

static void
refusedLock(int (*lock)(int, const char *, GError **), int fd, const char *say)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(lock(fd, "image", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "image"));
    g_assert_nonnull(strstr(err->message, say));
}

static void
takenLock(int (*lock)(int, const char *, GError **), int fd)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(lock(fd, "image", &err), ==, 0);
    g_assert_no_error(err);
}

static void
testWriterThere(Pool *pool, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_auto(ReplFd) fd = imageMake(pool, &path);
    g_auto(ReplFd) readOnly = open(path, O_RDONLY | O_CLOEXEC);
    Child child;

    if (missing("qemu-io"))
        return;
    qemuIoStart(&child, path, FALSE);
    refusedLock(replImageLockRead, readOnly, "open for writing by another process");
    refusedLock(replImageLockWrite, fd, "open for writing by another process");
    childEnd(&child, "quit\n");
    takenLock(replImageLockRead, readOnly);
    replImageUnlock(readOnly);
    takenLock(replImageLockWrite, fd);
}

static void
testReaderThere(Pool *pool, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_auto(ReplFd) fd = imageMake(pool, &path);
    Child child;

    if (missing("qemu-io"))
        return;
    qemuIoStart(&child, path, TRUE);
    takenLock(replImageLockRead, fd);
    replImageUnlock(fd);
    refusedLock(replImageLockWrite, fd, "open in another process");
    childEnd(&child, "quit\n");
    takenLock(replImageLockWrite, fd);
}

static void
testWeRead(Pool *pool, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_auto(ReplFd) fd = imageMake(pool, &path);
    g_auto(ReplFd) second = open(path, O_RDONLY | O_CLOEXEC);

    if (missing("qemu-io"))
        return;
    takenLock(replImageLockRead, fd);
    takenLock(replImageLockRead, second);
    g_assert_cmpint(run("qemu-io", "-c", "read 0 512", path, NULL), !=, 0);
    g_assert_cmpint(run("qemu-io", "-r", "-c", "read 0 512", path), ==, 0);
    g_assert_cmpint(run("qemu-img", "map", path, NULL, NULL), ==, 0);
    g_assert_cmpint(run("qemu-img", "resize", "-fraw", path, "2M"), !=, 0);
    replFdClose(replFdSteal(&second));
    g_assert_cmpint(run("qemu-io", "-c", "read 0 512", path, NULL), !=, 0);
    replFdClose(replFdSteal(&fd)); /* the lock goes with it */
    g_assert_cmpint(run("qemu-io", "-c", "read 0 512", path, NULL), ==, 0);
}

static void
testWeWrite(Pool *pool, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_auto(ReplFd) fd = imageMake(pool, &path);
    g_auto(ReplFd) second = open(path, O_RDWR | O_CLOEXEC);

    if (missing("qemu-io"))
        return;
    takenLock(replImageLockWrite, fd);
    refusedLock(replImageLockRead, second, "open for writing by another process");
    refusedLock(replImageLockWrite, second, "open for writing by another process");
    g_assert_cmpint(run("qemu-io", "-r", "-c", "read 0 512", path), !=, 0);
    g_assert_cmpint(run("qemu-img", "map", path, NULL, NULL), !=, 0);
    g_assert_cmpint(run("qemu-img", "info", "-U", path, NULL), ==, 0);
    replImageUnlock(fd);
    g_assert_cmpint(run("qemu-img", "map", path, NULL, NULL), ==, 0);
}

static void
testGuestThere(Pool *pool, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_autofree char *drive = NULL;
    g_auto(ReplFd) fd = imageMake(pool, &path);
    Child child;

    if (missing("qemu-system-x86_64"))
        return;
    drive = g_strdup_printf("file=%s,format=raw,if=ide", path);
    {
        const char *const argv[] = {"qemu-system-x86_64",
                                    "-S",
                                    "-nodefaults",
                                    "-display",
                                    "none",
                                    "-accel",
                                    "tcg",
                                    "-m",
                                    "32",
                                    "-qmp",
                                    "stdio",
                                    "-drive",
                                    drive,
                                    NULL};

        childStart(&child, argv);
    }
    childExpect(&child, "QMP");
    g_assert_cmpint(write(child.in, "{\"execute\":\"qmp_capabilities\"}\n", 31), ==, 31);
    childExpect(&child, "return");
    refusedLock(replImageLockRead, fd, "open for writing by another process");
    childEnd(&child, "{\"execute\":\"quit\"}\n");
    takenLock(replImageLockRead, fd);
}

static ReplLease *
take(Pool *pool, gboolean local, const char *host)
{
    g_autoptr(GError) err = NULL;
    ReplLease *lease = replLeaseTakeOn(pool->staging, local, host, &err);

    g_assert_no_error(err);
    g_assert_nonnull(lease);
    return lease;
}

static void
takeRefused(Pool *pool, gboolean local, const char *host, const char *say)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(replLeaseTakeOn(pool->staging, local, host, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(err->message, say));
}

static void
testLeaseLocked(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLease) lease = replLeaseTake(pool->staging, HOST, NULL);

    g_assert_nonnull(lease);
    takeRefused(pool, TRUE, HOST, "another daemon of this host");
    takeRefused(pool, TRUE, HOST2, HOST);
    takeRefused(pool, FALSE, HOST2, HOST);
    g_assert_cmpint(replLeaseRenew(lease, NULL), ==, 0);
    g_assert_cmpint(replLeaseRenew(lease, NULL), ==, 0);
    replLeaseRelease(g_steal_pointer(&lease));
    lease = take(pool, FALSE, HOST2); /* given back: nobody waits */
}

/* What @lease leaves when its host is cut off: no lock, the file stays. */
static void
leaseOfLostHost(Pool *pool, const char *host)
{
    int top = replStagingFd(pool->staging, REPL_STAGING_TOP);
    ReplLease *lease = take(pool, TRUE, host);
    g_autofree char *text = NULL;
    gsize len;

    text = fileRead(top, "lease", &len);
    replLeaseRelease(lease);
    g_assert_false(fileExists(top, "lease"));
    fileWrite(top, "lease", text, len);
}

static void
testLeaseOfOtherHost(Pool *pool, gconstpointer data)
{
    int top = replStagingFd(pool->staging, REPL_STAGING_TOP);

    leaseOfLostHost(pool, HOST2);
    takeRefused(pool, FALSE, HOST, HOST2);
    fileAge(top, "lease", REPL_LEASE_STALE_s - 20);
    takeRefused(pool, FALSE, HOST, HOST2);
    fileAge(top, "lease", REPL_LEASE_STALE_s + 1);
    replLeaseRelease(take(pool, FALSE, HOST));

    leaseOfLostHost(pool, HOST2); /* where the lock tells, its being free is enough */
    replLeaseRelease(take(pool, TRUE, HOST));
    leaseOfLostHost(pool, HOST); /* our own from before a crash */
    replLeaseRelease(take(pool, FALSE, HOST));
}

/* The other host's clock is an hour ahead: seen long enough without a change it is stale, too. */
static void
testLeaseUnchanged(Pool *pool, gconstpointer data)
{
    int top = replStagingFd(pool->staging, REPL_STAGING_TOP);

    leaseOfLostHost(pool, HOST2);
    fileAge(top, "lease", -3600);
    takeRefused(pool, FALSE, HOST, HOST2);
    pool->staging->leaseSince_us -= (gint64)(REPL_LEASE_STALE_s - 10) * G_USEC_PER_SEC;
    takeRefused(pool, FALSE, HOST, HOST2);
    pool->staging->leaseSince_us -= (gint64)20 * G_USEC_PER_SEC;
    replLeaseRelease(take(pool, FALSE, HOST));
}

/* We slept, another host took it: the renewal tells, and giving back leaves the other's alone. */
static void
testLeaseLost(Pool *pool, gconstpointer data)
{
    int top = replStagingFd(pool->staging, REPL_STAGING_TOP);
    g_autoptr(GError) err = NULL;
    g_autofree char *theirs = NULL;
    ReplLease *lease;
    gsize len;

    leaseOfLostHost(pool, HOST2);
    theirs = fileRead(top, "lease", &len);
    lease = take(pool, TRUE, HOST);
    fileWrite(top, "lease", theirs, len);
    g_assert_cmpint(replLeaseRenew(lease, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(err->message, HOST2));
    replLeaseRelease(lease);
    g_assert_true(fileExists(top, "lease"));
}

static void
testLeaseDamaged(Pool *pool, gconstpointer data)
{
    int top = replStagingFd(pool->staging, REPL_STAGING_TOP);

    fileWrite(top, "lease", "nonsense", 8);
    replLeaseRelease(take(pool, FALSE, HOST));
    fileWrite(top, "lease", "", 0);
    replLeaseRelease(take(pool, TRUE, HOST));
}

/* A daemon that is killed: its lock goes with it. */
static void
testLeaseKilled(Pool *pool, gconstpointer data)
{
    int pipes[2];
    int status;
    char c;
    pid_t child;

    g_assert_cmpint(pipe(pipes), ==, 0);
    if ((child = fork()) == 0) {
        c = replLeaseTakeOn(pool->staging, TRUE, HOST, NULL) ? 'y' : 'n';
        _exit(write(pipes[1], &c, 1) == 1 && pause());
    }
    g_assert_cmpint(read(pipes[0], &c, 1), ==, 1);
    g_assert_cmpint(c, ==, 'y');
    takeRefused(pool, TRUE, HOST, "another daemon of this host");
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    replLeaseRelease(take(pool, TRUE, HOST));
    close(pipes[0]);
    close(pipes[1]);
}

#define ADD(name, func) g_test_add("/store/locks/" name, Pool, NULL, poolSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("writer-there", testWriterThere);
    ADD("reader-there", testReaderThere);
    ADD("we-read", testWeRead);
    ADD("we-write", testWeWrite);
    ADD("guest-there", testGuestThere);
    ADD("lease-locked", testLeaseLocked);
    ADD("lease-of-other-host", testLeaseOfOtherHost);
    ADD("lease-unchanged", testLeaseUnchanged);
    ADD("lease-lost", testLeaseLost);
    ADD("lease-damaged", testLeaseDamaged);
    ADD("lease-killed", testLeaseKilled);
    return g_test_run();
}
