/*
 * cmd_peer.c: virt-replicate peer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "commands.h"
#include "jsonout.h"
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

typedef struct {
    ReplClient *client;
    JsonBuilder *json;
    size_t failed;
} ReplPeerReport;

/* One line of the report. @ok: 1, 0, or -1 for what is neither. */
static void
replPeerCheck(ReplPeerReport *report, const char *key, const char *title, int ok, const char *text)
{
    const ReplTerm *term = &report->client->out;
    const char *mark = ok > 0 ? _("ok") : ok == 0 ? _("FAILED") : "-";
    ReplColor color = ok > 0 ? REPL_COLOR_GOOD : ok == 0 ? REPL_COLOR_BAD : REPL_COLOR_DIM;

    json_builder_set_member_name(report->json, key);
    json_builder_begin_object(report->json);
    if (ok >= 0)
        replJsonBool(report->json, "ok", ok);
    replJsonString(report->json, "text", text);
    json_builder_end_object(report->json);
    report->failed += ok == 0;
    replClientSay(report->client, "%s%-8s%s %s: %s", replTermOn(term, color), mark, replTermOff(term, color),
                  title, text);
}

static void
replPeerCheckLink(ReplPeerReport *report, virStoragePoolPtr pool, const virtReplicationRegion *region)
{
    gint64 begin = g_get_monotonic_time();
    g_autofree char *text = NULL;
    bool connected = !region->peerState || strcmp(region->peerState, "connected") == 0;
    bool ok = connected && virStoragePoolNumOfVolumes(pool) >= 0;

    if (ok)
        text = g_strdup_printf(_("%s answers in %.1f ms"), region->peerURI,
                               (double)(g_get_monotonic_time() - begin) / 1000);
    else
        text = g_strdup_printf("%s: %s", region->peerURI,
                               region->peerError ? region->peerError : virGetLastErrorMessage());
    replPeerCheck(report, "link", _("link"), ok, text);
}

/* What is behind the link, and whether both ends speak one wire format. */
static void
replPeerCheckVersion(ReplPeerReport *report, const virtReplicationRegion *region)
{
    if (!region->listed)
        replPeerCheck(report, "version", _("version"), -1, _("not known"));
    else if (region->peerWire)
        replPeerCheck(report, "version", _("version"), 1,
                      _("the peer has the module: images, ids and jobs are shown"));
    else
        replPeerCheck(report, "version", _("version"), 1,
                      _("the peer is a stock libvirt, without the module"));
}

static void
replPeerCheckWire(ReplPeerReport *report, virConnectPtr conn, const virtReplicationRegion *region)
{
    g_autofree char *ours = virtReplicationGetModule(conn);
    g_auto(GStrv) here = g_strsplit(ours ? ours : "", " ", -1);
    g_auto(GStrv) there = g_strsplit(region->peerWire ? region->peerWire : "", " ", -1);
    g_autofree char *text = NULL;
    size_t i;

    if (!region->listed || !region->peerWire) {
        replPeerCheck(report, "wire", _("wire format"), -1, region->listed ? _("none") : _("not known"));
        return;
    }
    for (i = 0; here[i] && !text; i++) {
        if (g_strv_contains((const char *const *)there, here[i]))
            text = g_strdup_printf(_("version %s is spoken by both"), here[i]);
    }
    if (text) {
        replPeerCheck(report, "wire", _("wire format"), 1, text);
        return;
    }
    text = g_strdup_printf(_("no version is spoken by both: %s here, %s there"), ours ? ours : _("none"),
                           region->peerWire);
    replPeerCheck(report, "wire", _("wire format"), 0, text);
}

/* Without its administrator's word, a host with the module sends no image to another one and takes none. */
static void
replPeerCheckServes(ReplPeerReport *report, const virtReplicationRegion *region)
{
    if (!region->listed)
        replPeerCheck(report, "replication", _("replication"), -1, _("not known"));
    else if (!region->peerWire)
        replPeerCheck(
            report, "replication", _("replication"), 1,
            _("images travel as plain volumes; where both hosts have the module, they resume and send less"));
    else
        replPeerCheck(report, "replication", _("replication"), region->peerServes,
                      region->peerServes
                          ? _("the peer takes and gives images")
                          : _("the peer serves no other hosts: put 'serve_hosts = 1' into "
                              "/etc/libvirt/storage-replication.conf there, and reload its daemon"));
}

/* Reading is tried; what writing needs is said by the plan of a first copy. */
static void
replPeerCheckRights(ReplPeerReport *report, virConnectPtr conn, const virtReplicationRegion *region)
{
    g_autoptr(virStorageVol) vol = NULL;
    g_autofree char *xml = NULL;

    if (!region->listed) {
        /* Without a link nothing is known of rights. */
        replPeerCheck(report, "rights", _("rights"), region->listError && report->failed == 0 ? 0 : -1,
                      region->listError && report->failed == 0 ? region->listError : _("not known"));
        return;
    }
    if (region->nimages == 0) {
        replPeerCheck(report, "rights", _("rights"), 1, _("the pool may be listed; it is empty"));
        return;
    }
    vol = virtReplicationImageGetVolume(conn, region->images[0]);
    xml = vol ? virStorageVolGetXMLDesc(vol, 0) : NULL;
    replPeerCheck(report, "rights", _("rights"), xml != NULL,
                  xml ? _("images may be listed and read; 'plan' says whether they may be written")
                      : virGetLastErrorMessage());
}

/* Keys are never sent: the same ones have to be on both hosts. */
static void
replPeerCheckKeys(ReplPeerReport *report, ReplClient *client)
{
    virtReplicationKey **keys = NULL;
    g_autofree char *text = NULL;
    int count = replClientSecrets(client) ? virtReplicationKeyList(client->secrets, &keys) : -1;
    int i;

    if (count < 0) {
        replPeerCheck(report, "keys", _("keys"), 0, virtReplicationGetLastErrorMessage());
        return;
    }
    text = g_strdup_printf(ngettext("%d key here; an encrypted image needs the same key on the "
                                    "peer, and a copy checks that first",
                                    "%d keys here; an encrypted image needs the same key on the "
                                    "peer, and a copy checks that first",
                                    (unsigned long)count),
                           count);
    replPeerCheck(report, "keys", _("keys"), -1, text);
    for (i = 0; i < count; i++)
        virtReplicationKeyFree(keys[i]);
    g_free(keys);
}

static int
replPeerTest(ReplClient *client, const char *name)
{
    g_autoptr(virStoragePool) pool = replTargetPool(client, name);
    g_autoptr(virtReplicationRegion) region = NULL;
    g_autoptr(JsonBuilder) json = json_builder_new();
    ReplPeerReport report = {.client = client, .json = json};

    if (!pool)
        return REPL_EXIT_FAILED;
    if (!(region = replPeerReach(pool)))
        return replClientFail();
    if (!region->peerURI)
        return replClientError(_("Storage pool '%s' is on this host"), name);
    if (!region->active)
        return replClientError(_("Storage pool '%s' is not active: 'virsh pool-start %s' starts it"), name,
                               name);
    json_builder_begin_object(json);
    replJsonString(json, "pool", name);
    replPeerCheckLink(&report, pool, region);
    replPeerCheckVersion(&report, region);
    replPeerCheckWire(&report, client->conn, region);
    replPeerCheckServes(&report, region);
    replPeerCheckRights(&report, client->conn, region);
    replPeerCheckKeys(&report, client);
    json_builder_end_object(json);
    if (client->json)
        replJsonPrint(json);
    return report.failed > 0 ? REPL_EXIT_FAILED : REPL_EXIT_DONE;
}

static int
replPeerRun(ReplClient *client, int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[0], "add") == 0)
        return replPeerAdd(client, argv + 1);
    if (argc == 2 && strcmp(argv[0], "test") == 0)
        return replPeerTest(client, argv[1]);
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
