/*
 * imagelock.c: QEMU's image locks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/imagelock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/files.h"

#define REPL_LOCK_DOES 100
#define REPL_LOCK_FORBIDS 200

/* QEMU's permissions, numbered as there. */
enum {
    REPL_PERM_CONSISTENT_READ = 1 << 0,
    REPL_PERM_WRITE = 1 << 1,
    REPL_PERM_WRITE_UNCHANGED = 1 << 2,
    REPL_PERM_RESIZE = 1 << 3,
};

#define REPL_PERM_COUNT 4
#define REPL_PERM_ALL ((1 << REPL_PERM_COUNT) - 1)

static int
replByteLock(int fd, int cmd, short type, off_t byte, struct flock *lock)
{
    int ret;

    do {
        *lock = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        ret = fcntl(fd, cmd, lock);
    } while (ret < 0 && errno == EINTR);
    return ret;
}

static int
replBytesMark(int fd, off_t base, unsigned perms)
{
    struct flock lock;
    int i;

    for (i = 0; i < REPL_PERM_COUNT; i++) {
        if ((perms & (1u << i)) && replByteLock(fd, F_OFD_SETLK, F_RDLCK, base + i, &lock) < 0)
            return -1;
    }
    return 0;
}

/* The permissions of @perms that others have marked at @base, or -1 with errno set. */
static int
replBytesOthers(int fd, off_t base, unsigned perms)
{
    struct flock lock;
    int found = 0;
    int i;

    for (i = 0; i < REPL_PERM_COUNT; i++) {
        if (!(perms & (1u << i)))
            continue;
        /* "Could I have it for myself?" Locks of our own open file do not count. */
        if (replByteLock(fd, F_OFD_GETLK, F_WRLCK, base + i, &lock) < 0)
            return -1;
        if (lock.l_type != F_UNLCK)
            found |= 1 << i;
    }
    return found;
}

void
replImageUnlock(int fd)
{
    struct flock lock = {.l_type = F_UNLCK,
                         .l_whence = SEEK_SET,
                         .l_start = REPL_LOCK_DOES,
                         .l_len = REPL_LOCK_FORBIDS + REPL_PERM_COUNT - REPL_LOCK_DOES};

    while (fcntl(fd, F_OFD_SETLK, &lock) < 0 && errno == EINTR)
        ;
}

static int
replImageLockFailed(const char *what, int errnum, GError **err)
{
    if (replFileLockUnsupported(errnum)) {
        replWarn(_("Volume '%s' is on a file system without locks: a process that opens it is not "
                   "noticed"),
                 what);
        return 0;
    }
    if (errnum == EAGAIN || errnum == EACCES) {
        /* QEMU does not lock these bytes exclusively. */
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("volume '%s' is locked by another process"), what);
        return -1;
    }
    replErrorSetSystem(err, errnum, _("Cannot lock volume '%s'"), what);
    return -1;
}

static int
replImageLockRefuse(const char *what, unsigned does, unsigned forbids, GError **err)
{
    if (does & (REPL_PERM_WRITE | REPL_PERM_RESIZE))
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("volume '%s' is open for writing by another process"),
                     what);
    else if (forbids & REPL_PERM_CONSISTENT_READ)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("volume '%s' is locked by another process that lets nobody read it"), what);
    else
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("volume '%s' is open in another process"), what);
    return -1;
}

static int
replImageLock(int fd, const char *what, unsigned does, unsigned forbids, GError **err)
{
    int othersDo;
    int othersForbid;

    if (replBytesMark(fd, REPL_LOCK_DOES, does) < 0 || replBytesMark(fd, REPL_LOCK_FORBIDS, forbids) < 0 ||
        (othersDo = replBytesOthers(fd, REPL_LOCK_DOES, forbids)) < 0 ||
        (othersForbid = replBytesOthers(fd, REPL_LOCK_FORBIDS, does)) < 0) {
        int saved = errno;

        replImageUnlock(fd);
        return replImageLockFailed(what, saved, err);
    }
    if (!othersDo && !othersForbid)
        return 0;
    replImageUnlock(fd);
    return replImageLockRefuse(what, othersDo, othersForbid, err);
}

int
replImageLockRead(int fd, const char *what, GError **err)
{
    return replImageLock(fd, what, REPL_PERM_CONSISTENT_READ, REPL_PERM_WRITE | REPL_PERM_RESIZE, err);
}

int
replImageLockWrite(int fd, const char *what, GError **err)
{
    return replImageLock(fd, what, REPL_PERM_ALL, REPL_PERM_ALL, err);
}
