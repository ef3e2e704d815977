/*
 * files.c: small helpers over directories and files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static gint64
replNsOf(const struct timespec *t)
{
    return (gint64)t->tv_sec * 1000000000 + t->tv_nsec;
}

void
replIdentityOfStat(const struct stat *st, ReplFileIdentity *identity)
{
    identity->dev = st->st_dev;
    identity->ino = st->st_ino;
    identity->size_bytes = st->st_size;
    identity->mtime_ns = replNsOf(&st->st_mtim);
    identity->ctime_ns = replNsOf(&st->st_ctim);
}

static gint64
replNsOfStatx(const struct statx_timestamp *time)
{
    return time->tv_sec * G_GINT64_CONSTANT(1000000000) + time->tv_nsec;
}

int
replFileLook(int dirFd, const char *name, ReplFileLook *look)
{
    struct statx st;

    if (statx(dirFd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -1;
    look->identity.dev = makedev(st.stx_dev_major, st.stx_dev_minor);
    look->identity.ino = st.stx_ino;
    look->identity.size_bytes = st.stx_size;
    look->identity.mtime_ns = replNsOfStatx(&st.stx_mtime);
    look->identity.ctime_ns = replNsOfStatx(&st.stx_ctime);
    look->born_ns = st.stx_mask & STATX_BTIME ? replNsOfStatx(&st.stx_btime) : 0;
    look->isRegular = S_ISREG(st.stx_mode);
    return 0;
}

static int
replNameCompare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
replDirRead(DIR *dir, gboolean (*wanted)(const char *name), GPtrArray *names)
{
    struct dirent *entry;

    while (errno = 0, (entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (!strcmp(name, ".") || !strcmp(name, "..") || (wanted && !wanted(name)))
            continue;
        if (names->len == REPL_DIR_ENTRIES_MAX) {
            errno = E2BIG;
            return -1;
        }
        g_ptr_array_add(names, g_strdup(name));
    }
    return errno ? -1 : 0;
}

GPtrArray *
replDirList(int dirFd, gboolean (*wanted)(const char *name), GError **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(ReplFd) fd = openat(dirFd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int ret;

    if (!dir) {
        replErrorSetSystem(err, errno, _("Cannot open a directory of a storage pool"));
        return NULL;
    }
    (void)replFdSteal(&fd);
    if ((ret = replDirRead(dir, wanted, names)) < 0)
        replErrorSetSystem(err, errno, _("Cannot read a directory of a storage pool"));
    closedir(dir);
    if (ret < 0)
        return NULL;
    g_ptr_array_sort(names, replNameCompare);
    return g_steal_pointer(&names);
}

int
replFileLock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int ret;

    do {
        ret = fcntl(fd, F_OFD_SETLK, &lock);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0)
        return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

gboolean
replFileLockUnsupported(int errnum)
{
    return errnum == ENOLCK || errnum == ENOSYS || errnum == EOPNOTSUPP || errnum == EINVAL;
}

gboolean
replFileIsLocal(int fd)
{
    /* ext2-4, xfs, btrfs, tmpfs, f2fs, zfs, overlayfs: statfs(2), linux/magic.h */
    static const guint32 local[] = {0xef53,     0x58465342, 0x9123683e, 0x01021994,
                                    0xf2f52010, 0x2fc12fc1, 0x794c7630};
    struct statfs fs;
    guint i;

    for (i = 0; fstatfs(fd, &fs) == 0 && i < G_N_ELEMENTS(local); i++) {
        if ((guint32)fs.f_type == local[i])
            return TRUE;
    }
    return FALSE;
}
