/*
 * test_copyfs.c: the copy engine on file systems of its own: full ones, tmpfs, XFS
 *
 * They are mounted in a private mount namespace, so these tests need root and are skipped without.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "copyfiles.h"

static const TestTune tune = {TUNE_SMALL};
static gboolean isPrivate; /* we have a mount namespace of our own */

/* A directory "m" in a test directory with a file system mounted on it. */
typedef struct {
    TestDir *dir;
    char *path;
} Mounted;

static void
mountedClear(Mounted *m)
{
    if (m->path) {
        umount2(m->path, MNT_DETACH);
        g_rmdir(m->path);
    }
    g_clear_pointer(&m->path, g_free);
    g_clear_pointer(&m->dir, removeDir);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Mounted, mountedClear)

static gboolean
mountTmpfs(Mounted *m, const char *options)
{
    if (!isPrivate)
        return FALSE;
    m->dir = newDir();
    m->path = g_build_filename(m->dir, "m", NULL);
    return g_mkdir(m->path, 0700) == 0 && mount("tmpfs", m->path, "tmpfs", 0, options) == 0;
}

/* @mkfs, with @option when it is not NULL, makes it on a file of @size bytes. */
static gboolean
mountLoop(Mounted *m, guint64 size, const char *mkfs, const char *option)
{
    g_autofree char *image = NULL;
    g_auto(ReplFd) fd = -1;

    if (!isPrivate)
        return FALSE;
    m->dir = newDir();
    m->path = g_build_filename(m->dir, "m", NULL);
    image = g_build_filename(m->dir, "image", NULL);
    fd = newFile(m->dir, "image");
    return ftruncate(fd, size) == 0 && g_mkdir(m->path, 0700) == 0 && runs(mkfs, "-q", image, option, NULL) &&
           runs("mount", "-o", "loop", image, m->path, NULL);
}

/* A copy that does not fit ends at once, says why, and leaves nobody behind. */
static void
assertNoSpace(const char *full, const TestTune *how)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    Run all = {0, 48 * MIB};
    g_auto(ReplFd) src = newSparse(dir, "src", 48 * MIB, &all, 1);
    g_auto(ReplFd) dst = newFile(full, "dst");
    ReplCopyJob job = {.size_bytes = 48 * MIB};
    guint threads = countSelf("task");
    guint fds = countSelf("fd");

    g_assert_cmpint(copyTuned(src, dst, &job, how, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
    g_assert_nonnull(strstr(err->message, "no space for the copy"));
    g_assert_nonnull(strstr(err->message, g_strerror(ENOSPC)));
    g_assert_cmpuint(countSelf("task"), ==, threads);
    g_assert_cmpuint(countSelf("fd"), ==, fds);
}

static void
testNoSpaceTmpfs(void)
{
    TestTune plain = {TUNE_SMALL, .noReserve = TRUE};
    g_auto(Mounted) m = {NULL, NULL};

    if (!mountTmpfs(&m, "size=8m")) {
        g_test_skip("cannot mount a tmpfs: root is needed");
        return;
    }
    assertNoSpace(m.path, &tune);
    assertNoSpace(m.path, &plain);
}

static void
testNoSpaceExt4(void)
{
    static const TestTune hows[] = {
        {TUNE_SMALL},
        {TUNE_SMALL, .noReserve = TRUE},
        {TUNE_SMALL, .noReserve = TRUE, .noDirect = TRUE},
        {.workers = 4, .block_bytes = 8 * MIB, .noReserve = TRUE},
    };
    g_auto(Mounted) m = {NULL, NULL};

    if (!mountLoop(&m, 32 * MIB, "mkfs.ext4", NULL)) {
        g_test_skip("cannot mount an ext4 on a loop device: root and mkfs.ext4 are needed");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(hows); i++)
        assertNoSpace(m.path, &hows[i]);
}

static const Run holey[] = {{64 * KIB, 4 * KIB}, {256 * KIB, 3 * MIB}, {6 * MIB, 128 * KIB + 77}};

static void
copyOn(const char *srcdir, const char *dstdir)
{
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) src = newSparse(srcdir, "src", 9 * MIB + 1, holey, G_N_ELEMENTS(holey));
    g_auto(ReplFd) dst = newFile(dstdir, "dst");
    g_autofree char *from = g_build_filename(srcdir, "src", NULL);
    g_autofree char *to = g_build_filename(dstdir, "dst", NULL);
    ReplCopyJob job = {.size_bytes = 9 * MIB + 1};

    g_assert_cmpint(copyFiles(src, dst, &job, &err), ==, 0);
    g_assert_no_error(err);
    assertSameLayout(src, dst);
    g_assert_true(runs("cmp", "-s", from, to, NULL));
}

static void
testTmpfs(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_auto(Mounted) m = {NULL, NULL};

    if (!mountTmpfs(&m, "size=64m")) {
        g_test_skip("cannot mount a tmpfs: root is needed");
        return;
    }
    copyOn(m.path, m.path);
    copyOn(dir, m.path);
    copyOn(m.path, dir);
}

/* XFS with sectors of 4 KiB and an odd place for the end of the file. */
static void
testXfs(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_auto(Mounted) m = {NULL, NULL};

    if (!mountLoop(&m, 320 * MIB, "mkfs.xfs", NULL)) {
        g_test_skip("cannot mount an XFS on a loop device: root and mkfs.xfs are needed");
        return;
    }
    copyOn(m.path, m.path);
    copyOn(dir, m.path);
    copyOn(m.path, dir);
}

static void
testClone(void)
{
    g_autoptr(GError) err = NULL;
    g_auto(Mounted) m = {NULL, NULL};
    g_auto(ReplFd) top = -1;
    g_auto(ReplFd) src = -1;
    g_auto(ReplFd) dst = -1;
    Run all = {0, 64 * MIB};
    struct statfs before;
    struct statfs after;

    if (!mountLoop(&m, 320 * MIB, "mkfs.xfs", NULL)) {
        g_test_skip("cannot mount an XFS on a loop device: root and mkfs.xfs are needed");
        return;
    }
    top = open(m.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(replCopyCanClone(top, top));
    src = newSparse(m.path, "src", 64 * MIB + 13, &all, 1);
    dst = newFile(m.path, "dst");
    g_assert_cmpint(fstatfs(top, &before), ==, 0);
    g_assert_cmpint(replCopyClone(src, dst, &err), ==, 1);
    g_assert_no_error(err);
    g_assert_cmpint(fstatfs(top, &after), ==, 0);
    assertSameContent(m.path, "src", "dst");
    g_assert_cmpuint((before.f_bfree - after.f_bfree) * before.f_bsize, <, MIB);
}

/* Where files cannot share blocks, nothing happens and nothing is left behind. */
static void
testNoClone(void)
{
    g_autoptr(TestDir) dir = newDir();
    g_autoptr(GError) err = NULL;
    g_auto(Mounted) m = {NULL, NULL};
    g_auto(ReplFd) here = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_auto(ReplFd) there = -1;
    g_auto(ReplFd) src = newSparse(dir, "src", 9 * MIB, holey, 1);
    g_auto(ReplFd) dst = -1;

    if (!mountTmpfs(&m, "size=8m")) {
        g_test_skip("cannot mount a tmpfs: root is needed");
        return;
    }
    there = open(m.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dst = newFile(m.path, "dst");
    g_assert_false(replCopyCanClone(here, there));
    g_assert_false(replCopyCanClone(there, there));
    g_assert_false(replCopyCanClone(-1, there));
    g_assert_cmpint(replCopyClone(src, dst, &err), ==, 0);
    g_assert_no_error(err);
    g_assert_cmpuint(sizeOf(dst), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    isPrivate = unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
    g_test_add_func("/copy/no-space/tmpfs", testNoSpaceTmpfs);
    g_test_add_func("/copy/no-space/ext4", testNoSpaceExt4);
    g_test_add_func("/copy/tmpfs", testTmpfs);
    g_test_add_func("/copy/xfs", testXfs);
    g_test_add_func("/copy/clone", testClone);
    g_test_add_func("/copy/no-clone", testNoClone);
    return g_test_run();
}
