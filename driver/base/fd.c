/*
 * fd.c: descriptors and durable files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

void
replFdClose(ReplFd fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
}

ssize_t
replPreadFull(int fd, void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)buf + done, len - done, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += n;
    }
    return done;
}

int
replPwriteFull(int fd, const void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)buf + done, len - done, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += n;
    }
    return 0;
}

/* Makes a file beside @name under a name of its own: two writers at once, perhaps on two hosts,
 * must never rename each other's half. Returns its descriptor and name, or -1 with errno set. */
static int
replOpenAside(int dirfd, const char *name, char **aside)
{
    int tries = 16;
    int fd;

    do {
        g_free(*aside);
        *aside = g_strdup_printf("%s.%08x%08x.new", name, g_random_int(), g_random_int());
        fd = openat(dirfd, *aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EEXIST && --tries > 0);
    return fd;
}

int
replWriteDurable(int dirfd, const char *name, const char *data, size_t len, GError **err)
{
    g_autofree char *aside = NULL;
    g_auto(ReplFd) fd = replOpenAside(dirfd, name, &aside);

    if (fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot create '%s'"), aside);
        return -1;
    }
    if (replPwriteFull(fd, data, len, 0) < 0 || fsync(fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot write '%s'"), aside);
        unlinkat(dirfd, aside, 0);
        return -1;
    }
    if (renameat(dirfd, aside, dirfd, name) < 0 || fsync(dirfd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot put '%s' in place"), name);
        unlinkat(dirfd, aside, 0);
        return -1;
    }
    return 0;
}

char *
replReadLimited(int dirfd, const char *name, size_t max, size_t *len, GError **err)
{
    g_auto(ReplFd) fd = -1;
    g_autofree char *buf = NULL;
    struct stat st;
    ssize_t n;

    fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("There is no file '%s'"), name);
        return NULL;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot open '%s'"), name);
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("'%s' is not a regular file of at most %zu bytes"),
                     name, max);
        return NULL;
    }
    buf = g_malloc(st.st_size + 1);
    if ((n = replPreadFull(fd, buf, st.st_size, 0)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read '%s'"), name);
        return NULL;
    }
    buf[n] = '\0';
    if (len)
        *len = n;
    return g_steal_pointer(&buf);
}

gboolean
replIsEntryName(const char *name)
{
    const char *p;

    if (!name || !*name || strlen(name) > 255 || !strcmp(name, ".") || !strcmp(name, ".."))
        return FALSE;
    for (p = name; *p; p++) {
        if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
            return FALSE;
    }
    return g_utf8_validate(name, -1, NULL);
}

gint64
replFileBorn_ns(int dirfd, const char *name)
{
    struct statx stx;

    if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stx) < 0 ||
        !(stx.stx_mask & STATX_BTIME))
        return 0;
    return stx.stx_btime.tv_sec * G_GINT64_CONSTANT(1000000000) + stx.stx_btime.tv_nsec;
}
