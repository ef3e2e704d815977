/*
 * staging.c: the staging folder of a region pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lock.h"
#include "model/label.h"
#include "store/files.h"
#include "store/jobrecord.h"
#include "store/stagingpriv.h"

/* Deeper than anything of ours, so that a strange folder cannot exhaust the stack. */
#define REPL_STAGING_DEPTH_MAX 8

/* An aside file that is as old on shared storage has no writer any more. */
#define REPL_STAGING_STALE_s 60

/* Stamps of files may be that much behind the clock. */
#define REPL_STAGING_COARSE_us 20000

static const char *const replStagingNames[REPL_STAGING_FOLDERS] = {
    [REPL_STAGING_TOP] = REPL_STAGING_NAME,
    [REPL_STAGING_IMAGES] = "images",
    [REPL_STAGING_JOBS] = "jobs",
    [REPL_STAGING_PARTIAL] = "partial",
};

/* Whether files that we make in @dirFd get @uid as their owner: so a squashed root looks. */
static gboolean
replStagingWeAre(int dirFd, uid_t uid)
{
    g_autofree char *probe = g_strdup_printf("owner.%08x%08x.new", g_random_int(), g_random_int());
    g_auto(ReplFd) fd = openat(dirFd, probe, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;
    gboolean same;

    if (fd < 0)
        return FALSE;
    same = fstat(fd, &st) == 0 && st.st_uid == uid;
    (void)unlinkat(dirFd, probe, 0);
    return same;
}

static int
replStagingCheckOwner(int fd, const char *name, GError **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the staging folder '%s'"), name);
        return -1;
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The staging folder '%s' has mode %04o: other users could write to it"), name,
                     (unsigned)(st.st_mode & 07777));
        return -1;
    }
    if (st.st_uid != geteuid() && !replStagingWeAre(fd, st.st_uid)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The staging folder '%s' belongs to user %u instead of %u"), name, (unsigned)st.st_uid,
                     (unsigned)geteuid());
        return -1;
    }
    return 0;
}

/* Opens directory @name of @parent. 1 with *fd set, 0 when it is not there and cannot or shall not
 * be made, -1 with @err set. */
static int
replStagingOpenDir(int parent, const char *name, gboolean create, ReplFd *fd, GError **err)
{
    int made = create ? mkdirat(parent, name, 0700) : 0;
    int why = made < 0 ? errno : 0;

    /* On a read-only file system one that is there will do. */
    *fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 && why && why != EEXIST) {
        replErrorSetSystem(err, why, _("Cannot make the staging folder '%s'"), name);
        return -1;
    }
    if (*fd < 0 && errno == ENOENT && !create)
        return 0;
    if (*fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The staging folder '%s' is a symbolic link or not a directory"), name);
        return -1;
    }
    if (*fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the staging folder '%s'"), name);
        return -1;
    }
    return replStagingCheckOwner(*fd, name, err) < 0 ? -1 : 1;
}

static int
replStagingOpenFolders(ReplStaging *staging, int poolDirFd, gboolean create, GError **err)
{
    ReplFd *fds = staging->fds;
    int there = replStagingOpenDir(poolDirFd, REPL_STAGING_NAME, create, &fds[0], err);
    int i;

    if (there <= 0)
        return there;
    for (i = REPL_STAGING_IMAGES; i < REPL_STAGING_FOLDERS; i++) {
        there = replStagingOpenDir(fds[0], replStagingNames[i], create, &fds[i], err);
        /* Made in this order: one missing means that a crash came before the first record. */
        if (there <= 0)
            return there;
    }
    if (create && (fsync(fds[0]) < 0 || fsync(poolDirFd) < 0)) {
        replErrorSetSystem(err, errno, _("Cannot sync the staging folder '%s'"), REPL_STAGING_NAME);
        return -1;
    }
    return 1;
}

/* On storage that only this host writes to, a file older than this process has no writer any more. Stamps of files are coarse. */
static gint64 replStagingBegan_us; /* set once */

static void
replStagingNoteBegin(void)
{
    replStagingBegan_us = g_get_real_time() - REPL_STAGING_COARSE_us;
}

static gint64
replStagingOldest(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    gint64 shared_us = g_get_real_time() - REPL_STAGING_STALE_s * G_USEC_PER_SEC;

    pthread_once(&once, replStagingNoteBegin);
    return replFileIsLocal(fd) ? MAX(replStagingBegan_us, shared_us) : shared_us;
}

ReplStaging *
replStagingOpen(int poolDirFd, gboolean create, GError **err)
{
    g_autoptr(ReplStaging) staging = g_new0(ReplStaging, 1);
    int i;

    g_atomic_ref_count_init(&staging->refs);
    replLockInit(&staging->updateLock);
    replLockInit(&staging->leaseLock);
    for (i = 0; i < REPL_STAGING_FOLDERS; i++)
        staging->fds[i] = -1;
    replStagingOldest(poolDirFd); /* notes when this process began */
    if (replStagingOpenFolders(staging, poolDirFd, create, err) <= 0)
        return NULL;
    staging->catalog = replCatalogNew();
    staging->images = replRecordStoreNew(staging->fds[REPL_STAGING_IMAGES], &replImageRecordKind);
    staging->jobs = replRecordStoreNew(staging->fds[REPL_STAGING_JOBS], &replJobRecordKind);
    return g_steal_pointer(&staging);
}

ReplStaging *
replStagingRef(ReplStaging *staging)
{
    g_atomic_ref_count_inc(&staging->refs);
    return staging;
}

void
replStagingUnref(ReplStaging *staging)
{
    int i;

    if (!staging || !g_atomic_ref_count_dec(&staging->refs))
        return;
    replRecordStoreFree(staging->images);
    replCatalogFree(staging->catalog);
    replRecordStoreFree(staging->jobs);
    for (i = 0; i < REPL_STAGING_FOLDERS; i++)
        replFdClose(staging->fds[i]);
    replLockClear(&staging->updateLock);
    replLockClear(&staging->leaseLock);
    g_free(staging->leaseSeen);
    g_free(staging);
}

int
replStagingFd(const ReplStaging *staging, ReplStagingFolder folder)
{
    return staging->fds[folder];
}

gboolean
replStagingIsCurrent(const ReplStaging *staging, int poolDirFd)
{
    const unsigned int mask = STATX_INO | STATX_MNT_ID;
    struct statx ours;
    struct statx there;

    if (statx(staging->fds[REPL_STAGING_TOP], "", AT_EMPTY_PATH, mask, &ours) < 0 ||
        statx(poolDirFd, REPL_STAGING_NAME, AT_SYMLINK_NOFOLLOW, mask, &there) < 0 ||
        ours.stx_dev_major != there.stx_dev_major || ours.stx_dev_minor != there.stx_dev_minor ||
        ours.stx_ino != there.stx_ino)
        return FALSE;
    /* The same file system, unmounted lazily and mounted again, is another mount: nothing can be renamed from one to
     * the other. (Kernels before 5.8 do not tell.) */
    return !(ours.stx_mask & there.stx_mask & STATX_MNT_ID) || ours.stx_mnt_id == there.stx_mnt_id;
}

static gboolean
replStagingIsAside(const char *name)
{
    return g_str_has_suffix(name, ".new");
}

void
replStagingSweep(ReplStaging *staging)
{
    int i, k;

    for (i = REPL_STAGING_TOP; i < REPL_STAGING_FOLDERS; i++) {
        gint64 oldest_us = replStagingOldest(staging->fds[i]);
        g_autoptr(GPtrArray) names = replDirList(staging->fds[i], replStagingIsAside, NULL);

        for (k = 0; names && k < (int)names->len; k++) {
            const char *name = g_ptr_array_index(names, k);
            struct stat st;

            if (fstatat(staging->fds[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000 < oldest_us)
                (void)unlinkat(staging->fds[i], name, 0);
        }
    }
}

/* Empties the directory @fd; follows no link out of it. */
static int
replStagingEmptyDir(int fd, guint depth, GError **err)
{
    g_autoptr(GPtrArray) names = replDirList(fd, NULL, err);
    guint i;

    if (!names)
        return -1;
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_auto(ReplFd) sub = -1;

        if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
            continue;
        /* EISDIR; POSIX has EPERM */
        sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0 && depth > 0 && replStagingEmptyDir(sub, depth - 1, err) < 0)
            return -1;
        if (sub < 0 || unlinkat(fd, name, AT_REMOVEDIR) < 0) {
            replErrorSetSystem(err, errno, _("Cannot remove '%s' from the staging folder"), name);
            return -1;
        }
    }
    return 0;
}

int
replStagingRemove(int poolDirFd, GError **err)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(ReplStaging) staging = replStagingOpen(poolDirFd, FALSE, &why);
    g_auto(ReplFd) top = -1;

    if (!staging && why) {
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    if (staging && replJobRecordsRefuseUnfinished(staging, err) < 0)
        return -1;
    /* Opened again: one that was made by half has no ReplStaging. */
    switch (replStagingOpenDir(poolDirFd, REPL_STAGING_NAME, FALSE, &top, err)) {
    case -1:
        return -1;
    case 0:
        return 0;
    }
    if (replStagingEmptyDir(top, REPL_STAGING_DEPTH_MAX, err) < 0)
        return -1;
    if (unlinkat(poolDirFd, REPL_STAGING_NAME, AT_REMOVEDIR) < 0 || fsync(poolDirFd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot remove the staging folder '%s'"), REPL_STAGING_NAME);
        return -1;
    }
    return 0;
}

static gboolean
replStagingIsOther(const char *name)
{
    return !g_str_equal(name, REPL_STAGING_NAME);
}

int
replStagingIsEmptyPool(int poolDirFd, GError **err)
{
    g_autoptr(GPtrArray) others = replDirList(poolDirFd, replStagingIsOther, err);

    return others ? others->len == 0 : -1;
}
