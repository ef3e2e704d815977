/*
 * peer_pull.c: images of region pools whose host has the module, as sources
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/peer_pull.h"

#include "base/error.h"
#include "base/log.h"
#include "endpoint/peer_source.h"
#include "peer/epoch.h"
#include "peer/pools.h"
#include "service/service.h"
#include "virt/access.h"

static void
replPullAttached(void *opaque, ReplSession *session, const ReplWireWelcome *welcome)
{
    (void)welcome;
    replTalkAttach(opaque, session);
}

static int
replPullFrame(void *opaque, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    return replTalkAnswer(opaque, session, frame, err);
}

static void
replPullDetached(void *opaque, ReplSession *session, const GError *why)
{
    if (why)
        replDebug("A session was lost: %s", why->message);
    replTalkDetach(opaque, session);
}

static void
replPullAway(void *opaque, const GError *why)
{
    replTalkNote(opaque, why, FALSE);
}

static void
replPullRefused(void *opaque, const GError *why)
{
    replTalkNote(opaque, why, TRUE);
}

static void
replPullRelease(void *opaque)
{
    replTalkUnref(opaque);
}

ReplSource *
replPeerPullSource(const char *poolUuid, const char *volume)
{
    static const ReplCallerOps ops = {replPullAttached, replPullFrame,   replPullDetached,
                                      replPullAway,     replPullRefused, replPullRelease};
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_autofree char *session = g_uuid_string_random();
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplTalk) talk = NULL;
    g_autoptr(GError) err = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    ReplWireHello hello = {.purpose = REPL_WIRE_PULL};
    const ReplRegionPool *def;
    ReplCaller *caller;

    if (!replUuidParse(poolUuid, uuid) || !(entry = replPeerPoolsFind(uuid)))
        return NULL;
    def = entry->pool->def;
    hello.job = session;
    hello.hostId = (char *)replEpochHostId();
    hello.host = (char *)g_get_host_name();
    talk = replTalkNew(entry->pool->uri->text, replPeersWait_s(), config->peerGone_s);
    caller = replCallerNew(entry->pool->uri, def->source, volume, &hello, &ops, replTalkRef(talk));
    if (replCallerStart(caller, &err) < 0)
        replTalkNote(talk, err, TRUE);
    return replPeerSourceNew(talk, def->name, poolUuid, entry->pool->uri->text, caller);
}
