/*
 * lease.c: this host works in that pool's staging folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/lease.h"

#include <pthread.h>
#include <signal.h>

#include "store/lease.h"
#include "virt/report.h"

typedef struct {
    ReplLease *lease;
    guint holders;
} ReplLeaseEntry;

/* Guards all below. */
static GMutex replLeasesLock;
static GCond replLeasesWake;
static GHashTable *replLeases;        /* pool UUID -> ReplLeaseEntry */
static GHashTable *replLeasesWatched; /* pool UUID -> function to call again */
static GThread *replLeasesThread;
static gboolean replLeasesStopping;

static void
replLeaseEntryFree(gpointer opaque)
{
    ReplLeaseEntry *entry = opaque;

    replLeaseRelease(entry->lease);
    g_free(entry);
}

/* A UUID of this host that does not tell its machine id. */
static const char *
replLeasesHostId(void)
{
    static gsize once;
    static char *id;

    if (g_once_init_enter(&once)) {
        g_autofree char *machine = NULL;
        g_autofree char *sum = NULL;

        if (!g_file_get_contents("/etc/machine-id", &machine, NULL, NULL))
            machine = g_strdup(g_get_host_name());
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, machine, -1);
        id = g_strdup_printf("%.8s-%.4s-5%.3s-8%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15, sum + 18);
        g_once_init_leave(&once, 1);
    }
    return id;
}

/* Called with the lock held. */
static void
replLeasesRenew(void)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, replLeases);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autoptr(GError) err = NULL;

        if (replLeaseRenew(((ReplLeaseEntry *)value)->lease, &err) < 0)
            replWarn("The lease on the staging folder of pool %s: %s", (char *)key, err->message);
    }
}

static gpointer
replLeasesRun(gpointer opaque)
{
    (void)opaque;
    g_mutex_lock(&replLeasesLock);
    while (!replLeasesStopping) {
        gint64 until = g_get_monotonic_time() + REPL_LEASE_RENEW_s * G_USEC_PER_SEC;
        g_autoptr(GHashTable) watched = NULL;
        GHashTableIter iter;
        gpointer key, value;

        while (!replLeasesStopping && g_cond_wait_until(&replLeasesWake, &replLeasesLock, until))
            ;
        if (replLeasesStopping)
            break;
        replLeasesRenew();
        watched = g_steal_pointer(&replLeasesWatched);
        replLeasesWatched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_mutex_unlock(&replLeasesLock);
        /* It asks to be called again if it still has to. */
        g_hash_table_iter_init(&iter, watched);
        while (g_hash_table_iter_next(&iter, &key, &value))
            ((void (*)(const char *))value)(key);
        g_mutex_lock(&replLeasesLock);
    }
    g_mutex_unlock(&replLeasesLock);
    return NULL;
}

/* Called with the lock held. */
static void
replLeasesStart(void)
{
    sigset_t all, before;

    if (!replLeases) {
        replLeases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replLeaseEntryFree);
        replLeasesWatched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    if (replLeasesThread || replLeasesStopping)
        return;
    /* Signals are the daemon's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    replLeasesThread = g_thread_try_new("repl-lease", replLeasesRun, NULL, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!replLeasesThread)
        replWarn("No thread can be made that renews leases on staging folders");
}

int
replLeasesHold(const char *poolUuid, ReplStaging *staging, GError **err)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&replLeasesLock);
    ReplLeaseEntry *entry;
    ReplLease *lease;

    replLeasesStart();
    if (!(entry = g_hash_table_lookup(replLeases, poolUuid))) {
        if (!(lease = replLeaseTake(staging, replLeasesHostId(), err)))
            return -1;
        entry = g_new0(ReplLeaseEntry, 1);
        entry->lease = lease;
        g_hash_table_insert(replLeases, g_strdup(poolUuid), entry);
    }
    entry->holders++;
    return 0;
}

void
replLeasesDrop(const char *poolUuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&replLeasesLock);
    ReplLeaseEntry *entry = replLeases ? g_hash_table_lookup(replLeases, poolUuid) : NULL;

    if (entry && --entry->holders == 0)
        g_hash_table_remove(replLeases, poolUuid);
}

void
replLeasesWatch(const char *poolUuid, void (*again)(const char *poolUuid))
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&replLeasesLock);

    replLeasesStart();
    g_hash_table_replace(replLeasesWatched, g_strdup(poolUuid), (gpointer)again);
}

void
replLeasesForget(const char *poolUuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&replLeasesLock);

    if (replLeasesWatched)
        g_hash_table_remove(replLeasesWatched, poolUuid);
}

void
replLeasesStop(void)
{
    GThread *thread;

    g_mutex_lock(&replLeasesLock);
    replLeasesStopping = TRUE;
    g_cond_broadcast(&replLeasesWake);
    thread = g_steal_pointer(&replLeasesThread);
    g_mutex_unlock(&replLeasesLock);
    if (thread)
        g_thread_join(thread);
    g_mutex_lock(&replLeasesLock);
    if (replLeases)
        g_hash_table_remove_all(replLeases);
    g_mutex_unlock(&replLeasesLock);
}
