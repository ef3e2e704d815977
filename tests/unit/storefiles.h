/*
 * storefiles.h: a scratch pool directory and a look at the log, for the tests of store/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/staging.h"
#include "store/text.h"

typedef struct {
    char *path;
    int fd;
    ReplStaging *staging; /* made by poolSetUp */
} Pool;

static gint logWarnings;
static char *logLast;
static ReplLock logLock = REPL_LOCK_INIT;

static inline void
logSink(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    if (level < REPL_LOG_WARN)
        return;
    replLockTake(&logLock);
    logWarnings++;
    g_free(logLast);
    logLast = g_strdup(message);
    replLockDrop(&logLock);
}

static inline void
logReset(void)
{
    replLockTake(&logLock);
    logWarnings = 0;
    g_clear_pointer(&logLast, g_free);
    replLockDrop(&logLock);
}

static inline int
poolRemoveOne(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void
poolMake(Pool *pool)
{
    g_autoptr(GError) err = NULL;

    pool->path = g_dir_make_tmp("repl-store-XXXXXX", &err);
    g_assert_no_error(err);
    pool->fd = open(pool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(pool->fd, >=, 0);
    pool->staging = NULL;
    logReset();
}

static inline void
poolSetUp(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;

    poolMake(pool);
    pool->staging = replStagingOpen(pool->fd, TRUE, &err);
    g_assert_no_error(err);
    g_assert_nonnull(pool->staging);
}

static inline void
poolTearDown(Pool *pool, gconstpointer data)
{
    replStagingUnref(pool->staging);
    close(pool->fd);
    g_assert_cmpint(nftw(pool->path, poolRemoveOne, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    g_free(pool->path);
    logReset();
}

static inline void
fileWrite(int dirFd, const char *name, const void *data, gsize len)
{
    g_auto(ReplFd) fd = openat(dirFd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(replPwriteFull(fd, data, len, 0), ==, 0);
}

static inline char *
fileRead(int dirFd, const char *name, gsize *len)
{
    g_autoptr(GError) err = NULL;
    char *data = replReadLimited(dirFd, name, 16 << 20, len, &err);

    g_assert_no_error(err);
    return data;
}

static inline gboolean
fileExists(int dirFd, const char *name)
{
    return faccessat(dirFd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A valid text, but for what @change did to its keys; @version > 0 replaces the version. */
static inline void
textChange(int dirFd, const char *name, const char *kind,
           void (*change)(GKeyFile *keys, gconstpointer opaque), gconstpointer opaque, int version)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GKeyFile) keys = NULL;
    g_autofree char *data = NULL;
    g_autofree char *sealed = NULL;
    gsize len;

    data = fileRead(dirFd, name, &len);
    keys = replTextUnseal(data, len, kind, &err);
    g_assert_no_error(err);
    if (change)
        change(keys, opaque);
    if (version > 0) {
        g_autofree char *sum = NULL;
        g_autofree char *body = NULL;

        g_key_file_set_integer(keys, "record", "version", version);
        body = g_key_file_to_data(keys, NULL, NULL);
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);
        sealed = g_strdup_printf("%s# sha256 %s\n", body, sum);
        len = strlen(sealed);
    } else {
        sealed = replTextSeal(keys, kind, 16 << 20, &len, &err);
        g_assert_no_error(err);
    }
    fileWrite(dirFd, name, sealed, len);
}

/* Makes @name look @age_s older than now. */
static inline void
fileAge(int dirFd, const char *name, gint64 age_s)
{
    struct timespec times[2] = {{.tv_sec = g_get_real_time() / G_USEC_PER_SEC - age_s}};

    times[1] = times[0];
    g_assert_cmpint(utimensat(dirFd, name, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}
