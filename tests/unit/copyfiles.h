/*
 * copyfiles.h: files for the tests of the copy engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/clone.h"
#include "copy/engine.h"
#include "copy/files.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

/* A run of data in a test file. */
typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
} Run;

/* The byte that test files hold at @offset: never 0, and it differs in neighbouring blocks. */
static inline guint8
byteAt(guint64 offset)
{
    return ((offset ^ (offset >> 9) ^ (offset >> 17)) & 0x7f) | 0x80;
}

static inline void
writePattern(int fd, guint64 offset, guint64 length)
{
    g_autofree guint8 *buf = g_malloc(MIB);

    while (length > 0) {
        gsize n = MIN(length, MIB);

        for (gsize i = 0; i < n; i++)
            buf[i] = byteAt(offset + i);
        g_assert_cmpint(replPwriteFull(fd, buf, n, offset), ==, 0);
        offset += n;
        length -= n;
    }
}

/* A new empty file @name in @dir. */
static inline int
newFile(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* A new file of @size bytes that holds data in @runs and holes elsewhere. */
static inline int
newSparse(const char *dir, const char *name, guint64 size, const Run *runs, gsize nruns)
{
    int fd = newFile(dir, name);

    for (gsize i = 0; i < nruns; i++)
        writePattern(fd, runs[i].offset_bytes, runs[i].length_bytes);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_assert_cmpint(fsync(fd), ==, 0);
    return fd;
}

/* Runs a program and tells whether it succeeded. */
static inline gboolean
runs(const char *first, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *arg;
    va_list ap;
    int status = -1;

    va_start(ap, first);
    for (arg = first; arg; arg = va_arg(ap, const char *))
        g_ptr_array_add(argv, (gpointer)arg);
    va_end(ap);
    g_ptr_array_add(argv, NULL);
    if (!g_spawn_sync(NULL, (char **)argv->pdata, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                      NULL, NULL, NULL, &status, NULL))
        return FALSE;
    return g_spawn_check_wait_status(status, NULL);
}

/* cmp(1) is the judge of equal content. */
static inline void
assertSameContent(const char *dir, const char *a, const char *b)
{
    g_autofree char *first = g_build_filename(dir, a, NULL);
    g_autofree char *second = g_build_filename(dir, b, NULL);

    g_assert_true(runs("cmp", "-s", first, second, NULL));
}

/* Data and holes lie at the same places in both files. To be asked before anybody reads holes: XFS
 * calls preallocated blocks data once they are cached. */
static inline void
assertSameLayout(int a, int b)
{
    off_t pos = 0;
    int whence = SEEK_DATA;

    for (;;) {
        off_t x = lseek(a, pos, whence);
        off_t y = lseek(b, pos, whence);

        g_assert_cmpint(x, ==, y);
        if (x < 0)
            return;
        pos = x;
        whence = whence == SEEK_DATA ? SEEK_HOLE : SEEK_DATA;
    }
}

static inline guint64
allocatedBytes(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return (guint64)st.st_blocks * 512;
}

static inline guint64
sizeOf(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return st.st_size;
}

static inline void
removeDir(char *dir)
{
    if (dir) {
        g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
        const char *name;

        while (list && (name = g_dir_read_name(list))) {
            g_autofree char *path = g_build_filename(dir, name, NULL);

            g_unlink(path);
        }
        g_rmdir(dir);
        g_free(dir);
    }
}

/* A directory that goes away with what it holds. */
typedef char TestDir;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestDir, removeDir)

static inline TestDir *
newDir(void)
{
    TestDir *dir = g_dir_make_tmp("repl-copy-XXXXXX", NULL);

    g_assert_nonnull(dir);
    return dir;
}

/* How many entries a directory of /proc/self has: "fd" or "task". */
static inline guint
countSelf(const char *what)
{
    g_autofree char *path = g_build_filename("/proc/self", what, NULL);
    g_autoptr(GDir) list = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(list))
        n++;
    return n;
}

/* How a test copies from file to file. */
typedef struct {
    guint workers;
    guint64 block_bytes;
    gboolean noSeek;
    gboolean noDirect;
    gboolean noReserve;
} TestTune;

static inline int
copyTuned(int src, int dst, const ReplCopyJob *job, const TestTune *tune, GError **err)
{
    const ReplFileTune files = {tune->noSeek, tune->noDirect, tune->noReserve};
    const ReplCopyTune engine = {tune->workers, tune->block_bytes};
    g_autoptr(ReplReader) reader = replFileReaderNew(src, &files, err);
    g_autoptr(ReplWriter) writer = reader ? replFileWriterNew(dst, &files, err) : NULL;

    return writer ? replCopyRunTuned(reader, writer, job, &engine, err) : -1;
}

/* As a job copies. */
static inline int
copyFiles(int src, int dst, const ReplCopyJob *job, GError **err)
{
    g_autoptr(ReplReader) reader = replFileReaderNew(src, NULL, err);
    g_autoptr(ReplWriter) writer = reader ? replFileWriterNew(dst, NULL, err) : NULL;

    return writer ? replCopyRun(reader, writer, job, err) : -1;
}

/* Small blocks, so that little data makes many pieces. */
#define TUNE_SMALL .workers = 4, .block_bytes = 64 * KIB
