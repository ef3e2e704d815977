/*
 * fd.h: descriptors and durable files
 *
 * Every descriptor is close-on-exec and held in a g_auto(ReplFd).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef int ReplFd;

/* Closes @fd unless it is -1; keeps errno. */
void
replFdClose(ReplFd fd);

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(ReplFd, replFdClose, -1)

/* Gives up ownership: returns *fd and leaves -1 behind. */
static inline int
replFdSteal(ReplFd *fd)
{
    int ret = *fd;

    *fd = -1;
    return ret;
}

/* Reads up to @len bytes at @offset; fewer only at the end of the file. Returns the count, or -1
 * with errno set. EINTR is handled. */
ssize_t
replPreadFull(int fd, void *buf, size_t len, uint64_t offset);

/* Writes all of @buf. Returns 0, or -1 with errno set. */
int
replPwriteFull(int fd, const void *buf, size_t len, uint64_t offset);

/* Puts @data durably behind @name in @dirfd: written to "@name.XXXX.new" (mode 0600, XXXX at
 * random), synced, renamed, and the directory synced. Never follows a symbolic link. What a crash
 * leaves behind ends in ".new" and is worthless. Returns 0 or -1 with @err set. */
int
replWriteDurable(int dirfd, const char *name, const char *data, size_t len, GError **err);

/* Reads a regular file of at most @max bytes, opened without following links. Returns NUL-terminated
 * bytes and their count in @len (may be NULL), or NULL with @err set. VIR_ERR_NO_STORAGE_VOL when
 * it does not exist. */
char *
replReadLimited(int dirfd, const char *name, size_t max, size_t *len, GError **err);

/* When the file that @name is in @dirfd ("": @dirfd itself) was made, in nanoseconds; 0: its file system does not say, or it
 * cannot be looked at. Links are not followed. A number of an inode is given anew once its file has gone; together with
 * this it is given once. */
gint64
replFileBorn_ns(int dirfd, const char *name);

/* Whether @name can be one directory entry of ours or of a pool: not empty, ".", "..", without '/',
 * control characters, at most 255 bytes and valid UTF-8. */
gboolean
replIsEntryName(const char *name);
