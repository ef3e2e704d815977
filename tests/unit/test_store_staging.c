/*
 * test_store_staging.c: the staging folder and its partial files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#include <sys/fsuid.h>

#include "model/label.h"
#include "store/jobrecord.h"
#include "store/partial.h"
#include "store/record.h"

#define JOB "2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab"
#define JOB2 "9c9ce1f0-1111-4222-8333-444455556666"

static void
bareSetUp(Pool *pool, gconstpointer data)
{
    poolMake(pool);
}

static void
refusedOpen(Pool *pool)
{
    gboolean create;

    for (create = FALSE; create <= TRUE; create++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(replStagingOpen(pool->fd, create, &err));
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
        g_assert_cmpint(replStagingRemove(pool->fd, NULL), ==, -1);
    }
}

static void
testAbsent(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(replStagingOpen(pool->fd, FALSE, &err));
    g_assert_no_error(err);
    g_assert_false(fileExists(pool->fd, REPL_STAGING_NAME));
    g_assert_cmpint(replStagingRemove(pool->fd, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpint(replStagingIsEmptyPool(pool->fd, NULL), ==, 1);
}

static void
testModes(Pool *pool, gconstpointer data)
{
    static const char *const dirs[] = {".replication", ".replication/images", ".replication/jobs",
                                       ".replication/partial"};
    g_autoptr(ReplStaging) staging = NULL;
    mode_t mask = umask(0);
    struct stat st;
    guint i;

    staging = replStagingOpen(pool->fd, TRUE, NULL);
    umask(mask);
    for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_assert_cmpint(fstatat(pool->fd, dirs[i], &st, AT_SYMLINK_NOFOLLOW), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0700);
        g_assert_cmpint(fcntl(replStagingFd(staging, i), F_GETFD), ==, FD_CLOEXEC);
    }
    g_assert_cmpint(replStagingIsEmptyPool(pool->fd, NULL), ==, 1);
    fileWrite(pool->fd, "v", "", 0);
    g_assert_cmpint(replStagingIsEmptyPool(pool->fd, NULL), ==, 0);
}

static void
testLink(Pool *pool, gconstpointer data)
{
    g_assert_cmpint(mkdirat(pool->fd, "elsewhere", 0700), ==, 0);
    g_assert_cmpint(symlinkat("elsewhere", pool->fd, REPL_STAGING_NAME), ==, 0);
    refusedOpen(pool);
    g_assert_cmpint(unlinkat(pool->fd, "elsewhere/images", AT_REMOVEDIR), ==, -1);
}

static void
testNotADirectory(Pool *pool, gconstpointer data)
{
    fileWrite(pool->fd, REPL_STAGING_NAME, "x", 1);
    refusedOpen(pool);
}

static void
testWritable(Pool *pool, gconstpointer data)
{
    g_assert_cmpint(mkdirat(pool->fd, REPL_STAGING_NAME, 0700), ==, 0);
    g_assert_cmpint(fchmodat(pool->fd, REPL_STAGING_NAME, 0770, 0), ==, 0);
    refusedOpen(pool);
    g_assert_cmpint(fchmodat(pool->fd, REPL_STAGING_NAME, 0702, 0), ==, 0);
    refusedOpen(pool);
}

static void
testForeign(Pool *pool, gconstpointer data)
{
    if (geteuid() != 0) {
        g_test_skip("only root can give directories away");
        return;
    }
    g_assert_cmpint(mkdirat(pool->fd, REPL_STAGING_NAME, 0700), ==, 0);
    g_assert_cmpint(fchownat(pool->fd, REPL_STAGING_NAME, 12345, 12345, 0), ==, 0);
    refusedOpen(pool);
}

/* As on a root-squashed export: we are root, but what we make belongs to somebody else. */
static void
testSquashed(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplStaging) made = NULL;
    g_autoptr(ReplStaging) again = NULL;
    g_autoptr(ReplStaging) asRoot = NULL;

    if (geteuid() != 0) {
        g_test_skip("only root can act for other users");
        return;
    }
    g_assert_cmpint(fchown(pool->fd, 12345, 12345), ==, 0);
    setfsuid(12345);
    made = replStagingOpen(pool->fd, TRUE, &err);
    again = replStagingOpen(pool->fd, FALSE, NULL);
    setfsuid(0);
    g_assert_no_error(err);
    g_assert_nonnull(made);
    g_assert_nonnull(again);
    asRoot = replStagingOpen(pool->fd, FALSE, &err); /* not squashed: a foreign folder */
    g_assert_null(asRoot);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
}

/* A place where nothing can be made: an error only when it should be. */
static void
testReadOnly(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) readOnly = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    g_assert_null(replStagingOpen(readOnly, FALSE, &err));
    g_assert_no_error(err);
    g_assert_null(replStagingOpen(readOnly, TRUE, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
}

static void
testInnerLink(Pool *pool, gconstpointer data)
{
    g_assert_cmpint(mkdirat(pool->fd, REPL_STAGING_NAME, 0700), ==, 0);
    g_assert_cmpint(symlinkat("/tmp", pool->fd, ".replication/images"), ==, 0);
    refusedOpen(pool);
}

/* A crash while it was being made. */
static void
testHalfMade(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplStaging) staging = NULL;

    g_assert_cmpint(mkdirat(pool->fd, REPL_STAGING_NAME, 0700), ==, 0);
    g_assert_cmpint(mkdirat(pool->fd, ".replication/images", 0700), ==, 0);
    g_assert_null(replStagingOpen(pool->fd, FALSE, &err));
    g_assert_no_error(err);
    g_assert_cmpint(replStagingRemove(pool->fd, &err), ==, 0);
    g_assert_false(fileExists(pool->fd, REPL_STAGING_NAME));
    g_assert_cmpint(mkdirat(pool->fd, REPL_STAGING_NAME, 0700), ==, 0);
    staging = replStagingOpen(pool->fd, TRUE, &err);
    g_assert_no_error(err);
    g_assert_nonnull(staging);
}

static void
testCurrent(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplStaging) staging = NULL;

    g_assert_true(replStagingIsCurrent(pool->staging, pool->fd));
    g_assert_cmpint(renameat(pool->fd, REPL_STAGING_NAME, pool->fd, "moved"), ==, 0);
    g_assert_false(replStagingIsCurrent(pool->staging, pool->fd));
    staging = replStagingOpen(pool->fd, TRUE, NULL);
    g_assert_false(replStagingIsCurrent(pool->staging, pool->fd));
    g_assert_true(replStagingIsCurrent(staging, pool->fd));
}

static void
testRemove(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplImage) image = replImageNew(JOB);

    g_assert_cmpint(replRecordSave(pool->staging, "v", image, NULL), ==, 0);
    fileWrite(pool->fd, "outside", "x", 1);
    g_assert_cmpint(mkdirat(pool->fd, "outdir", 0700), ==, 0);
    fileWrite(pool->fd, "outdir/file", "x", 1);
    g_assert_cmpint(symlinkat("../../outdir", pool->fd, ".replication/partial/link"), ==, 0);
    g_assert_cmpint(symlinkat("../outside", pool->fd, ".replication/link"), ==, 0);
    g_assert_cmpint(mkdirat(pool->fd, ".replication/strange", 0700), ==, 0);
    fileWrite(pool->fd, ".replication/strange/file", "x", 1);
    g_assert_cmpint(replStagingRemove(pool->fd, NULL), ==, 0);
    g_assert_false(fileExists(pool->fd, REPL_STAGING_NAME));
    g_assert_true(fileExists(pool->fd, "outside"));
    g_assert_true(fileExists(pool->fd, "outdir/file"));
}

static int
openPartial(Pool *pool, const char *job, guint index, gboolean expectExisted)
{
    g_autoptr(GError) err = NULL;
    gboolean existed = !expectExisted;
    int fd = replPartialOpen(pool->staging, job, index, &existed, &err);

    g_assert_no_error(err);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(existed, ==, expectExisted);
    return fd;
}

static void
testPartialOpen(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    struct stat st;
    int fd = openPartial(pool, JOB, 0, FALSE);

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_RDWR);
    g_assert_cmpint(replPwriteFull(fd, "abc", 3, 0), ==, 0);

    g_assert_cmpint(replPartialOpen(pool->staging, JOB, 0, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
    close(openPartial(pool, JOB, 1, FALSE)); /* another layer is another file */
    close(fd);
    fd = openPartial(pool, JOB, 0, TRUE);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 3);
    close(fd);
}

static void
testPartialRefused(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replPartialOpen(pool->staging, "../x", 0, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    g_assert_cmpint(replPartialOpen(pool->staging, JOB, REPL_JOB_LAYERS_MAX, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_clear_error(&err);
    fileWrite(pool->fd, "victim", "x", 1);
    g_assert_cmpint(linkat(pool->fd, "victim", pool->fd, ".replication/partial/" JOB ".0", 0), ==, 0);
    g_assert_cmpint(replPartialOpen(pool->staging, JOB, 0, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
    g_clear_error(&err);
    g_assert_cmpint(symlinkat("../../victim", pool->fd, ".replication/partial/" JOB ".1"), ==, 0);
    g_assert_cmpint(replPartialOpen(pool->staging, JOB, 1, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
}

static void
testPublish(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *content = NULL;
    g_auto(ReplFd) fd = openPartial(pool, JOB, 0, FALSE);
    g_auto(ReplFd) placeholder = -1;
    gboolean root = geteuid() == 0;
    struct stat st;

    g_assert_cmpint(replPwriteFull(fd, "data", 4, 0), ==, 0);
    fileWrite(pool->fd, "v", "", 0);
    placeholder = openat(pool->fd, "v", O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fchmod(placeholder, 0644), ==, 0);
    if (root)
        g_assert_cmpint(fchown(placeholder, 64055, 108), ==, 0);
    g_assert_cmpint(replPartialPublish(pool->staging, JOB, 0, pool->fd, "v", &err), ==, 0);
    g_assert_no_error(err);

    content = fileRead(pool->fd, "v", NULL);
    g_assert_cmpstr(content, ==, "data");
    g_assert_cmpint(fstatat(pool->fd, "v", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0644);
    if (root)
        g_assert_true(st.st_uid == 64055 && st.st_gid == 108);
    g_assert_false(fileExists(pool->fd, ".replication/partial/" JOB ".0"));

    g_assert_cmpint(replPartialPublish(pool->staging, JOB, 0, pool->fd, "v", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL);
}

static void
publishRefused(Pool *pool, const char *volume, int code)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replPartialPublish(pool->staging, JOB, 0, pool->fd, volume, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, code);
    g_assert_true(fileExists(pool->fd, ".replication/partial/" JOB ".0"));
}

static void
testPublishRefused(Pool *pool, gconstpointer data)
{
    g_autofree char *content = NULL;
    g_auto(ReplFd) sparse = -1;

    close(openPartial(pool, JOB, 0, FALSE));
    publishRefused(pool, "absent", VIR_ERR_NO_STORAGE_VOL);
    publishRefused(pool, "../x", VIR_ERR_INVALID_ARG);
    publishRefused(pool, REPL_STAGING_NAME, VIR_ERR_INVALID_ARG);
    fileWrite(pool->fd, "full", "somebody's", 10);
    publishRefused(pool, "full", VIR_ERR_OPERATION_INVALID);
    content = fileRead(pool->fd, "full", NULL);
    g_assert_cmpstr(content, ==, "somebody's");
    fileWrite(pool->fd, "sparse", "", 0);
    sparse = openat(pool->fd, "sparse", O_RDWR | O_CLOEXEC);
    g_assert_cmpint(ftruncate(sparse, 1 << 20), ==, 0); /* a disk of zeroes */
    publishRefused(pool, "sparse", VIR_ERR_OPERATION_INVALID);
    g_assert_cmpint(symlinkat("full", pool->fd, "link"), ==, 0);
    publishRefused(pool, "link", VIR_ERR_OPERATION_INVALID);
    g_assert_cmpint(mkdirat(pool->fd, "dir", 0700), ==, 0);
    publishRefused(pool, "dir", VIR_ERR_OPERATION_INVALID);
    g_assert_cmpint(mkfifoat(pool->fd, "fifo", 0600), ==, 0);
    publishRefused(pool, "fifo", VIR_ERR_OPERATION_INVALID);
}

static void
testDrop(Pool *pool, gconstpointer data)
{
    close(openPartial(pool, JOB, 0, FALSE));
    close(openPartial(pool, JOB, 12, FALSE));
    close(openPartial(pool, JOB2, 0, FALSE));
    g_assert_cmpint(replPartialsDrop(pool->staging, JOB, NULL), ==, 0);
    g_assert_false(fileExists(pool->fd, ".replication/partial/" JOB ".0"));
    g_assert_false(fileExists(pool->fd, ".replication/partial/" JOB ".12"));
    g_assert_true(fileExists(pool->fd, ".replication/partial/" JOB2 ".0"));
    g_assert_cmpint(replPartialsDrop(pool->staging, JOB, NULL), ==, 0);
}

static void
testSweep(Pool *pool, gconstpointer data)
{
    int held = openPartial(pool, JOB, 0, FALSE);
    g_autoptr(GPtrArray) jobs = NULL;

    close(openPartial(pool, JOB, 1, FALSE));
    close(openPartial(pool, JOB2, 0, FALSE));
    fileWrite(pool->fd, ".replication/partial/strange", "x", 1);
    jobs = replPartialsJobs(pool->staging);
    g_assert_cmpuint(jobs->len, ==, 2);
    g_assert_cmpint(replPartialsSweep(pool->staging, JOB, NULL), ==, 1);
    g_assert_true(fileExists(pool->fd, ".replication/partial/" JOB ".0")); /* locked */
    g_assert_false(fileExists(pool->fd, ".replication/partial/" JOB ".1"));
    g_assert_true(fileExists(pool->fd, ".replication/partial/" JOB2 ".0"));
    g_assert_true(fileExists(pool->fd, ".replication/partial/strange"));
    close(held);
    g_assert_cmpint(replPartialsSweep(pool->staging, JOB, NULL), ==, 1);
    g_assert_cmpint(replPartialsSweep(pool->staging, JOB2, NULL), ==, 1);
}

static gint sweeping;

static gpointer
sweeper(gpointer staging)
{
    while (g_atomic_int_get(&sweeping))
        (void)replPartialsSweep(staging, JOB, NULL);
    return NULL;
}

/* Who has opened a partial file has the one that the name leads to, however much others sweep. */
static void
testSweepRace(Pool *pool, gconstpointer data)
{
    GThread *thread;
    guint opened = 0;
    guint i;

    g_atomic_int_set(&sweeping, 1);
    thread = g_thread_new("sweeper", sweeper, pool->staging);
    for (i = 0; i < 3000; i++) {
        g_autoptr(GError) err = NULL;
        g_auto(ReplFd) fd = replPartialOpen(pool->staging, JOB, 0, NULL, &err);
        struct stat ours;
        struct stat there;

        if (fd < 0) {
            g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
            continue;
        }
        opened++;
        g_assert_cmpint(fstat(fd, &ours), ==, 0);
        g_assert_cmpint(fstatat(pool->fd, ".replication/partial/" JOB ".0", &there, 0), ==, 0);
        g_assert_cmpuint(ours.st_ino, ==, there.st_ino);
    }
    g_atomic_int_set(&sweeping, 0);
    g_thread_join(thread);
    g_assert_cmpuint(opened, >, 0);
}

#define ADD(name, func) g_test_add("/store/staging/" name, Pool, NULL, poolSetUp, func, poolTearDown)
#define BARE(name, func) g_test_add("/store/staging/" name, Pool, NULL, bareSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    BARE("absent", testAbsent);
    BARE("modes", testModes);
    BARE("link", testLink);
    BARE("not-a-directory", testNotADirectory);
    BARE("writable", testWritable);
    BARE("foreign", testForeign);
    BARE("squashed", testSquashed);
    BARE("read-only", testReadOnly);
    BARE("inner-link", testInnerLink);
    BARE("half-made", testHalfMade);
    ADD("current", testCurrent);
    ADD("remove", testRemove);
    ADD("partial-open", testPartialOpen);
    ADD("partial-refused", testPartialRefused);
    ADD("publish", testPublish);
    ADD("publish-refused", testPublishRefused);
    ADD("drop", testDrop);
    ADD("sweep", testSweep);
    ADD("sweep-race", testSweepRace);
    return g_test_run();
}
