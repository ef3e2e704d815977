/*
 * service.c: what lives as long as the daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/service.h"

#include "stack/report.h"

static char *replServiceConfigPath; /* set at start */
static ReplVirtInhibit replServiceInhibitCallback;
static void *replServiceInhibitOpaque;
static ReplQueue *replServiceQueueAll; /* these four: made at start, thread-safe themselves */
static ReplPins *replServicePinsAll;
static ReplGraphCache *replServiceHeads;

/* Guards the two below. */
static GMutex replServiceLock;
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
replServiceStop(void)
{
    if (replServiceQueueAll)
        replQueueStop(replServiceQueueAll);
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
    g_mutex_lock(&replServiceLock);
    g_hash_table_replace(replServiceJobs, replServiceKey(poolUuid, volume), replJobRef(job));
    g_mutex_unlock(&replServiceLock);
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
    g_autofree char *key = replServiceKey(poolUuid, volume);
    ReplJob *job;

    if (!replServiceJobs)
        return NULL;
    g_mutex_lock(&replServiceLock);
    if ((job = g_hash_table_lookup(replServiceJobs, key)))
        replJobRef(job);
    g_mutex_unlock(&replServiceLock);
    return job;
}

char *
replServicePoolJob(const char *poolUuid)
{
    g_auto(GStrv) jobs = replPinsPoolJobs(replServicePinsAll, poolUuid);

    return g_strdup(jobs[0]);
}
