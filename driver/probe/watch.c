/*
 * watch.c: which entries of directories were touched since they were last asked about
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define REPL_WATCH_EVENTS                                                                                    \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |          \
     IN_DELETE_SELF | IN_MOVE_SELF)
#define REPL_WATCH_WHOLE (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

/* Not in every release of the kernel's headers. */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif
#define REPL_ZFS_MAGIC 0x2fc12fc1

struct ReplWatch {
    ReplFd fd; /* -1: the system gives none */
};

ReplWatch *
replWatchNew(void)
{
    ReplWatch *watch = g_new0(ReplWatch, 1);

    if ((watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0)
        replWarn("Pools are looked through at each call, since nothing can be watched: %s",
                 g_strerror(errno));
    return watch;
}

void
replWatchFree(ReplWatch *watch)
{
    if (!watch)
        return;
    replFdClose(watch->fd);
    g_free(watch);
}

/* Only this host writes there. */
static gboolean
replWatchIsLocal(int dirFd)
{
    static const guint32 local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC,
                                    TMPFS_MAGIC,      F2FS_SUPER_MAGIC, REPL_ZFS_MAGIC};
    struct statfs fs;
    guint i;

    if (fstatfs(dirFd, &fs) < 0)
        return FALSE;
    for (i = 0; i < G_N_ELEMENTS(local); i++) {
        if ((guint32)fs.f_type == local[i])
            return TRUE;
    }
    return FALSE;
}

int
replWatchAdd(ReplWatch *watch, int dirFd)
{
    char path[64];

    if (watch->fd < 0 || !replWatchIsLocal(dirFd))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", dirFd);
    return inotify_add_watch(watch->fd, path, REPL_WATCH_EVENTS | IN_ONLYDIR);
}

void
replWatchRemove(ReplWatch *watch, int number)
{
    if (watch->fd >= 0 && number >= 0)
        (void)inotify_rm_watch(watch->fd, number);
}

void
replWatchRead(ReplWatch *watch, void (*touched)(int number, const char *name, void *opaque), void *opaque)
{
    char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t len;

    while (watch->fd >= 0 && ((len = read(watch->fd, buf, sizeof(buf))) > 0 || (len < 0 && errno == EINTR))) {
        const char *at;

        for (at = buf; len > 0 && at < buf + len;) {
            const struct inotify_event *event = (const struct inotify_event *)at;

            at += sizeof(*event) + event->len;
            if (event->mask & IN_Q_OVERFLOW)
                touched(-1, NULL, opaque);
            else if (event->mask & REPL_WATCH_WHOLE)
                touched(event->wd, NULL, opaque);
            else if (event->len > 0)
                touched(event->wd, event->name, opaque);
        }
    }
}
