/*
 * partial.c: layers that are being written
 *
 * Opening and sweeping race. The opener locks the file, and then checks that the name still leads to the file
 * that it has locked. The sweep removes a name only while it holds the lock of the file that the name leads
 * to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "model/label.h"
#include "store/files.h"
#include "store/jobrecord.h"
#include "store/stagingpriv.h"
#include "store/text.h"

#define REPL_UUID_LEN 36

/* How often the name may be taken away under us before we give up. */
#define REPL_PARTIAL_TRIES 16

static char *
replPartialName(const char *jobId, guint index, GError **err)
{
    if (!replIsUuid(jobId) || index >= REPL_JOB_LAYERS_MAX) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("There is no partial file %u of job '%s'"), index,
                     jobId ? jobId : "");
        return NULL;
    }
    return g_strdup_printf("%s.%u", jobId, index);
}

/* JOB.N, N without leading zeros: what replPartialName makes. */
static gboolean
replPartialIsName(const char *name)
{
    g_autofree char *id = g_strndup(name, REPL_UUID_LEN);
    guint64 index;

    return strlen(name) > REPL_UUID_LEN + 1 && replIsUuid(id) && name[REPL_UUID_LEN] == '.' &&
           g_ascii_string_to_unsigned(name + REPL_UUID_LEN + 1, 10, 0, REPL_JOB_LAYERS_MAX - 1, &index, NULL);
}

/* Whether @name of @dirFd is the file behind @fd. */
static gboolean
replPartialIsStill(int dirFd, const char *name, int fd)
{
    struct stat ours;
    struct stat there;

    return fstat(fd, &ours) == 0 && fstatat(dirFd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* The file must be our own, not a link to another one. */
static int
replPartialCheck(int fd, const char *name, GError **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file '%s'"), name);
        return -1;
    }
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The partial file '%s' is not a regular file with one name"), name);
        return -1;
    }
    return 0;
}

/* Opens what is there, else makes it. */
static int
replPartialOpenOrMake(int dirFd, const char *name, gboolean *existed, GError **err)
{
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int tries;
    int fd = -1;

    for (tries = 0; fd < 0 && tries < REPL_PARTIAL_TRIES; tries++) {
        *existed = TRUE;
        fd = openat(dirFd, name, flags);
        if (fd >= 0 || errno != ENOENT)
            break;
        *existed = FALSE;
        fd = openat(dirFd, name, flags | O_CREAT | O_EXCL, 0600);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        replErrorSetSystem(err, errno, _("Cannot open the partial file '%s'"), name);
    return fd;
}

int
replPartialOpen(ReplStaging *staging, const char *jobId, guint index, gboolean *existed, GError **err)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autofree char *name = replPartialName(jobId, index, err);
    gboolean was;
    int tries;

    for (tries = 0; name && tries < REPL_PARTIAL_TRIES; tries++) {
        g_auto(ReplFd) fd = replPartialOpenOrMake(dirFd, name, &was, err);
        int locked;

        if (fd < 0 || replPartialCheck(fd, name, err) < 0)
            return -1;
        locked = replFileLock(fd);
        if (locked < 0) {
            replErrorSetSystem(err, errno, _("Cannot lock the partial file '%s'"), name);
            return -1;
        }
        if (!locked) {
            replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                         _("The partial file '%s' is locked: another process is writing it"), name);
            return -1;
        }
        if (replPartialIsStill(dirFd, name, fd)) {
            if (existed)
                *existed = was;
            return replFdSteal(&fd);
        }
    }
    if (name)
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The partial file '%s' is removed by another process again and again"), name);
    return -1;
}

/* Looks at the file that holds the name. Returns 0 with *st filled when it is an empty file. A file with a
 * size does not count as empty, even without data: it is a disk of zeroes. */
static int
replPlaceholderCheck(int poolDirFd, const char *volume, struct stat *st, GError **err)
{
    g_auto(ReplFd) fd = -1;

    if (!replIsEntryName(volume) || g_str_equal(volume, REPL_STAGING_NAME)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' cannot be the name of a volume"), volume);
        return -1;
    }
    fd = openat(poolDirFd, volume, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("The placeholder of volume '%s' is not there any more"),
                     volume);
        return -1;
    }
    if ((fd < 0 && errno != ELOOP) || (fd >= 0 && fstat(fd, st) < 0)) {
        replErrorSetSystem(err, errno, _("Cannot open the placeholder of volume '%s'"), volume);
        return -1;
    }
    if (fd < 0 || !S_ISREG(st->st_mode) || st->st_size > 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' is not an empty placeholder any more; it is left as it is"), volume);
        return -1;
    }
    return 0;
}

/* Gives @fd the owner, group and mode of the placeholder. Owner first: chown clears mode bits. */
static int
replPartialAdopt(int fd, const char *volume, const struct stat *as, GError **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 ||
        ((st.st_uid != as->st_uid || st.st_gid != as->st_gid) && fchown(fd, as->st_uid, as->st_gid) < 0) ||
        fchmod(fd, as->st_mode & 07777) < 0) {
        replErrorSetSystem(err, errno, _("Cannot give volume '%s' owner %u:%u and mode %04o"), volume,
                           (unsigned)as->st_uid, (unsigned)as->st_gid, (unsigned)(as->st_mode & 07777));
        return -1;
    }
    return 0;
}

int
replPartialRename(ReplStaging *staging, const char *jobId, guint index, guint to, GError **err)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autofree char *from = replPartialName(jobId, index, err);
    g_autofree char *name = from ? replPartialName(jobId, to, err) : NULL;

    if (!name)
        return -1;
    if (renameat(dirFd, from, dirFd, name) == 0 && fsync(dirFd) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot rename the partial file '%s'"), from);
    return -1;
}

int
replPartialIdentity(ReplStaging *staging, const char *jobId, guint index, ReplFileIdentity *identity,
                    GError **err)
{
    g_autofree char *name = replPartialName(jobId, index, err);
    struct stat st;

    if (!name)
        return -1;
    if (fstatat(staging->fds[REPL_STAGING_PARTIAL], name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the partial file '%s'"), name);
        return -1;
    }
    replIdentityOfStat(&st, identity);
    return 0;
}

int
replPartialPublish(ReplStaging *staging, const char *jobId, guint index, int poolDirFd, const char *volume,
                   GError **err)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autofree char *name = replPartialName(jobId, index, err);
    g_auto(ReplFd) fd = -1;
    struct stat as;

    if (!name)
        return -1;
    fd = openat(dirFd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("There is no partial file '%s'"), name);
        return -1;
    }
    if (fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the partial file '%s'"), name);
        return -1;
    }
    if (replPartialCheck(fd, name, err) < 0 || replPlaceholderCheck(poolDirFd, volume, &as, err) < 0 ||
        replPartialAdopt(fd, volume, &as, err) < 0)
        return -1;
    if (fsync(fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the partial file '%s'"), name);
        return -1;
    }
    /* The commit point of this layer. */
    if (renameat(dirFd, name, poolDirFd, volume) < 0 || fsync(poolDirFd) < 0 || fsync(dirFd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot put volume '%s' in place"), volume);
        return -1;
    }
    return 0;
}

int
replPartialsDrop(ReplStaging *staging, const char *jobId, GError **err)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autoptr(GPtrArray) names = replDirList(dirFd, replPartialIsName, err);
    guint i;

    if (!names)
        return -1;
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (strncmp(name, jobId, REPL_UUID_LEN))
            continue;
        if (unlinkat(dirFd, name, 0) < 0 && errno != ENOENT) {
            replErrorSetSystem(err, errno, _("Cannot remove the partial file '%s'"), name);
            return -1;
        }
    }
    return 0;
}

int
replPartialDrop(ReplStaging *staging, const char *jobId, guint index, GError **err)
{
    g_autofree char *name = replPartialName(jobId, index, err);

    if (!name)
        return -1;
    if (unlinkat(staging->fds[REPL_STAGING_PARTIAL], name, 0) == 0 || errno == ENOENT)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot remove the partial file '%s'"), name);
    return -1;
}

static guint64
replPartialData(int dirFd, const char *name)
{
    g_auto(ReplFd) fd = openat(dirFd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    guint64 bytes = 0;
    off_t data, hole = 0;

    while (fd >= 0 && (data = lseek(fd, hole, SEEK_DATA)) >= 0 && (hole = lseek(fd, data, SEEK_HOLE)) > data)
        bytes += hole - data;
    return bytes;
}

void
replPartialsMeasure(ReplStaging *staging, const char *jobId, guint64 *allocated_bytes, guint64 *data_bytes)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autoptr(GPtrArray) names = replDirList(dirFd, replPartialIsName, NULL);
    struct stat st;
    guint i;

    if (allocated_bytes)
        *allocated_bytes = 0;
    if (data_bytes)
        *data_bytes = 0;
    for (i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (strncmp(name, jobId, REPL_UUID_LEN))
            continue;
        if (allocated_bytes && fstatat(dirFd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            *allocated_bytes += st.st_blocks * G_GUINT64_CONSTANT(512);
        if (data_bytes)
            *data_bytes += replPartialData(dirFd, name);
    }
}

GPtrArray *
replPartialsJobs(ReplStaging *staging)
{
    g_autoptr(GPtrArray) names = replDirList(staging->fds[REPL_STAGING_PARTIAL], replPartialIsName, NULL);
    GPtrArray *jobs = g_ptr_array_new_with_free_func(g_free);
    guint i;

    for (i = 0; names && i < names->len; i++) {
        char *id = g_strndup(g_ptr_array_index(names, i), REPL_UUID_LEN);

        if (g_ptr_array_find_with_equal_func(jobs, id, g_str_equal, NULL))
            g_free(id);
        else
            g_ptr_array_add(jobs, id);
    }
    return jobs;
}

/* 1: removed, 0: it is locked, or not a partial file. */
static int
replPartialSweepOne(int dirFd, const char *name)
{
    g_auto(ReplFd) fd = openat(dirFd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    /* The lock is held until the name is gone; it goes with fd. */
    if (fd < 0 || replFileLock(fd) != 1 || !replPartialIsStill(dirFd, name, fd))
        return 0;
    return unlinkat(dirFd, name, 0) == 0;
}

int
replPartialsSweep(ReplStaging *staging, const char *jobId, GError **err)
{
    int dirFd = staging->fds[REPL_STAGING_PARTIAL];
    g_autoptr(GPtrArray) names = replDirList(dirFd, replPartialIsName, err);
    int removed = 0;
    guint i;

    if (!names)
        return -1;
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (g_str_has_prefix(name, jobId))
            removed += replPartialSweepOne(dirFd, name);
    }
    return removed;
}
