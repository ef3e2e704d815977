/*
 * distant.c: replications with an end on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/distant.h"

#include "endpoint/open.h"
#include "endpoint/peer_pull.h"
#include "endpoint/pushed_source.h"
#include "peer/epoch.h"
#include "peer/remote.h"
#include "stack/called.h"
#include "stack/distantpriv.h"
#include "stack/submission.h"
#include "virt/below.h"
#include "virt/report.h"

static ReplSource *
replDistantSource(const char *poolUuid, const char *volume)
{
    ReplSource *source = replPushedSource(poolUuid, volume);

    return source ? source : replPeerPullSource(poolUuid, volume);
}

/* The job that makes a replica on another host is one of that host (replicate/push.h). */
static ReplTarget *
replDistantTarget(ReplJournal *journal, ReplHolding *holding)
{
    (void)journal;
    (void)holding;
    return NULL;
}

void
replDistantStart(const char *ownDir)
{
    static const ReplEndpointKind kind = {replDistantSource, replDistantTarget};
    static gboolean started;
    g_autoptr(GError) err = NULL;

    if (started)
        return;
    started = TRUE;
    if (g_mkdir_with_parents(ownDir, 0700) < 0 || replEpochStart(ownDir, &err) < 0)
        replError("This host replicates with no other one: %s", err ? err->message : g_strerror(errno));
    replEndpointRegister(&kind);
}

void
replDistantStop(void)
{
    replCalledStop();
}

static virStorageVolPtr
replDistantPull(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autofree char *volume = g_strdup(virStorageVolGetName(vol));
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePoolOfVol(vol, replVirt.StorageVolDownloadEnsureACL);
    g_autoptr(ReplSource) source = NULL;
    g_autoptr(GError) err = NULL;
    ReplSubmitFrom from = {0};

    if (!entry)
        return NULL;
    if (!entry->active) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                        entry->pool->def->name);
        return NULL;
    }
    source = replEndpointSource(entry->pool->def->uuid, volume);
    if (replSourceHold(source, &err) < 0 || replSourceDescribe(source, xml->request, &from.facts, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    from.poolUuid = entry->pool->def->uuid;
    from.source = g_steal_pointer(&source);
    return replSubmitDistant(pool, region, xml, &from, NULL, flags);
}

virStorageVolPtr
replDistantSubmit(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml, virStorageVolPtr source,
                  unsigned int flags)
{
    if (xml->request->image) {
        replReportError(VIR_ERR_INVALID_ARG, "%s",
                        _("<replication:replicate image=''> names its source by itself: use vol-create"));
        return NULL;
    }
    if (xml->name && g_str_equal(xml->name, REPL_STAGING_NAME)) {
        replReportError(VIR_ERR_INVALID_ARG,
                        _("No image can be called '%s': it is the staging folder of its pool"), xml->name);
        return NULL;
    }
    if (replBelowPool(pool) == &replNext)
        return replDistantPull(pool, xml, source, flags);
    return replDistantPush(pool, desc, xml, source);
}
