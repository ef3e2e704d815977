/*
 * service.c: what lives as long as the daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/service.h"

#include "stack/lease.h"
#include "stack/report.h"

static char *replServiceConfigPath; /* set at start */
static ReplVirtInhibit replServiceInhibitCallback;
static void *replServiceInhibitOpaque;
static ReplQueue *replServiceQueueAll; /* these four: made at start, thread-safe themselves */
static ReplPins *replServicePinsAll;
static ReplGraphCache *replServiceHeads;

/* Before a job has shown better: what a sparse copy reaches on a plain disk. */
#define REPL_SERVICE_RATE_bytesPerSec (400 * 1024 * G_GUINT64_CONSTANT(1024))

/* Shorter jobs measure their own start and end more than the disk. */
#define REPL_SERVICE_RATE_MIN_bytes (256 * 1024 * G_GUINT64_CONSTANT(1024))

/* Guards the three below. */
static GMutex replServiceLock;
static guint64 replServiceRate = REPL_SERVICE_RATE_bytesPerSec;
static ReplConfig *replServiceConf;
static GHashTable *replServiceJobs; /* "pool UUID/volume" -> ReplJob, a reference */

static void
replServiceInhibit(gboolean on, void *opaque)
{
    (void)opaque;
    if (replServiceInhibitCallback)
        replServiceInhibitCallback(on, replServiceInhibitOpaque);
}

static void
replServiceApply(void)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    replQueueSetMaxRunning(replServiceQueueAll, config->maxJobs);
    replQueueSetBandwidth(replServiceQueueAll, config->bandwidth_bytesPerSec);
}

void
replServiceStart(const char *configDir, ReplVirtInhibit inhibit, void *opaque)
{
    static const ReplQueueHooks hooks = {replServiceInhibit, NULL};

    if (replServiceQueueAll)
        return;
    replServiceConfigPath = g_build_filename(configDir, "storage-replication.conf", NULL);
    replServiceInhibitCallback = inhibit;
    replServiceInhibitOpaque = opaque;
    replServiceConf = replConfigLoad(replServiceConfigPath);
    replServiceJobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            (GDestroyNotify)replJobUnref);
    replServicePinsAll = replPinsNew();
    replServiceHeads = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    replServiceQueueAll = replQueueNew(replServiceConf->maxJobs, &hooks);
    replServiceApply();
}

void
replServiceInterrupt(void)
{
    if (replServiceQueueAll)
        replQueueInterrupt(replServiceQueueAll);
}

void
replServiceStop(void)
{
    if (replServiceQueueAll)
        replQueueStop(replServiceQueueAll);
    replLeasesStop();
}

void
replServiceReload(void)
{
    ReplConfig *config;

    if (!replServiceQueueAll)
        return;
    config = replConfigLoad(replServiceConfigPath);
    g_mutex_lock(&replServiceLock);
    replConfigFree(replServiceConf);
    replServiceConf = config;
    g_mutex_unlock(&replServiceLock);
    replServiceApply();
}

ReplQueue *
replServiceQueue(void)
{
    return replServiceQueueAll;
}

ReplPins *
replServicePins(void)
{
    return replServicePinsAll;
}

ReplGraphCache *
replServiceCache(void)
{
    return replServiceHeads;
}

ReplConfig *
replServiceConfig(void)
{
    ReplConfig *copy;

    g_mutex_lock(&replServiceLock);
    copy = g_memdup2(replServiceConf, sizeof(*replServiceConf));
    copy->defaultKey = g_strdup(replServiceConf->defaultKey);
    g_mutex_unlock(&replServiceLock);
    return copy;
}

static char *
replServiceKey(const char *poolUuid, const char *volume)
{
    return g_strdup_printf("%s/%s", poolUuid, volume);
}

void
replServiceAddJob(const char *poolUuid, const char *volume, ReplJob *job)
{
    g_autofree char *key = replServiceKey(poolUuid, volume);
    ReplJob *before;

    g_mutex_lock(&replServiceLock);
    if ((before = g_hash_table_lookup(replServiceJobs, key)))
        replJobRef(before);
    g_hash_table_replace(replServiceJobs, g_steal_pointer(&key), replJobRef(job));
    g_mutex_unlock(&replServiceLock);
    /* The last reference may go here, with what it holds: not under the lock. */
    if (before)
        replJobUnref(before);
}

void
replServiceRemoveJob(const char *poolUuid, const char *volume, ReplJob *job)
{
    g_autofree char *key = replServiceKey(poolUuid, volume);
    g_autofree char *stolenKey = NULL;
    gpointer gone = NULL;

    g_mutex_lock(&replServiceLock);
    /* A later job may have taken the name since. */
    if (g_hash_table_lookup(replServiceJobs, key) == job)
        g_hash_table_steal_extended(replServiceJobs, key, (gpointer *)&stolenKey, &gone);
    g_mutex_unlock(&replServiceLock);
    /* The last reference may go here, with what it holds: not under the lock. */
    if (gone)
        replJobUnref(gone);
}

ReplJob *
replServiceFindJob(const char *poolUuid, const char *volume)
{
    g_autofree char *key = NULL;
    ReplJob *job;

    if (!replServiceJobs)
        return NULL;
    g_mutex_lock(&replServiceLock);
    if (g_hash_table_size(replServiceJobs) == 0) {
        g_mutex_unlock(&replServiceLock);
        return NULL;
    }
    key = replServiceKey(poolUuid, volume);
    if ((job = g_hash_table_lookup(replServiceJobs, key)))
        replJobRef(job);
    g_mutex_unlock(&replServiceLock);
    return job;
}

static gboolean
replServiceIsJob(gpointer key, gpointer job, gpointer wanted)
{
    (void)key;
    return job == wanted;
}

gboolean
replServiceHasJob(const ReplJob *job)
{
    gboolean found;

    g_mutex_lock(&replServiceLock);
    found = g_hash_table_find(replServiceJobs, replServiceIsJob, (gpointer)job) != NULL;
    g_mutex_unlock(&replServiceLock);
    return found;
}

GPtrArray *
replServiceJobsOf(const char *poolUuid)
{
    GPtrArray *jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    GHashTableIter iter;
    gpointer key, job;

    g_mutex_lock(&replServiceLock);
    g_hash_table_iter_init(&iter, replServiceJobs);
    while (g_hash_table_iter_next(&iter, &key, &job)) {
        if (g_str_has_prefix(key, poolUuid))
            g_ptr_array_add(jobs, replJobRef(job));
    }
    g_mutex_unlock(&replServiceLock);
    return jobs;
}

char *
replServicePoolJob(const char *poolUuid)
{
    g_auto(GStrv) jobs = replPinsPoolJobs(replServicePinsAll, poolUuid);

    return g_strdup(jobs[0]);
}

void
replServiceLearnRate(const ReplJobInfo *info)
{
    gint64 took_s = info->ended_s - info->started_s;

    if (took_s <= 0 || info->bandwidth_bytesPerSec > 0 ||
        info->processed_bytes < REPL_SERVICE_RATE_MIN_bytes)
        return;
    g_mutex_lock(&replServiceLock);
    replServiceRate = (replServiceRate + info->processed_bytes / took_s) / 2;
    g_mutex_unlock(&replServiceLock);
}

gint64
replServiceEstimate(const ReplJobInfo *info)
{
    guint64 left = info->total_bytes - MIN(info->processed_bytes, info->total_bytes);
    guint64 rate;

    g_mutex_lock(&replServiceLock);
    rate = MAX(replServiceRate, 1);
    if (replServiceConf->bandwidth_bytesPerSec > 0)
        rate = MIN(rate, replServiceConf->bandwidth_bytesPerSec);
    g_mutex_unlock(&replServiceLock);
    if (info->bandwidth_bytesPerSec > 0)
        rate = MIN(rate, info->bandwidth_bytesPerSec);
    return left / rate;
}
