/*
 * quota.c: stock calls are held to the quota
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/quota.h"

#include "base/lock.h"
#include "plan/plan.h"
#include "probe/graph.h"
#include "service/makers.h"
#include "service/service.h"

/* Guards the table, and that two calls do not both fit into what is left for one. */
static ReplLock replQuotaLock = REPL_LOCK_INIT;
static GHashTable *replQuotaTaken; /* pool UUID -> ReplAmounts of calls under way */

/* Called with the lock held. */
static ReplAmounts *
replQuotaOf(const char *poolUuid)
{
    ReplAmounts *taken;

    if (!replQuotaTaken)
        replQuotaTaken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!(taken = g_hash_table_lookup(replQuotaTaken, poolUuid))) {
        taken = g_new0(ReplAmounts, 1);
        g_hash_table_insert(replQuotaTaken, g_strdup(poolUuid), taken);
    }
    return taken;
}

/* What is there, and what jobs are going to add. */
static int
replQuotaUsage(const ReplRegion *region, ReplAmounts *usage, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    g_autoptr(ReplGraph) graph = NULL;

    if (!dir) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return -1;
    }
    if (!(graph = replGraphScan(replServiceCache(), set, dir, REPL_GRAPH_NOW, err)))
        return -1;
    *usage = replGraphUsage(graph, dir);
    replMakersCorrectUsage(region->uuidstr, NULL, TRUE, usage);
    return 0;
}

/* Called with the lock held. */
static int
replQuotaCheck(const ReplRegion *region, const char *volume, const ReplAmounts *adds, GError **err)
{
    const ReplAmounts *taken = replQuotaOf(region->uuidstr);
    g_auto(ReplRefusal) refusal = {0};
    ReplPlanFacts facts = {0};

    if (replQuotaUsage(region, &facts.usage, err) < 0)
        return -1;
    facts.usage.images += taken->images;
    facts.usage.snapshots += taken->snapshots;
    facts.usage.bytes += taken->bytes;
    facts.target = (ReplPlanEnd){region->name, region->uuidstr, region->label};
    facts.volume = volume;
    if (replPlanCheckQuota(&facts, adds, &refusal) == 0)
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

int
replQuotaEnter(const ReplRegion *region, const char *volume, const ReplAmounts *adds, GError **err)
{
    ReplAmounts *taken;

    if (!region->dir || !replQuotaIsSet(&region->label->quota))
        return 0;

    REPL_GUARD(&replQuotaLock);

    if (replQuotaCheck(region, volume, adds, err) < 0)
        return -1;
    taken = replQuotaOf(region->uuidstr);
    taken->images += adds->images;
    taken->snapshots += adds->snapshots;
    taken->bytes += adds->bytes;
    return 0;
}

void
replQuotaLeave(const ReplRegion *region, const ReplAmounts *adds)
{
    g_autoptr(ReplLocked) locker G_GNUC_UNUSED = NULL;
    ReplAmounts *taken;

    if (!region->dir || !replQuotaIsSet(&region->label->quota))
        return;
    locker = replLockTake(&replQuotaLock);
    taken = replQuotaOf(region->uuidstr);
    taken->images -= adds->images;
    taken->snapshots -= adds->snapshots;
    taken->bytes -= adds->bytes;
}

int
replQuotaBegin(const ReplRegion *region, const char *volume, const ReplAmounts *adds, GError **err)
{
    if (!region->dir || !replQuotaIsSet(&region->label->quota))
        return 0;
    replLockTake(&replQuotaLock);
    if (replQuotaCheck(region, volume, adds, err) == 0)
        return 0;
    replLockDrop(&replQuotaLock);
    return -1;
}

void
replQuotaEnd(const ReplRegion *region)
{
    if (region->dir && replQuotaIsSet(&region->label->quota))
        replLockDrop(&replQuotaLock);
}
