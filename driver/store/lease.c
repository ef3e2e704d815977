/*
 * lease.c: which host works in a staging folder
 *
 * The lock is on a file of its own, since the one with the words is replaced at each renewal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lock.h"
#include "store/files.h"
#include "store/stagingpriv.h"
#include "store/text.h"

#define REPL_LEASE_FILE "lease"
#define REPL_LEASE_LOCK "lease.lock"
#define REPL_LEASE_KIND "lease"
#define REPL_LEASE_MAX_bytes 4096

struct _ReplLease {
    /* fixed after creation */
    ReplStaging *staging;
    ReplFd lockFd;
    char *host;
    char *take; /* of this taking, at random: a lease with another one is not ours */

    guint64 renewals; /* of the one thread that renews */
};

/* What a lease file says. */
typedef struct {
    char *host;
    char *name;
    char *boot;
    char *take;
    guint64 renewals;
} ReplLeaseText;

static void
replLeaseTextClear(ReplLeaseText *text)
{
    g_free(text->host);
    g_free(text->name);
    g_free(text->boot);
    g_free(text->take);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplLeaseText, replLeaseTextClear)

/* Changes with each boot; NULL when the system does not tell. For whoever reads the file: ours is
 * not compared, the lock says more. */
static char *
replLeaseBootId(void)
{
    g_autofree char *id = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
        return NULL;
    g_strstrip(id);
    return replIsUuid(id) ? g_steal_pointer(&id) : NULL;
}

static int
replLeaseWrite(ReplLease *lease, GError **err)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *boot = replLeaseBootId();
    g_autofree char *data = NULL;
    g_autofree char *name = g_filename_display_name(g_get_host_name());
    gsize len;

    replTextPut(keys, "lease", "host", lease->host);
    replTextPut(keys, "lease", "name", name);
    replTextPut(keys, "lease", "boot", boot);
    replTextPut(keys, "lease", "take", lease->take);
    g_key_file_set_uint64(keys, "lease", "renewals", lease->renewals);
    g_key_file_set_int64(keys, "lease", "time", g_get_real_time() / G_USEC_PER_SEC);
    if (!(data = replTextSeal(keys, REPL_LEASE_KIND, REPL_LEASE_MAX_bytes, &len, err)))
        return -1;
    return replWriteDurable(lease->staging->fds[REPL_STAGING_TOP], REPL_LEASE_FILE, data, len, err);
}

/* 1 with @text filled; 0 when there is no lease or one that makes no sense; -1 with @err set. */
static int
replLeaseRead(ReplStaging *staging, ReplLeaseText *text, GError **err)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GKeyFile) keys = NULL;
    g_autofree char *data = NULL;
    ReplTextReader reader = {0};
    gsize len;

    data = replReadLimited(staging->fds[REPL_STAGING_TOP], REPL_LEASE_FILE, REPL_LEASE_MAX_bytes, &len, &why);
    if (!data && g_error_matches(why, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL))
        return 0;
    if (data)
        keys = replTextUnseal(data, len, REPL_LEASE_KIND, &why);
    if (!keys && g_error_matches(why, REPL_ERROR, VIR_ERR_INTERNAL_ERROR))
        return 0;
    if (!keys) {
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    reader.keys = keys;
    text->host = replTextNeed(&reader, replTextString(&reader, "lease", "host"), "lease", "host");
    text->name = replTextString(&reader, "lease", "name");
    text->boot = replTextString(&reader, "lease", "boot");
    text->take = replTextNeed(&reader, replTextString(&reader, "lease", "take"), "lease", "take");
    text->renewals = replTextUint(&reader, "lease", "renewals", G_MAXUINT64);
    return replTextFinish(&reader, NULL) == 0;
}

/* How long ago, by the clock that stamps files here, the lease was written; -1 when it cannot be
 * told. */
static gint64
replLeaseAge(ReplStaging *staging, int lockFd)
{
    struct stat now;
    struct stat then;

    if (futimens(lockFd, NULL) < 0 || fstat(lockFd, &now) < 0 ||
        fstatat(staging->fds[REPL_STAGING_TOP], REPL_LEASE_FILE, &then, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return now.st_mtim.tv_sec - then.st_mtim.tv_sec;
}

/* How long we have been seeing exactly this lease, for clocks that are far apart. */
static gint64
replLeaseUnchanged(ReplStaging *staging, const ReplLeaseText *text)
{
    g_autofree char *looks = g_strdup_printf("%s %" G_GUINT64_FORMAT, text->take, text->renewals);
    gint64 now_us = g_get_monotonic_time();
    gint64 since_us;

    replLockTake(&staging->leaseLock);
    if (g_strcmp0(staging->leaseSeen, looks)) {
        g_free(staging->leaseSeen);
        staging->leaseSeen = g_steal_pointer(&looks);
        staging->leaseSince_us = now_us;
    }
    since_us = staging->leaseSince_us;
    replLockDrop(&staging->leaseLock);
    return (now_us - since_us) / G_USEC_PER_SEC;
}

static void
replLeaseSayHeld(const char *hostId, const ReplLeaseText *text, GError **err)
{
    if (!text->host)
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("The staging folder is in use by another daemon"));
    else if (g_str_equal(text->host, hostId))
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The staging folder is in use by another daemon of this host"));
    else
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("The staging folder is in use by host '%s' (%s)"),
                     text->name ? text->name : "", text->host);
}

/* With the lock in hand, or none to be had (@tells FALSE): may we? 0 or -1 with @err set. */
static int
replLeaseJudge(ReplStaging *staging, int lockFd, gboolean tells, const char *hostId, GError **err)
{
    g_auto(ReplLeaseText) text = {0};
    int there = replLeaseRead(staging, &text, err);

    if (there < 0)
        return -1;
    /* A lease of this host whose lock is free is that of a daemon that is gone. */
    if (there == 0 || tells || g_str_equal(text.host, hostId) ||
        replLeaseAge(staging, lockFd) >= REPL_LEASE_STALE_s ||
        replLeaseUnchanged(staging, &text) >= REPL_LEASE_STALE_s)
        return 0;
    replLeaseSayHeld(hostId, &text, err);
    return -1;
}

/* Opens and locks. 1: locked, 0: no locks here, -1 with @err set. */
static int
replLeaseLock(ReplStaging *staging, const char *hostId, ReplFd *fd, GError **err)
{
    g_auto(ReplLeaseText) text = {0};
    int locked;

    *fd = openat(staging->fds[REPL_STAGING_TOP], REPL_LEASE_LOCK,
                 O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (*fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open '%s'"), REPL_LEASE_LOCK);
        return -1;
    }
    locked = replFileLock(*fd);
    if (locked > 0)
        return 1;
    if (locked < 0 && replFileLockUnsupported(errno))
        return 0;
    if (locked < 0) {
        replErrorSetSystem(err, errno, _("Cannot lock '%s'"), REPL_LEASE_LOCK);
        return -1;
    }
    (void)replLeaseRead(staging, &text, NULL);
    replLeaseSayHeld(hostId, &text, err);
    return -1;
}

/* Whether what stands in the file is this taking. 0, or -1 with @err set. */
static int
replLeaseConfirm(ReplLease *lease, GError **err)
{
    g_auto(ReplLeaseText) text = {0};

    if (replLeaseRead(lease->staging, &text, err) < 0)
        return -1;
    if (text.take && g_str_equal(text.take, lease->take))
        return 0;
    replLeaseSayHeld(lease->host, &text, err);
    return -1;
}

ReplLease *
replLeaseTake(ReplStaging *staging, const char *hostId, GError **err)
{
    return replLeaseTakeOn(staging, replFileIsLocal(staging->fds[REPL_STAGING_TOP]), hostId, err);
}

ReplLease *
replLeaseTakeOn(ReplStaging *staging, gboolean local, const char *hostId, GError **err)
{
    g_auto(ReplFd) fd = -1;
    ReplLease *lease;
    int locked = replLeaseLock(staging, hostId, &fd, err);
    gboolean tells = locked > 0 && local;

    if (locked < 0 || replLeaseJudge(staging, fd, tells, hostId, err) < 0)
        return NULL;
    lease = g_new0(ReplLease, 1);
    lease->staging = replStagingRef(staging);
    lease->lockFd = replFdSteal(&fd);
    lease->host = g_strdup(hostId);
    lease->take = g_uuid_string_random();
    /* Read the lease again: when two hosts take a stale lease at once, the one that has written last has
     * it. */
    if (replLeaseWrite(lease, err) < 0 || replLeaseConfirm(lease, err) < 0)
        g_clear_pointer(&lease, replLeaseRelease);
    return lease;
}

int
replLeaseRenew(ReplLease *lease, GError **err)
{
    if (replLeaseConfirm(lease, err) < 0)
        return -1;
    lease->renewals++;
    return replLeaseWrite(lease, err);
}

void
replLeaseRelease(ReplLease *lease)
{
    if (!lease)
        return;
    if (replLeaseConfirm(lease, NULL) == 0)
        (void)unlinkat(lease->staging->fds[REPL_STAGING_TOP], REPL_LEASE_FILE, 0);
    replFdClose(lease->lockFd);
    replStagingUnref(lease->staging);
    g_free(lease->host);
    g_free(lease->take);
    g_free(lease);
}

gboolean
replLeaseIsThere(ReplStaging *staging)
{
    struct stat st;

    return fstatat(staging->fds[REPL_STAGING_TOP], REPL_LEASE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
