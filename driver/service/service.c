/*
 * service.c: what lives as long as the daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/service.h"

#include "base/lock.h"
#include "region/lease.h"
#include "virt/report.h"

static char *replServiceConfigPath; /* set at start */
static ReplVirtInhibit replServiceInhibitCallback;
static void *replServiceInhibitOpaque;
static ReplQueue *replServiceQueueAll; /* these five: made at start, thread-safe themselves */
static ReplPins *replServicePinsAll;
static ReplGraphCache *replServiceHeads;
static ReplHook *replServiceHookAll;

/* Before a job has shown better: what a sparse copy reaches on a plain disk. */
#define REPL_SERVICE_RATE_bytesPerSec (400 * 1024 * G_GUINT64_CONSTANT(1024))

/* Shorter jobs measure their own start and end more than the disk. */
#define REPL_SERVICE_RATE_MIN_bytes (256 * 1024 * G_GUINT64_CONSTANT(1024))

/* Guards the two below. */
static ReplLock replServiceLock = REPL_LOCK_INIT;
static guint64 replServiceRate = REPL_SERVICE_RATE_bytesPerSec;
static ReplConfig *replServiceConf;

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
    g_autofree char *hook = NULL;

    if (replServiceQueueAll)
        return;
    hook = g_build_filename(configDir, "hooks", "storage-replication", NULL);
    replServiceHookAll = replHookNew(hook, REPL_HOOK_LIMIT_ms);
    replServiceConfigPath = g_build_filename(configDir, "storage-replication.conf", NULL);
    replServiceInhibitCallback = inhibit;
    replServiceInhibitOpaque = opaque;
    replServiceConf = replConfigLoad(replServiceConfigPath);
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
    if (replServiceHookAll)
        replHookStop(replServiceHookAll);
    replLeasesStop();
}

void
replServiceReload(void)
{
    ReplConfig *config;

    if (!replServiceQueueAll)
        return;
    config = replConfigLoad(replServiceConfigPath);
    replLockTake(&replServiceLock);
    replConfigFree(replServiceConf);
    replServiceConf = config;
    replLockDrop(&replServiceLock);
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

ReplHook *
replServiceHook(void)
{
    return replServiceHookAll;
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

    replLockTake(&replServiceLock);
    copy = replConfigCopy(replServiceConf);
    replLockDrop(&replServiceLock);
    return copy;
}

ReplConvertLimits
replServiceConvertLimits(void)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    return (ReplConvertLimits){config->helperTime_s, config->helperMemory_bytes};
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

    if (took_s <= 0 || info->bandwidth_bytesPerSec > 0 || info->processed_bytes < REPL_SERVICE_RATE_MIN_bytes)
        return;
    replLockTake(&replServiceLock);
    replServiceRate = (replServiceRate + info->processed_bytes / took_s) / 2;
    replLockDrop(&replServiceLock);
}

gint64
replServiceEstimate(const ReplJobInfo *info)
{
    guint64 left = info->total_bytes - MIN(info->processed_bytes, info->total_bytes);
    guint64 rate;

    replLockTake(&replServiceLock);
    rate = MAX(info->link_bytesPerSec > 0 ? info->link_bytesPerSec : replServiceRate, 1);
    if (replServiceConf->bandwidth_bytesPerSec > 0)
        rate = MIN(rate, replServiceConf->bandwidth_bytesPerSec);
    replLockDrop(&replServiceLock);
    if (info->bandwidth_bytesPerSec > 0)
        rate = MIN(rate, info->bandwidth_bytesPerSec);
    return left / rate;
}
