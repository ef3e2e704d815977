/*
 * lease.c: this host works in that pool's staging folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/lease.h"

#include <pthread.h>

#include "base/lock.h"
#include "base/thread.h"
#include "store/lease.h"
#include "virt/report.h"

/* Limits how often an unreadable lease is read again. */
#define REPL_LEASES_MOMENT_s 1

typedef struct {
    ReplLease *lease;
    guint holders;
} ReplLeaseEntry;

/* Guards all below. */
static ReplLock replLeasesLock = REPL_LOCK_INIT;
static GHashTable *replLeases;        /* pool UUID -> ReplLeaseEntry */
static GHashTable *replLeasesWatched; /* set of pool UUIDs */
static void (*replLeasesAgain)(const char *poolUuid);
static GThread *replLeasesThread;
static gboolean replLeasesHurrying; /* the watched ones are called now, not at the next renewal */
static gboolean replLeasesStopping;

static void
replLeaseEntryFree(gpointer opaque)
{
    ReplLeaseEntry *entry = opaque;

    replLeaseRelease(entry->lease);
    g_free(entry);
}

/* A UUID of this host that does not tell its machine id. Set once by replLeasesMakeHostId. */
static char *replLeasesId;

static void
replLeasesMakeHostId(void)
{
    g_autofree char *machine = NULL;
    g_autofree char *sum = NULL;

    if (!g_file_get_contents("/etc/machine-id", &machine, NULL, NULL))
        machine = g_strdup(g_get_host_name());
    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, machine, -1);
    replLeasesId = g_strdup_printf("%.8s-%.4s-5%.3s-8%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15, sum + 18);
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

/* Waits until leases are to be renewed, or another thread asks for it, but at least for a moment. Called with the lock held. */
static void
replLeasesSleep(void)
{
    gint64 now = g_get_monotonic_time();
    gint64 soon = now + REPL_LEASES_MOMENT_s * G_USEC_PER_SEC;
    gint64 until = now + REPL_LEASE_RENEW_s * G_USEC_PER_SEC;

    while (!replLeasesStopping && replLockWaitUntil(&replLeasesLock, soon))
        ;
    while (!replLeasesStopping && !replLeasesHurrying && replLockWaitUntil(&replLeasesLock, until))
        ;
    replLeasesHurrying = FALSE;
}

static gpointer
replLeasesRun(gpointer opaque)
{
    (void)opaque;
    replLockTake(&replLeasesLock);
    while (!replLeasesStopping) {
        g_autoptr(GHashTable) watched = NULL;
        void (*again)(const char *poolUuid) = replLeasesAgain;
        GHashTableIter iter;
        gpointer key;

        replLeasesSleep();
        if (replLeasesStopping)
            break;
        replLeasesRenew();
        watched = g_steal_pointer(&replLeasesWatched);
        replLeasesWatched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        replLockDrop(&replLeasesLock);
        /* It asks to be called again if it still has to. */
        g_hash_table_iter_init(&iter, watched);
        while (g_hash_table_iter_next(&iter, &key, NULL))
            again(key);
        replLockTake(&replLeasesLock);
    }
    replLockDrop(&replLeasesLock);
    return NULL;
}

/* Called with the lock held. */
static void
replLeasesRunThread(void)
{
    g_autoptr(GError) err = NULL;

    if (!replLeases) {
        replLeases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replLeaseEntryFree);
        replLeasesWatched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    if (replLeasesThread || replLeasesStopping)
        return;
    replLeasesThread = replThreadNew("repl-lease", replLeasesRun, NULL, &err);
    if (!replLeasesThread)
        replWarn("Leases on staging folders are not renewed: %s", err->message);
}

int
replLeasesHold(const char *poolUuid, ReplStaging *staging, GError **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    REPL_GUARD(&replLeasesLock);
    ReplLeaseEntry *entry;
    ReplLease *lease;

    replLeasesRunThread();
    if (!(entry = g_hash_table_lookup(replLeases, poolUuid))) {
        pthread_once(&once, replLeasesMakeHostId);
        if (!(lease = replLeaseTake(staging, replLeasesId, err)))
            return -1;
        entry = g_new0(ReplLeaseEntry, 1);
        entry->lease = lease;
        g_hash_table_insert(replLeases, g_strdup(poolUuid), entry);
    }
    entry->holders++;
    return 0;
}

gboolean
replLeasesIsLeft(const char *poolUuid, ReplStaging *staging)
{
    REPL_GUARD(&replLeasesLock);

    return !(replLeases && g_hash_table_lookup(replLeases, poolUuid)) && replLeaseIsThere(staging);
}

void
replLeasesDrop(const char *poolUuid)
{
    REPL_GUARD(&replLeasesLock);
    ReplLeaseEntry *entry = replLeases ? g_hash_table_lookup(replLeases, poolUuid) : NULL;

    if (entry && --entry->holders == 0)
        g_hash_table_remove(replLeases, poolUuid);
}

void
replLeasesStart(void (*again)(const char *poolUuid))
{
    REPL_GUARD(&replLeasesLock);

    replLeasesAgain = again;
}

void
replLeasesWatch(const char *poolUuid)
{
    REPL_GUARD(&replLeasesLock);

    replLeasesRunThread();
    g_hash_table_add(replLeasesWatched, g_strdup(poolUuid));
}

void
replLeasesHurry(const char *poolUuid)
{
    REPL_GUARD(&replLeasesLock);

    if (!replLeasesWatched || !g_hash_table_contains(replLeasesWatched, poolUuid))
        return;
    replLeasesHurrying = TRUE;
    replLockWake(&replLeasesLock);
}

void
replLeasesStop(void)
{
    GThread *thread;

    replLockTake(&replLeasesLock);
    replLeasesStopping = TRUE;
    replLockWake(&replLeasesLock);
    thread = g_steal_pointer(&replLeasesThread);
    replLockDrop(&replLeasesLock);
    if (thread)
        g_thread_join(thread);
    replLockTake(&replLeasesLock);
    if (replLeases)
        g_hash_table_remove_all(replLeases);
    replLockDrop(&replLeasesLock);
}
