/*
 * test_peer_xml.c: pools of type region, and what peers format
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "peer/announce.h"
#include "xml/peerfacts.h"
#include "xml/peerxml.h"
#include "xml/regionpool.h"
#include "xml/xml.h"

#define NS "xmlns:r='" REPL_NAMESPACE "'"
#define UUID "4a8d0a8e-5fb3-4a4d-8f32-3d4d6a9a9b10"
#define SOURCE "<source><host name='b'/><name>images</name></source>"

static void
testMinimal(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplRegionPool) pool =
        replRegionPoolParse("<pool type='region'><name>s</name>" SOURCE "</pool>", &err);
    g_autofree char *xml = NULL;

    g_assert_no_error(err);
    g_assert_cmpstr(pool->name, ==, "s");
    g_assert_cmpstr(pool->host, ==, "b");
    g_assert_cmpstr(pool->source, ==, "images");
    g_assert_null(pool->uuid);
    g_assert_null(pool->uri);
    g_assert_null(pool->region);
    xml = replRegionPoolFormat(pool, NULL);
    g_assert_cmpstr(xml, ==,
                    "<pool type='region'>\n  <name>s</name>\n  <source>\n    <host name='b'/>\n"
                    "    <name>images</name>\n  </source>\n</pool>\n");
}

/* What a definition formats is the same definition. */
static void
testRound(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplRegionPool) pool = replRegionPoolParse(
        "<pool type='region'><name>s&lt;h</name><uuid>4A8D0A8E5fb34a4d8f323d4d6a9a9b10</uuid>"
        "<source><host name='b' port='99'/><name>im'ages</name></source><metadata>"
        "<r:region " NS " name='cn-east-2' project='p'><r:peer uri='qemu+ssh://b/system'/></r:region>"
        "<x:other xmlns:x='urn:x'/></metadata></pool>",
        &err);
    g_autoptr(ReplRegionPool) copy = NULL;
    g_autoptr(ReplRegionPool) again = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    g_assert_no_error(err);
    g_assert_cmpstr(pool->uuid, ==, UUID);
    g_assert_cmpuint(pool->port, ==, 99);
    g_assert_cmpstr(pool->region, ==, "cn-east-2");
    g_assert_cmpstr(pool->project, ==, "p");
    g_assert_cmpstr(pool->uri, ==, "qemu+ssh://b/system");
    copy = replRegionPoolCopy(pool);
    first = replRegionPoolFormat(copy, NULL);
    again = replRegionPoolParse(first, &err);
    g_assert_no_error(err);
    second = replRegionPoolFormat(again, NULL);
    g_assert_cmpstr(first, ==, second);
    g_assert_cmpstr(again->name, ==, "s<h");
    g_assert_cmpstr(again->source, ==, "im'ages");
}

/* What is shown is accepted and ignored when it comes back. */
static void
testShown(void)
{
    const ReplRegionPoolShown shown = {
        .sized = TRUE,
        .capacity_bytes = 10,
        .allocation_bytes = 4,
        .available_bytes = 6,
        .region = "cn-east-2",
        .project = "p",
        .uri = "storage+tls://b/system",
        .state = "away",
        .error = "it's \"gone\" <",
        .since_s = 1700000000,
        .inner = "      <replication:usage images='1' snapshots='0' bytes='2'/>\n",
    };
    g_autoptr(ReplRegionPool) pool =
        replRegionPoolParse("<pool type='region'><name>s</name>" SOURCE "</pool>", NULL);
    g_autofree char *xml = replRegionPoolFormat(pool, &shown);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplRegionPool) again = replRegionPoolParse(xml, &err);

    g_assert_no_error(err);
    g_assert_nonnull(strstr(xml, "<capacity unit='bytes'>10</capacity>"));
    g_assert_nonnull(strstr(xml, "state='away' since='1700000000' error='it"));
    g_assert_nonnull(strstr(xml, "<replication:usage images='1'"));
    g_assert_cmpstr(again->region, ==, "cn-east-2");
    g_assert_cmpstr(again->uri, ==, "storage+tls://b/system");
}

static const struct {
    const char *name;
    const char *xml;
    int code;
    const char *says;
} bad[] = {
    {"no-name", "<pool type='region'>" SOURCE "</pool>", VIR_ERR_XML_ERROR, "<name>"},
    {"no-source", "<pool type='region'><name>s</name></pool>", VIR_ERR_XML_ERROR, "<source>"},
    {"no-pool", "<pool type='region'><name>s</name><source><host name='b'/></source></pool>",
     VIR_ERR_XML_ERROR, "<source>"},
    {"no-host", "<pool type='region'><name>s</name><source><name>i</name></source></pool>", VIR_ERR_XML_ERROR,
     "<host>"},
    {"slash", "<pool type='region'><name>a/b</name>" SOURCE "</pool>", VIR_ERR_XML_ERROR, "schema"},
    {"uuid", "<pool type='region'><name>s</name><uuid>x</uuid>" SOURCE "</pool>", VIR_ERR_XML_ERROR, "UUID"},
    {"port",
     "<pool type='region'><name>s</name><source><host name='b' port='65536'/><name>i</name></source></pool>",
     VIR_ERR_INVALID_ARG, "65536"},
    {"target", "<pool type='region'><name>s</name>" SOURCE "<target><path>/x</path></target></pool>",
     VIR_ERR_XML_ERROR, "target"},
    {"device",
     "<pool type='region'><name>s</name><source><host name='b'/><device path='/x'/><name>i</name>"
     "</source></pool>",
     VIR_ERR_XML_ERROR, "schema"},
    {"peer-twice",
     "<pool type='region'><name>s</name>" SOURCE "<metadata><r:region " NS "><r:peer uri='a'/>"
     "<r:peer uri='b'/></r:region></metadata></pool>",
     VIR_ERR_XML_ERROR, "more than once"},
    {"peer-attr",
     "<pool type='region'><name>s</name>" SOURCE "<metadata><r:region " NS "><r:peer uri='a' key='b'/>"
     "</r:region></metadata></pool>",
     VIR_ERR_XML_ERROR, "'key'"},
    {"peer-none",
     "<pool type='region'><name>s</name>" SOURCE "<metadata><r:region " NS "><r:peer/>"
     "</r:region></metadata></pool>",
     VIR_ERR_XML_ERROR, "uri"},
    {"label",
     "<pool type='region'><name>s</name>" SOURCE "<metadata><r:region " NS " name='a b'/>"
     "</metadata></pool>",
     VIR_ERR_INVALID_ARG, "'a b'"},
    {"unknown", "<pool type='region'><name>s</name>" SOURCE "<metadata><r:what " NS "/></metadata></pool>",
     VIR_ERR_XML_ERROR, "replication:what"},
    {"malformed", "<pool type='region'><name>s</name>", VIR_ERR_XML_ERROR, "malformed"},
};

static void
testBad(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplRegionPool) pool = replRegionPoolParse(bad[i].xml, &err);

    g_assert_null(pool);
    g_assert_error(err, REPL_ERROR, bad[i].code);
    if (!strstr(err->message, bad[i].says))
        g_error("'%s' does not say '%s'", err->message, bad[i].says);
}

static gboolean
isOpen(const char *volume, void *opaque)
{
    return g_str_has_prefix(volume, opaque);
}

static void
testPeerPoolHidden(void)
{
    g_autoptr(ReplPeerPoolXml) xml = replPeerPoolXmlParse(
        "<pool type='dir'><name>i</name><metadata><r:region " NS " name='r'><r:usage images='2'/>"
        "<r:job id='x' volume='dark.qcow2'/><r:job id='y' volume='open.qcow2'/>"
        "<r:images><r:image id='1' volume='dark.img'/><r:image id='2' volume='open.img'/></r:images>"
        "</r:region></metadata></pool>",
        isOpen, (void *)"open", NULL);

    g_assert_nonnull(xml);
    g_assert_null(strstr(xml->inner, "dark"));
    g_assert_nonnull(strstr(xml->inner, "open.qcow2"));
    g_assert_nonnull(strstr(xml->inner, "open.img"));
    g_assert_nonnull(strstr(xml->inner, "usage"));
}

static void
testPeerPool(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerPoolXml) xml = replPeerPoolXmlParse(
        "<pool type='dir'><name>images</name><capacity unit='bytes'>100</capacity><allocation>40</allocation>"
        "<available>60</available><target><path>/srv/i</path></target><metadata>"
        "<r:region " NS " name='cn-east-2' project='p'><r:quota images='3'/><r:usage images='1'/>"
        "<r:job id='x' token='secret'/></r:region></metadata></pool>",
        NULL, NULL, &err);
    g_autoptr(ReplPeerPoolXml) stock =
        replPeerPoolXmlParse("<pool type='fs'><name>i</name></pool>", NULL, NULL, NULL);

    g_assert_no_error(err);
    g_assert_cmpstr(xml->type, ==, "dir");
    g_assert_cmpstr(xml->path, ==, "/srv/i");
    g_assert_cmpuint(xml->capacity_bytes, ==, 100);
    g_assert_cmpuint(xml->available_bytes, ==, 60);
    g_assert_cmpstr(xml->region, ==, "cn-east-2");
    g_assert_cmpstr(xml->project, ==, "p");
    g_assert_nonnull(strstr(xml->inner, "usage"));
    g_assert_nonnull(strstr(xml->inner, "quota"));
    g_assert_null(strstr(xml->inner, "secret"));
    g_assert_null(stock->region);
    g_assert_null(stock->inner);
    g_assert_null(replPeerPoolXmlParse("no XML", NULL, NULL, NULL));
}

static void
testPeerVol(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *xml = replPeerVolXml(
        "<volume type='file'>\n  <name>web&amp;.qcow2</name>\n  <key>/srv/i/web&amp;.qcow2</key>\n"
        "  <target>\n    <path>/srv/i/web&amp;.qcow2</path>\n  </target>\n"
        "  <backingStore>\n    <path>/srv/i/base.qcow2</path>\n    "
        "<backingStore><path>/srv/ix/b</path></backingStore>\n"
        "  </backingStore>\n  <metadata><r:image " NS " id='x' token='secret'/></metadata>\n</volume>\n",
        "shanghai", UUID, "/srv/i/", &err);

    g_assert_no_error(err);
    g_assert_nonnull(strstr(xml, "<key>replication:" UUID "/web&amp;.qcow2</key>"));
    g_assert_nonnull(strstr(xml, "<path>replication://shanghai/web&amp;.qcow2</path>"));
    g_assert_nonnull(strstr(xml, "<path>replication://shanghai/base.qcow2</path>"));
    g_assert_nonnull(strstr(xml, "<path>replication://shanghai/srv/ix/b</path>"));
    g_assert_null(strstr(xml, "secret"));
    g_assert_null(replPeerVolXml("<pool/>", "s", UUID, NULL, NULL));
    g_assert_null(replPeerVolXml("<volume/>", "s", UUID, NULL, NULL));
}

static void
testNames(void)
{
    static const char *const noKeys[] = {"",
                                         "replication:",
                                         "replication:" UUID,
                                         "replication:" UUID "/",
                                         "replication:x/a",
                                         "replication://pool/a",
                                         "/srv/a",
                                         UUID "/a"};
    static const char *const noPaths[] = {"",
                                          "replication://",
                                          "replication:///a",
                                          "replication://p",
                                          "replication://p/",
                                          "replication:" UUID "/a",
                                          "/srv/a"};
    g_autofree char *key = replPeerVolKey(UUID, "a b");
    g_autofree char *path = replPeerVolPath("p", "a b");
    g_autofree char *pool = NULL;
    g_autofree char *vol = NULL;
    g_autofree char *pool2 = NULL;
    g_autofree char *vol2 = NULL;
    guint i;

    g_assert_true(replPeerVolKeyParse(key, &pool, &vol));
    g_assert_cmpstr(pool, ==, UUID);
    g_assert_cmpstr(vol, ==, "a b");
    g_assert_true(replPeerVolPathParse(path, &pool2, &vol2));
    g_assert_cmpstr(pool2, ==, "p");
    g_assert_cmpstr(vol2, ==, "a b");
    for (i = 0; i < G_N_ELEMENTS(noKeys); i++) {
        char *a, *b;

        g_assert_false(replPeerVolKeyParse(noKeys[i], &a, &b));
    }
    for (i = 0; i < G_N_ELEMENTS(noPaths); i++) {
        char *a, *b;

        g_assert_false(replPeerVolPathParse(noPaths[i], &a, &b));
    }
}

static void
testAnnounce(void)
{
    const char *stock = "<storagepoolCapabilities>\n  <pool type='dir' supported='yes'>\n  </pool>\n"
                        "</storagepoolCapabilities>\n";
    const ReplAnnounced ours = {(char *)UUID, (char *)"1 2", TRUE};
    g_autofree char *xml = replAnnounceInsert(stock, &ours);
    g_autofree char *older = g_strdup(xml);
    g_auto(ReplAnnounced) read = {0};
    char *serves = strstr(older, " serve-hosts='yes'");

    replAnnounceRead(stock, &read);
    g_assert_null(read.daemonId);
    g_assert_null(read.wireVersions);
    replAnnounceRead("nonsense", &read);
    g_assert_null(read.daemonId);
    replAnnounceRead(xml, &read);
    g_assert_cmpstr(read.daemonId, ==, UUID);
    g_assert_cmpstr(read.wireVersions, ==, "1 2");
    g_assert_true(read.servesHosts);
    replAnnouncedClear(&read);
    memset(serves, ' ', strlen(" serve-hosts='yes'"));
    replAnnounceRead(older, &read);
    g_assert_cmpstr(read.daemonId, ==, UUID);
    g_assert_false(read.servesHosts);
}

/* What libvirt says of a volume's file, and what it may leave out or get wrong. */
static void
testVolFacts(void)
{
    static const char good[] =
        "<volume><name>a</name><allocation unit='bytes'>4096</allocation><target><format type='qcow2'/>"
        "<timestamps><mtime>%s</mtime><ctime>12</ctime></timestamps></target></volume>";
    static const char *const times[] = {"1341933637.012345678", "7", "-1", "1.",
                                        "1.1234567890",         "x", "",   "99999999999999999999"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autofree char *head = g_strndup(good, strstr(good, "%s") - good);
        g_autofree char *xml = g_strconcat(head, times[i], strstr(good, "%s") + 2, NULL);
        g_auto(ReplPeerVolFacts) facts = {0};
        g_autoptr(GError) err = NULL;
        int rc = replPeerVolFactsParse(xml, &facts, &err);

        g_assert_cmpint(rc, ==, i < 2 ? 0 : -1);
        g_assert_true((rc == 0) == (err == NULL));
        if (i == 0)
            g_assert_cmpint(facts.mtime_ns, ==, G_GINT64_CONSTANT(1341933637012345678));
        if (rc == 0)
            g_assert_cmpstr(facts.format, ==, "qcow2");
    }
    {
        g_auto(ReplPeerVolFacts) facts = {0};

        g_assert_cmpint(replPeerVolFactsParse("<volume/>", &facts, NULL), <, 0);
        g_assert_cmpint(replPeerVolFactsParse("no XML", &facts, NULL), <, 0);
    }
}

int
main(int argc, char **argv)
{
    guint i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer/xml/minimal", testMinimal);
    g_test_add_func("/peer/xml/round", testRound);
    g_test_add_func("/peer/xml/shown", testShown);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *name = g_strdup_printf("/peer/xml/bad/%s", bad[i].name);

        g_test_add_data_func(name, GUINT_TO_POINTER(i), testBad);
    }
    g_test_add_func("/peer/xml/peer-pool", testPeerPool);
    g_test_add_func("/peer/xml/peer-pool/hidden", testPeerPoolHidden);
    g_test_add_func("/peer/xml/peer-vol", testPeerVol);
    g_test_add_func("/peer/xml/names", testNames);
    g_test_add_func("/peer/xml/vol-facts", testVolFacts);
    g_test_add_func("/peer/xml/announce", testAnnounce);
    return g_test_run();
}
