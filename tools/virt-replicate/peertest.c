/*
 * peertest.c: what is right, and what is not, with a region on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peertest.h"

#include <stdlib.h>
#include <string.h>

#include "jsonout.h"

#define REPL_PEER_LOOK_MAX 100 /* images that are asked which key they need */

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
    g_autofree char *text = NULL;

    if (!region->listed || !region->peerLibvirt) {
        replPeerCheck(report, "version", _("version"), -1, _("not known"));
        return;
    }
    text = g_strdup_printf(region->peerWire ? _("libvirt %s with the module: images, ids and jobs are shown")
                                            : _("stock libvirt %s, without the module"),
                           region->peerLibvirt);
    replPeerCheck(report, "version", _("version"), 1, text);
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

/* An image whose data can be asked for; NULL: there is none. */
static const virtReplicationImage *
replPeerReadable(const virtReplicationRegion *region)
{
    size_t i;

    for (i = 0; i < region->nimages; i++) {
        if (g_strcmp0(region->images[i]->status, VIRT_REPLICATION_STATUS_AVAILABLE) == 0)
            return region->images[i];
    }
    return NULL;
}

/* Reads the first byte of an image. Returns why that does not work, or NULL; the caller frees. */
static char *
replPeerReadByte(virConnectPtr conn, const virtReplicationImage *image)
{
    g_autoptr(virStorageVol) vol = virtReplicationImageGetVolume(conn, image);
    virStreamPtr stream = vol ? virStreamNew(conn, 0) : NULL;
    bool ok = false;
    char *why = NULL;
    char byte;

    if (!stream)
        return g_strdup(virGetLastErrorMessage());
    if (virStorageVolDownload(vol, stream, 0, 1, 0) == 0) {
        ok = virStreamRecv(stream, &byte, 1) >= 0;
        if (ok)
            ok = virStreamFinish(stream) == 0;
    }
    if (!ok) /* before other calls reset it */
        why = g_strdup(virGetLastErrorMessage());
    virStreamFree(stream);
    return why;
}

/* Listing and reading are tried; whether images may be written there is said by the plan of a first copy. */
static void
replPeerCheckRights(ReplPeerReport *report, virConnectPtr conn, const virtReplicationRegion *region)
{
    const virtReplicationImage *image = replPeerReadable(region);
    g_autofree char *why = image ? replPeerReadByte(conn, image) : NULL;

    if (!region->listed) {
        /* Without a link nothing is known of rights. */
        replPeerCheck(report, "rights", _("rights"), region->listError && report->failed == 0 ? 0 : -1,
                      region->listError && report->failed == 0 ? region->listError : _("not known"));
    } else if (!image) {
        replPeerCheck(report, "rights", _("rights"), 1, _("the pool may be listed; it has no image to read"));
    } else if (!why) {
        replPeerCheck(report, "rights", _("rights"), 1,
                      _("images may be listed and read; 'plan' says whether they may be written"));
    } else {
        g_autofree char *text = g_strdup_printf("%s: %s", image->volume, why);

        replPeerCheck(report, "rights", _("rights"), 0, text);
    }
}

/* Adds what keys the images there need. Each image is asked for: the first ones will do. */
static void
replPeerFindNeeded(virConnectPtr conn, const virtReplicationRegion *region, GHashTable *needed)
{
    size_t i;

    for (i = 0; i < MIN(region->nimages, REPL_PEER_LOOK_MAX); i++) {
        g_autoptr(virStorageVol) vol = virtReplicationImageGetVolume(conn, region->images[i]);
        g_autoptr(virtReplicationImage) image = vol ? virtReplicationImageGet(vol, 0) : NULL;

        if (image && (image->keyUsage || image->keyUUID))
            g_hash_table_add(needed, g_strdup(image->keyUsage ? image->keyUsage : image->keyUUID));
    }
}

/* Moves the keys that are here too from @needed to the text, "ims/a, ims/b". */
static char *
replPeerTakeHere(virtReplicationKey *const *keys, GHashTable *needed)
{
    GString *here = g_string_new(NULL);

    for (; *keys; keys++) {
        if (g_hash_table_remove(needed, (*keys)->usage) || g_hash_table_remove(needed, (*keys)->uuid))
            g_string_append_printf(here, "%s%s", here->len ? ", " : "", (*keys)->usage);
    }
    return g_string_free(here, FALSE);
}

static void
replPeerSayKeys(ReplPeerReport *report, virtReplicationKey *const *keys, int count, GHashTable *needed)
{
    g_autofree char *here = replPeerTakeHere(keys, needed);
    g_autofree char *text = NULL;

    if (g_hash_table_size(needed) > 0) {
        g_autofree char **names = (char **)g_hash_table_get_keys_as_array(needed, NULL);
        g_autofree char *missing = g_strjoinv(", ", names);

        text = g_strdup_printf(
            _("images there need keys that are not here: %s. 'virt-replicate keys create' makes "
              "them, with the same passphrases"),
            missing);
        replPeerCheck(report, "keys", _("keys"), 0, text);
    } else if (*here) {
        text = g_strdup_printf(
            _("the keys that images there need are here: %s; a copy checks that they are the same"), here);
        replPeerCheck(report, "keys", _("keys"), 1, text);
    } else {
        text = g_strdup_printf(ngettext("%d key here; an encrypted image needs the same key on the "
                                        "peer, and a copy checks that first",
                                        "%d keys here; an encrypted image needs the same key on the "
                                        "peer, and a copy checks that first",
                                        (unsigned long)count),
                               count);
        replPeerCheck(report, "keys", _("keys"), -1, text);
    }
}

/* Keys are never sent: the same ones have to be on both hosts. */
static void
replPeerCheckKeys(ReplPeerReport *report, ReplClient *client, const virtReplicationRegion *region)
{
    g_autoptr(GHashTable) needed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    virtReplicationKey **keys = NULL;
    int count, i;

    if (!replClientSecrets(client)) {
        replPeerCheck(report, "keys", _("keys"), 0, virGetLastErrorMessage());
        return;
    }
    if ((count = virtReplicationKeyList(client->secrets, &keys)) < 0) {
        replPeerCheck(report, "keys", _("keys"), 0, virtReplicationGetLastErrorMessage());
        return;
    }
    replPeerFindNeeded(client->conn, region, needed);
    replPeerSayKeys(report, keys, count, needed);
    for (i = 0; i < count; i++)
        virtReplicationKeyFree(keys[i]);
    free(keys);
}

int
replPeerTest(ReplClient *client, virStoragePoolPtr pool, const virtReplicationRegion *region)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    ReplPeerReport report = {.client = client, .json = json};

    json_builder_begin_object(json);
    replJsonString(json, "pool", region->pool);
    replPeerCheckLink(&report, pool, region);
    replPeerCheckVersion(&report, region);
    replPeerCheckWire(&report, client->conn, region);
    replPeerCheckServes(&report, region);
    replPeerCheckRights(&report, client->conn, region);
    replPeerCheckKeys(&report, client, region);
    json_builder_end_object(json);
    if (client->json)
        replJsonPrint(json);
    return report.failed > 0 ? REPL_EXIT_FAILED : REPL_EXIT_DONE;
}
