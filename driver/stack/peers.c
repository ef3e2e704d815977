/*
 * peers.c: starting what concerns other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/peers.h"

#include "peer/call.h"
#include "peer/ident.h"
#include "peer/pools.h"
#include "peer/table.h"
#include "region/lease.h"
#include "service/service.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/events.h"
#include "virt/report.h"

static char *replStackId; /* set at start */

static gboolean
replStackHasName(const char *name)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool = conn ? replNext.storagePoolLookupByName(conn, name) : NULL;

    virResetLastError();
    return pool != NULL;
}

static gboolean
replStackHasUuid(const unsigned char *uuid)
{
    g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(uuid);

    return obj != NULL;
}

/* A pool of the peer has changed, or the peer has come back: send events to the clients that watch the pools here. */
static void
replStackPeerNews(ReplPeer *peer, const char *source)
{
    g_autoptr(GPtrArray) entries = replPeerPoolsBehind(peer, source);
    guint i;

    for (i = 0; i < entries->len; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);

        if (source)
            replPeerPoolForget(entry->pool);
        else
            replLeasesHurry(entry->pool->def->uuid); /* undo what refused requests left */
        replEventsRefresh(entry->pool->def->name, entry->pool->uuid);
    }
}

void
replStackPeersStart(const char *configDir, const char *runDir, const char *ownDir)
{
    static const ReplPeerStock stock = {replStackHasName, replStackHasUuid};
    g_autofree char *persistent = g_build_filename(configDir, "pools", NULL);
    g_autofree char *running = g_build_filename(runDir, "pools", NULL);
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_autoptr(GError) err = NULL;

    if (replStackId)
        return;
    replStackId = replIdent(ownDir);
    replPeersStart(replStackId, replStackPeerNews);
    replPeersSetWait(config->peerWait_s);
    replPeerCallsSetMax(config->peerMaxWaiting);
    if (replPeerPoolsStart(persistent, running, config->peerUris, &stock, &err) < 0) {
        replError("There are no pools of type 'region': %s", err->message);
        return;
    }
    replBelowSetPeers(&replPeerTable, replPeerPoolsHas);
}

void
replStackPeersReload(void)
{
    g_autoptr(ReplConfig) config = NULL;

    if (!replStackId)
        return;
    config = replServiceConfig();
    replPeersSetWait(config->peerWait_s);
    replPeerCallsSetMax(config->peerMaxWaiting);
    replPeerPoolsAllow(config->peerUris);
}

const char *
replStackDaemonId(void)
{
    return replStackId;
}
