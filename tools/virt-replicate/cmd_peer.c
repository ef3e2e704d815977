/*
 * cmd_peer.c: virt-replicate peer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "peertest.h"
#include "target.h"
#include "words.h"

#define REPL_PEER_WAIT_us (5 * G_USEC_PER_SEC)

static char *replPeerRegion;

/* The pool's region, once its peer was reached or 5 seconds have passed. */
static virtReplicationRegion *
replPeerReach(virStoragePoolPtr pool)
{
    gint64 end = g_get_monotonic_time() + REPL_PEER_WAIT_us;
    virtReplicationRegion *region = virtReplicationRegionGet(pool, VIRT_REPLICATION_LIST_IMAGES);

    while (region && g_strcmp0(region->peerState, "connecting") == 0 && g_get_monotonic_time() < end) {
        g_usleep(200 * 1000);
        virtReplicationRegionFree(region);
        region = virtReplicationRegionGet(pool, VIRT_REPLICATION_LIST_IMAGES);
    }
    return region;
}

static int
replPeerAdd(ReplClient *client, char **argv)
{
    g_autoptr(virStoragePool) pool =
        virtReplicationPeerAdd(client->conn, argv[0], argv[1], argv[2], replPeerRegion, 0);

    if (!pool)
        return replClientFail();
    if (virStoragePoolCreate(pool, 0) < 0 || virStoragePoolSetAutostart(pool, 1) < 0)
        return replClientFailWith(argv[0], virGetLastError());
    replClientSay(client,
                  _("Storage pool '%s' shows pool '%s' of %s. 'virt-replicate peer test %s' tries it."),
                  argv[0], argv[2], argv[1], argv[0]);
    return REPL_EXIT_DONE;
}

static int
replPeerTestNamed(ReplClient *client, const char *name)
{
    g_autoptr(virStoragePool) pool = replTargetPool(client, name);
    g_autoptr(virtReplicationRegion) region = NULL;

    if (!pool)
        return REPL_EXIT_FAILED;
    if (!(region = replPeerReach(pool)))
        return replClientFail();
    if (!region->peerURI)
        return replClientError(_("Storage pool '%s' is on this host"), name);
    if (!region->active)
        return replClientError(_("Storage pool '%s' is not active: 'virsh pool-start %s' starts it"), name,
                               name);
    return replPeerTest(client, pool, region);
}

static int
replPeerRun(ReplClient *client, int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[0], "add") == 0)
        return replPeerAdd(client, argv + 1);
    if (argc == 2 && strcmp(argv[0], "test") == 0)
        return replPeerTestNamed(client, argv[1]);
    if (argc > 0 && !replWordsOneOf("peer", argv[0], (const char *const[]){"add", "test", NULL}))
        return REPL_EXIT_FAILED;
    return replClientError(_("Usage: virt-replicate peer [add NAME URI POOL | test NAME]"));
}

static const GOptionEntry replPeerEntries[] = {
    {"region", 0, 0, G_OPTION_ARG_STRING, &replPeerRegion,
     N_("add: region, if not the one that the pool has there"), N_("REGION")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdPeer = {
    .name = "peer",
    .args = "add NAME URI POOL | test NAME",
    .summary = N_("add a region that is on another host; test the way to it"),
    .examples =
        (const char *const[]){
            "virt-replicate peer add shanghai qemu+ssh://root@sh1.example.org/system images",
            "virt-replicate peer test shanghai", NULL},
    .entries = replPeerEntries,
    .min = 1,
    .max = 4,
    .run = replPeerRun,
};
