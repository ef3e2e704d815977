/*
 * test_xml.c: what clients may send, and what the stock driver gets of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "xml_samples.h"

/* Not ours, whatever it is: the same text comes back. */
static const struct {
    const char *name;
    const char *xml;
    const char *volume; /* its <name> as it is read */
} notOurs[] = {
    {"volume", "<volume><name>a</name></volume>", "a"},
    {"comment", "<?xml version='1.0'?><!-- x --><volume>\n<name>a&amp;b</name></volume><!-- y -->", "a&b"},
    {"malformed", "<volume><name>a</name>", NULL},
    {"nothing", "", NULL},
    {"text", "no XML at all \xff\xfe", NULL},
    {"other-root", "<domain><name>a</name></domain>", NULL},
    {"foreign", "<volume><name>a</name><metadata><x:y xmlns:x='urn:x'/></metadata></volume>", "a"},
    {"declared", "<volume " NS "><name>a</name></volume>", "a"},
    {"only-text", "<volume><name>a</name><!-- " REPL_NAMESPACE " --></volume>", "a"},
    {"prefixed-name", "<volume><x:name xmlns:x='urn:x'>b</x:name><name>a</name></volume>", "a"},
    /* What stands in an entity is not looked at, by libvirt neither. */
    {"entity-name", "<!DOCTYPE v [<!ENTITY e '.repli'>]><volume><name>&e;cation</name></volume>",
     ".replication"},
    {"in-entity",
     "<!DOCTYPE volume [<!ENTITY e '<r:replicate xmlns:r=\"urn:libvirt&#45;replication:1.0\"/>'>]>"
     "<volume><name>a</name><metadata>&e;</metadata></volume>",
     "a"},
    {"bomb",
     "<!DOCTYPE v [<!ENTITY a 'lollollollollollollol'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
     "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
     "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"
     "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>]><volume><name>&g;</name></volume>",
     NULL},
    {"external",
     "<!DOCTYPE v [<!ENTITY p SYSTEM 'file:///etc/passwd'>]><volume><key>&p;</key><name>a</name></volume>",
     "a"},
};

static void
testNotOurs(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) vol = replVolXmlParse(notOurs[i].xml, &err);
    g_autoptr(ReplPoolXml) pool = replPoolXmlParse(notOurs[i].xml, &err);

    g_assert_no_error(err);
    g_assert_false(vol->hasOurs);
    g_assert_cmpstr(vol->stock, ==, notOurs[i].xml);
    g_assert_cmpstr(vol->name, ==, notOurs[i].volume);
    g_assert_null(vol->request);
    g_assert_null(vol->update);
    g_assert_false(pool->hasOurs);
    g_assert_cmpstr(pool->stock, ==, notOurs[i].xml);
    g_assert_null(pool->label);
}

/* What the stock driver gets. */
static const struct {
    const char *name;
    const char *in;
    const char *out;
} stripped[] = {
    {"only", POOL("<r:region " NS " name='a'/>"),
     "<pool type=\"dir\">\n  <name>beijing</name>\n  <uuid>7c7a4b4c-6f4e-4f7e-9f5e-0d5f8d1b2c3a</uuid>\n"
     "  <target>\n    <path>/srv/b</path>\n  </target>\n</pool>\n"},
    {"foreign-stays", "<pool><metadata><x/><r:region " NS " name='a'/></metadata></pool>",
     "<pool><metadata><x/></metadata></pool>\n"},
    {"text-stays", "<pool><metadata>x<r:region " NS " name='a'/></metadata></pool>",
     "<pool><metadata>x</metadata></pool>\n"},
    {"two-metadata",
     "<pool><metadata><r:region " NS " name='a'/></metadata><name>n</name><metadata><x/></metadata></pool>",
     "<pool><name>n</name><metadata><x/></metadata></pool>\n"},
    {"namespace-on-root",
     "<pool " NS " xmlns:fs='urn:fs'><fs:x/><metadata><r:region name='a'/></metadata></pool>",
     "<pool xmlns:fs=\"urn:fs\"><fs:x/></pool>\n"},
    {"around-root",
     "<?xml version='1.0' encoding='UTF-8'?><!-- </pool> --><pool><name>n\xc3\xa4</name>"
     "<metadata><r:region " NS " name='a'/></metadata></pool><!-- </pool> -->",
     "<pool><name>n\xc3\xa4</name></pool>\n"},
    {"usage-only",
     "<pool><metadata><r:usage " NS "><anything r:goes='here'>x</anything></r:usage></metadata></pool>",
     "<pool/>\n"},
};

static void
testStripped(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParse(stripped[i].in, &err);

    g_assert_no_error(err);
    g_assert_true(xml->hasOurs);
    g_assert_cmpstr(xml->stock, ==, stripped[i].out);
}

static void
testLabel(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParse(
        POOL("<r:region " NS " name='cn-north-1' project='p.1'><!-- c -->"
             "<r:quota images='0' bytes='9223372036854775807'/><r:usage x='y'><z/></r:usage></r:region>"),
        &err);

    g_assert_no_error(err);
    g_assert_cmpstr(xml->name, ==, "beijing");
    g_assert_cmpstr(xml->uuid, ==, "7c7a4b4c-6f4e-4f7e-9f5e-0d5f8d1b2c3a");
    g_assert_cmpstr(xml->type, ==, "dir");
    g_assert_cmpstr(xml->targetPath, ==, "/srv/b");
    g_assert_cmpstr(xml->label->name, ==, "cn-north-1");
    g_assert_cmpstr(xml->label->project, ==, "p.1");
    g_assert_cmpint(xml->label->quota.images, ==, 0);
    g_assert_cmpint(xml->label->quota.snapshots, ==, -1);
    g_assert_cmpint(xml->label->quota.bytes, ==, G_MAXINT64);
}

static void
testLabelDefaults(void)
{
    g_autoptr(ReplPoolXml) xml =
        replPoolXmlParse(POOL("<region xmlns='" REPL_NAMESPACE "' name='a'/>"), NULL);

    g_assert_cmpstr(xml->label->project, ==, "default");
    g_assert_cmpint(xml->label->quota.images, ==, -1);
    g_assert_cmpint(xml->label->quota.bytes, ==, -1);
}

/* As XPath's string(./target/path) has it. */
static void
testStockFields(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParseStock(
        "<pool type='fs'><name>a&lt;b</name><name>c</name><target/><target><path>/x y</path></target>"
        "</pool>",
        &err);
    g_autoptr(ReplPoolXml) broken = replPoolXmlParseStock("<pool>", &err);

    g_assert_cmpstr(xml->name, ==, "a<b");
    g_assert_null(xml->uuid);
    g_assert_cmpstr(xml->type, ==, "fs");
    g_assert_cmpstr(xml->targetPath, ==, "/x y");
    g_assert_null(broken);
    g_assert_error(err, REPL_ERROR, VIR_ERR_XML_ERROR);
}

static void
testRequestDefaults(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml =
        replVolXmlParse("<volume><metadata><r:replicate " NS "/></metadata></volume>", &err);
    const ReplRequest *req;

    g_assert_no_error(err);
    req = xml->request;
    g_assert_true(xml->hasOurs);
    g_assert_cmpstr(xml->stock, ==, "<volume/>\n");
    g_assert_null(xml->name);
    g_assert_null(req->name);
    g_assert_null(req->format);
    g_assert_false(req->async);
    g_assert_true(req->start);
    g_assert_cmpint(req->snapshots, ==, REPL_SNAPSHOTS_KEEP);
    g_assert_cmpint(req->encryption, ==, REPL_ENCRYPTION_KEEP);
    g_assert_cmpint(req->rekey, ==, REPL_REKEY_FULL);
    g_assert_false(req->fastCreate);
    g_assert_null(req->token);
    g_assert_null(req->description);
    g_assert_cmpuint(req->bandwidth_bytesPerSec, ==, 0);
    g_assert_null(req->secret.uuid);
    g_assert_null(req->secret.usage);
}

static void
testRequestAll(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(
        "<volume><name>web.qcow2</name><target><format type='qcow2'/>"
        "<encryption format='luks' engine='qemu'>"
        "<secret type='passphrase' uuid='5E1A4F6E5D8D4B53A4AB0F2C2A1F8B7E'/>"
        "<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64' hash='sha1'/>"
        "</encryption></target><metadata><r:replicate " NS " async='yes' start='no' snapshots='flatten' "
        "encryption='target' rekey='slot' fast-create='yes' token='a b/\xc3\xa4'>"
        "<r:bandwidth unit='KB/s'> 7 </r:bandwidth><r:description>a &lt;b&gt;\n c</r:description>"
        "</r:replicate></metadata></volume>",
        &err);
    const ReplRequest *req;

    g_assert_no_error(err);
    req = xml->request;
    g_assert_cmpstr(xml->name, ==, "web.qcow2");
    g_assert_cmpstr(req->name, ==, "web.qcow2");
    g_assert_cmpstr(req->format, ==, "qcow2");
    g_assert_true(req->async);
    g_assert_false(req->start);
    g_assert_cmpint(req->snapshots, ==, REPL_SNAPSHOTS_FLATTEN);
    g_assert_cmpint(req->encryption, ==, REPL_ENCRYPTION_TARGET);
    g_assert_cmpint(req->rekey, ==, REPL_REKEY_SLOT);
    g_assert_true(req->fastCreate);
    g_assert_cmpstr(req->token, ==, "a b/\xc3\xa4");
    g_assert_cmpstr(req->description, ==, "a <b>\n c");
    g_assert_cmpuint(req->bandwidth_bytesPerSec, ==, 7000);
    g_assert_cmpstr(req->secret.uuid, ==, "5e1a4f6e-5d8d-4b53-a4ab-0f2c2a1f8b7e");
    g_assert_null(req->secret.usage);
    g_assert_cmpstr(req->cipherName, ==, "aes");
    g_assert_cmpuint(req->cipherSize_bits, ==, 256);
    g_assert_cmpstr(req->cipherMode, ==, "xts");
    g_assert_cmpstr(req->cipherHash, ==, "sha256");
    g_assert_cmpstr(req->ivgenName, ==, "plain64");
    g_assert_cmpstr(req->ivgenHash, ==, "sha1");
}

static void
testRequestEncryption(void)
{
    static const struct {
        const char *xml;
        ReplEncryptionMode mode;
    } cases[] = {
        {TARGET(LUKS(SECRET), ""), REPL_ENCRYPTION_TARGET},
        {TARGET(LUKS(SECRET), "encryption='keep'"), REPL_ENCRYPTION_TARGET},
        {TARGET(LUKS(SECRET), "rekey='slot'"), REPL_ENCRYPTION_TARGET},
        {TARGET("", "encryption='default' rekey='slot'"), REPL_ENCRYPTION_DEFAULT},
        {TARGET("", "encryption='none'"), REPL_ENCRYPTION_NONE},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplVolXml) xml = replVolXmlParse(cases[i].xml, &err);

        g_assert_no_error(err);
        g_assert_cmpint(xml->request->encryption, ==, cases[i].mode);
    }
}

static void
testBandwidthUnits(void)
{
    static const struct {
        const char *text;
        guint64 bytesPerSec;
    } cases[] = {
        {"<r:bandwidth>3</r:bandwidth>", 3 << 20},
        {"<r:bandwidth unit='B/s'>3</r:bandwidth>", 3},
        {"<r:bandwidth unit='bytes/s'>3</r:bandwidth>", 3},
        {"<r:bandwidth unit='k/s'>3</r:bandwidth>", 3 << 10},
        {"<r:bandwidth unit='KiB/s'>3</r:bandwidth>", 3 << 10},
        {"<r:bandwidth unit='KB/s'>3</r:bandwidth>", 3000},
        {"<r:bandwidth unit='mib/s'>3</r:bandwidth>", 3 << 20},
        {"<r:bandwidth unit='MB/s'>3</r:bandwidth>", 3000000},
        {"<r:bandwidth unit='GiB/s'>3</r:bandwidth>", G_GUINT64_CONSTANT(3) << 30},
        {"<r:bandwidth unit='TB/s'>3</r:bandwidth>", G_GUINT64_CONSTANT(3000000000000)},
        {"<r:bandwidth unit='EiB/s'>7</r:bandwidth>", G_GUINT64_CONSTANT(7) << 60},
        {"<r:bandwidth unit='B/s'>9223372036854775807</r:bandwidth>", G_MAXINT64},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("<volume><name>v</name><metadata><r:update " NS
                                                ">%s</r:update></metadata></volume>",
                                                cases[i].text);
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplVolXml) xml = replVolXmlParse(text, &err);

        g_assert_no_error(err);
        g_assert_cmpuint(xml->update->bandwidth_bytesPerSec, ==, cases[i].bytesPerSec);
    }
}

static void
testUpdate(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(
        UPDATE("<r:job action='retry'/><r:share project='p2' state='revoked'/><r:type>\n iso </r:type>"
               "<r:description/><r:name>Web &amp; more</r:name><r:bandwidth>0</r:bandwidth>"),
        &err);
    const ReplUpdate *update;

    g_assert_no_error(err);
    update = xml->update;
    g_assert_null(xml->request);
    g_assert_cmpstr(update->volume, ==, "web.qcow2");
    g_assert_cmpstr(update->name, ==, "Web & more");
    g_assert_cmpstr(update->description, ==, "");
    g_assert_cmpint(update->type, ==, REPL_IMAGE_TYPE_ISO);
    g_assert_cmpstr(update->share->project, ==, "p2");
    g_assert_cmpint(update->share->state, ==, REPL_SHARE_REVOKED);
    g_assert_cmpint(update->verb, ==, REPL_VERB_RETRY);
    g_assert_cmpint(update->bandwidth_bytesPerSec, ==, 0);
}

static void
testUpdateLeaves(void)
{
    g_autoptr(ReplVolXml) xml = replVolXmlParse(UPDATE("<r:job action='retry'/>"), NULL);

    g_assert_null(xml->update->name);
    g_assert_null(xml->update->description);
    g_assert_null(xml->update->share);
    g_assert_cmpint(xml->update->type, ==, REPL_IMAGE_TYPE_UNKNOWN);
    g_assert_cmpint(xml->update->verb, ==, REPL_VERB_RETRY);
    g_assert_cmpint(xml->update->bandwidth_bytesPerSec, ==, -1);
}

/* A dumpxml that is fed back, with an output of a later version in it. */
static void
testImageIgnored(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(
        VOLUME("<r:image " NS " id='?' r:new='1'><r:replicate/><x/>text</r:image><r:image " NS "/>"), &err);

    g_assert_no_error(err);
    g_assert_true(xml->hasOurs);
    g_assert_null(xml->request);
    g_assert_cmpstr(xml->stock, ==, "<volume><name>web.qcow2</name></volume>\n");
}

static void
testLimits(void)
{
    g_autofree char *name = g_strnfill(255, 'n');
    g_autofree char *text = g_strnfill(4096, 't');
    g_autofree char *good =
        g_strdup_printf(UPDATE("<r:name>%s</r:name><r:description>%s</r:description>"), name, text);
    g_autofree char *longName = g_strdup_printf(UPDATE("<r:name>%sx</r:name>"), name);
    g_autofree char *longText = g_strdup_printf(REQUEST("", "<r:description>%sx</r:description>"), text);
    g_autoptr(ReplVolXml) xml = replVolXmlParse(good, NULL);
    g_autoptr(GError) nameErr = NULL;
    g_autoptr(GError) textErr = NULL;

    g_assert_nonnull(xml);
    g_assert_null(replVolXmlParse(longName, &nameErr));
    g_assert_error(nameErr, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_assert_nonnull(strstr(nameErr->message, "<replication:name> is longer than 255 bytes"));
    g_assert_null(replVolXmlParse(longText, &textErr));
    g_assert_error(textErr, REPL_ERROR, VIR_ERR_INVALID_ARG);
    g_assert_nonnull(strstr(textErr->message, "<replication:description> is longer than 4096 bytes"));
}

static void
testHuge(void)
{
    g_autofree char *blanks = g_strnfill(REPL_XML_MAX_bytes, ' ');
    g_autofree char *foreign = g_strdup_printf("<volume>%s</volume>", blanks);
    g_autofree char *ours =
        g_strdup_printf("<volume>%s<metadata><r:replicate " NS "/></metadata></volume>", blanks);
    g_autoptr(ReplVolXml) xml = replVolXmlParse(foreign, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_false(xml->hasOurs);
    g_assert_cmpstr(xml->stock, ==, foreign);
    g_assert_null(replVolXmlParse(ours, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_XML_ERROR);
    g_assert_nonnull(strstr(err->message, "longer than"));
}

static gpointer
parseOften(gpointer opaque)
{
    int i;

    for (i = 0; i < 300; i++) {
        g_autoptr(ReplVolXml) good = replVolXmlParse(REQUEST("async='yes'", ""), NULL);
        g_autoptr(ReplPoolXml) bad = replPoolXmlParse(POOL("<r:region " NS "/>"), NULL);

        if (!good || !good->request || !good->request->async || bad)
            return NULL;
    }
    return opaque;
}

static void
testThreads(void)
{
    GThread *threads[4];
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("xml", parseOften, threads);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_true(g_thread_join(threads[i]) == threads);
}

int
main(int argc, char **argv)
{
    gsize i;

    g_test_init(&argc, &argv, NULL);
    /* As the daemon does while it starts: libxml2 sets itself up without a lock. */
    g_assert_true(replXmlInit(NULL));
    for (i = 0; i < G_N_ELEMENTS(notOurs); i++) {
        g_autofree char *path = g_strdup_printf("/xml/not-ours/%s", notOurs[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), testNotOurs);
    }
    for (i = 0; i < G_N_ELEMENTS(stripped); i++) {
        g_autofree char *path = g_strdup_printf("/xml/stripped/%s", stripped[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), testStripped);
    }
    g_test_add_func("/xml/label", testLabel);
    g_test_add_func("/xml/label-defaults", testLabelDefaults);
    g_test_add_func("/xml/stock-fields", testStockFields);
    g_test_add_func("/xml/request-defaults", testRequestDefaults);
    g_test_add_func("/xml/request-all", testRequestAll);
    g_test_add_func("/xml/request-encryption", testRequestEncryption);
    g_test_add_func("/xml/bandwidth-units", testBandwidthUnits);
    g_test_add_func("/xml/update", testUpdate);
    g_test_add_func("/xml/update-leaves", testUpdateLeaves);
    g_test_add_func("/xml/image-ignored", testImageIgnored);
    g_test_add_func("/xml/limits", testLimits);
    g_test_add_func("/xml/huge", testHuge);
    g_test_add_func("/xml/threads", testThreads);
    return g_test_run();
}
