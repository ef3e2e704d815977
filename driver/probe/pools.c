/*
 * pools.c: the directories that volumes live in, each held open
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/pools.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "store/files.h"

static void
replPoolDirClear(gpointer opaque)
{
    ReplPoolDir *pool = opaque;

    g_free(pool->uuid);
    g_free(pool->name);
    g_free(pool->path);
    replFdClose(pool->dirFd);
    replLabelFree(pool->label);
}

ReplPoolDir *
replPoolDirNew(const char *uuid, const char *name, const char *path, const ReplLabel *label, GError **err)
{
    g_auto(ReplFd) fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    ReplPoolDir *pool;
    struct stat st;

    if (fd < 0 && errno == ENOENT) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("The directory '%s' of storage pool '%s' does not exist"), path, name);
        return NULL;
    }
    if (fd < 0 && errno == ENOTDIR) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The target '%s' of storage pool '%s' is not a directory"), path, name);
        return NULL;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the directory '%s' of storage pool '%s'"), path, name);
        return NULL;
    }
    pool = g_atomic_rc_box_new0(ReplPoolDir);
    pool->uuid = g_strdup(uuid);
    pool->name = g_strdup(name);
    pool->path = g_strdup(path);
    pool->dirFd = replFdSteal(&fd);
    pool->dev = st.st_dev;
    pool->ino = st.st_ino;
    pool->label = label ? replLabelCopy(label) : NULL;
    return pool;
}

ReplPoolDir *
replPoolDirElsewhere(const char *uuid, const char *name)
{
    ReplPoolDir *pool = g_atomic_rc_box_new0(ReplPoolDir);

    pool->uuid = g_strdup(uuid);
    pool->name = g_strdup(name);
    pool->path = g_strdup("");
    pool->dirFd = -1;
    return pool;
}

ReplPoolDir *
replPoolDirRef(const ReplPoolDir *pool)
{
    return g_atomic_rc_box_acquire((ReplPoolDir *)pool);
}

void
replPoolDirUnref(ReplPoolDir *pool)
{
    if (pool)
        g_atomic_rc_box_release_full(pool, replPoolDirClear);
}

gboolean
replPoolDirSameRegion(const ReplPoolDir *a, const ReplPoolDir *b)
{
    return a->label && b->label && g_str_equal(a->label->name, b->label->name);
}

gboolean
replPoolDirSameProject(const ReplPoolDir *a, const ReplPoolDir *b)
{
    return a->label && b->label && g_str_equal(a->label->project, b->label->project);
}

gboolean
replIsVolumeName(const char *name)
{
    return replIsEntryName(name) && !g_str_equal(name, REPL_STAGING_NAME);
}

char **
replPoolDirTaken(const ReplPoolDir *pool, GError **err)
{
    GPtrArray *names = replDirList(pool->dirFd, NULL, err);

    if (!names)
        return NULL;
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

int
replPoolDirFree(const ReplPoolDir *pool, guint64 *free_bytes, GError **err)
{
    struct statvfs fs;

    if (fstatvfs(pool->dirFd, &fs) < 0) {
        replErrorSetSystem(err, errno, _("Cannot tell the free space of storage pool '%s'"), pool->name);
        return -1;
    }
    if (!g_uint64_checked_mul(free_bytes, fs.f_bavail, fs.f_frsize))
        *free_bytes = G_MAXUINT64;
    return 0;
}

/* What @name is when it is no regular file, as a whole sentence. */
static void
replPoolDirRefuseEntry(const ReplPoolDir *pool, const char *name, mode_t mode, GError **err)
{
    if (S_ISLNK(mode))
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' is a symbolic link, which is not followed"), name,
                     pool->name);
    else
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' is not a regular file"), name, pool->name);
}

int
replPoolDirOpen(const ReplPoolDir *pool, const char *name, GError **err)
{
    g_auto(ReplFd) fd = -1;
    struct stat st;

    if (!replIsVolumeName(name)) {
        g_autofree char *shown = replPrintable(name);

        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' cannot be the name of a volume"), shown);
        return -1;
    }
    /* Looked at before it is opened, since opening a device can do things by itself. */
    if (fstatat(pool->dirFd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && !S_ISREG(st.st_mode)) {
        replPoolDirRefuseEntry(pool, name, st.st_mode, err);
        return -1;
    }
    fd = openat(pool->dirFd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("There is no volume '%s' in storage pool '%s'"), name,
                     pool->name);
        return -1;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot open volume '%s' of storage pool '%s'"), name, pool->name);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        replPoolDirRefuseEntry(pool, name, st.st_mode, err);
        return -1;
    }
    return replFdSteal(&fd);
}

ReplPoolSet *
replPoolSetNew(void)
{
    ReplPoolSet *set = g_new0(ReplPoolSet, 1);

    set->pools = g_ptr_array_new_with_free_func((GDestroyNotify)replPoolDirUnref);
    return set;
}

void
replPoolSetFree(ReplPoolSet *set)
{
    if (!set)
        return;
    g_ptr_array_unref(set->pools);
    g_free(set);
}

void
replPoolSetAdd(ReplPoolSet *set, ReplPoolDir *pool)
{
    g_ptr_array_add(set->pools, pool);
}

const ReplPoolDir *
replPoolSetFindUuid(const ReplPoolSet *set, const char *uuid)
{
    guint i;

    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(set->pools, i);

        if (g_str_equal(pool->uuid, uuid))
            return pool;
    }
    return NULL;
}

const ReplPoolDir *
replPoolSetFindDir(const ReplPoolSet *set, const ReplPoolDir *preferred, guint64 dev, guint64 ino)
{
    const ReplPoolDir *any = NULL;
    const ReplPoolDir *same = NULL;
    guint i;

    if (preferred && preferred->dev == dev && preferred->ino == ino)
        return preferred;
    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(set->pools, i);

        if (pool->dev != dev || pool->ino != ino)
            continue;
        any = any ? any : pool;
        if (!same && preferred && replPoolDirSameRegion(pool, preferred))
            same = pool;
    }
    return same ? same : any;
}
