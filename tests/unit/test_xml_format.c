/*
 * test_xml_format.c: what we put out, judged by schemas and read back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "xml/doc.h"
#include "xml/schema.h"
#include "xml/regionpool.h"
#include "xml/xml.h"

#define ID1 "3b0f6b8e-6d7e-4d3f-9c37-3c8ef1f0a9d1"
#define ID2 "9a5c1c1e-2f43-4f0b-8c58-64a2f7a7d9f0"
#define SECRET "5e1a4f6e-5d8d-4b53-a4ab-0f2c2a1f8b7e"
#define JOB "d0a6fb23-7f0e-4ad5-b9ce-7b8a7f6f7f9d"
#define NS "xmlns:replication='" REPL_NAMESPACE "'"
#define LIBVIRT_SCHEMAS "/usr/share/libvirt/schemas/"

/* The <metadata> fragment, valid against the embedded schema of what is in it. */
static void
checkFragment(const char *fragment, ReplSchema schema)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(xmlDoc) doc = replDocParse(fragment, &err);

    g_assert_no_error(err);
    g_assert_true(g_str_has_prefix(fragment, "  <metadata>\n"));
    g_assert_true(g_str_has_suffix(fragment, "\n  </metadata>\n"));
    replSchemaCheck(schema, xmlFirstElementChild(xmlDocGetRootElement(doc)), &err);
    g_assert_no_error(err);
}

static void
testLabel(void)
{
    g_autoptr(ReplLabel) label = replLabelNew("cn-north-1", "web");
    const ReplAmounts usage = {4, 0, 21474836480};
    g_autofree char *plain = replFormatLabel(label, NULL, NULL);
    g_autofree char *used = replFormatLabel(label, &usage, NULL);
    g_autofree char *full = NULL;

    label->quota = (ReplAmounts){100, -1, 0};
    full = replFormatLabel(label, &usage, NULL);
    g_assert_cmpstr(plain, ==,
                    "  <metadata>\n"
                    "    <replication:region " NS " name='cn-north-1' project='web'/>\n"
                    "  </metadata>\n");
    g_assert_cmpstr(used, ==,
                    "  <metadata>\n"
                    "    <replication:region " NS " name='cn-north-1' project='web'>\n"
                    "      <replication:usage images='4' snapshots='0' bytes='21474836480'/>\n"
                    "    </replication:region>\n"
                    "  </metadata>\n");
    g_assert_cmpstr(full, ==,
                    "  <metadata>\n"
                    "    <replication:region " NS " name='cn-north-1' project='web'>\n"
                    "      <replication:quota images='100' bytes='0'/>\n"
                    "      <replication:usage images='4' snapshots='0' bytes='21474836480'/>\n"
                    "    </replication:region>\n"
                    "  </metadata>\n");
    checkFragment(plain, REPL_SCHEMA_REGION);
    checkFragment(full, REPL_SCHEMA_REGION);
}

/* dumpxml, then define: the same label, and the stock XML that dumpxml had. */
static void
testLabelRoundTrip(void)
{
    static const ReplAmounts quotas[] = {{-1, -1, -1}, {0, 0, 0}, {1, -1, G_MAXINT64}, {G_MAXINT64, 400, -1}};
    static const char stock[] = "<pool type=\"dir\">\n  <name>a&lt;b</name>\n  <target>\n"
                                "    <path>/srv/a</path>\n  </target>\n</pool>\n";
    const ReplAmounts usage = {1, 2, 3};
    gsize i;

    for (i = 0; i < 2 * G_N_ELEMENTS(quotas); i++) {
        g_autoptr(ReplLabel) label = replLabelNew("A.b_c-9", i % 2 ? "x" : NULL);
        g_autofree char *fragment = NULL;
        g_autofree char *shown = NULL;
        g_autoptr(ReplPoolXml) xml = NULL;
        g_autoptr(GError) err = NULL;

        label->quota = quotas[i / 2];
        fragment = replFormatLabel(label, i % 2 ? &usage : NULL, NULL);
        shown = replXmlInsert(stock, "pool", fragment);
        xml = replPoolXmlParse(shown, &err);
        g_assert_no_error(err);
        g_assert_cmpstr(xml->stock, ==, stock);
        g_assert_cmpstr(xml->label->name, ==, label->name);
        g_assert_cmpstr(xml->label->project, ==, label->project);
        g_assert_cmpint(xml->label->quota.images, ==, label->quota.images);
        g_assert_cmpint(xml->label->quota.snapshots, ==, label->quota.snapshots);
        g_assert_cmpint(xml->label->quota.bytes, ==, label->quota.bytes);
    }
}

static void
addStep(ReplJobInfo *job, const char *layer, const char *volume, ReplStepAction action, guint64 bytes,
        ReplStepState state)
{
    ReplStep *step = replStepNew(layer, volume, action, bytes);

    step->state = state;
    g_ptr_array_add(job->steps, step);
}

static void
addConversion(ReplImage *image, gint64 when_s, const char *action, const char *from, const char *to)
{
    ReplConversion *conv = g_new0(ReplConversion, 1);

    conv->when_s = when_s;
    conv->action = g_strdup(action);
    conv->fromSecret = g_strdup(from);
    conv->toSecret = g_strdup(to);
    g_ptr_array_add(image->conversions, conv);
}

static ReplImage *
makeImage(void)
{
    ReplImage *image = replImageNew(ID1);

    image->status = REPL_IMAGE_PENDING;
    image->type = REPL_IMAGE_TYPE_SYSTEM_DISK;
    image->description = g_strdup("Replicated from region cn-north-1, image " ID2);
    image->source.region = g_strdup("cn-north-1");
    image->source.id = g_strdup(ID2);
    image->source.pool = g_strdup("beijing");
    image->source.volume = g_strdup("web.qcow2");
    image->secret = g_strdup(SECRET);
    image->secretUsage = g_strdup("ims/<web>");
    addConversion(image, 1795182000, "encrypt", NULL, SECRET);
    addConversion(image, 1795182001, "rekey-slot", SECRET, SECRET);
    g_ptr_array_add(image->shares, replShareNew("p2", REPL_SHARE_ACCEPTED));
    image->job = replJobInfoNew(JOB);
    image->job->state = REPL_JOB_RUNNING;
    image->job->processed_bytes = 42;
    image->job->total_bytes = 100;
    image->job->rate_bytesPerSec = 7;
    image->job->eta_s = 8;
    image->job->started_s = 1795182000;
    addStep(image->job, "base.qcow2", "base.qcow2", REPL_STEP_REUSE, 0, REPL_STEP_DONE);
    addStep(image->job, "web.qcow2", "web.qcow2", REPL_STEP_COPY, 100, REPL_STEP_RUNNING);
    return image;
}

static void
testImage(void)
{
    static const char *const layers[] = {"mid.qcow2", "base.qcow2", NULL};
    g_autoptr(ReplImage) image = makeImage();
    g_autofree char *out = replFormatImage(image, "default", "web", layers, TRUE);

    g_assert_cmpstr(
        out, ==,
        "  <metadata>\n"
        "    <replication:image " NS " id='" ID1 "' status='pending' type='system-disk'"
        " visibility='private' project='default' fast-create='no'>\n"
        "      <replication:name>web</replication:name>\n"
        "      <replication:description>Replicated from region cn-north-1, image " ID2
        "</replication:description>\n"
        "      <replication:source region='cn-north-1' id='" ID2 "' pool='beijing' volume='web.qcow2'/>\n"
        "      <replication:snapshots count='2'>\n"
        "        <replication:snapshot volume='mid.qcow2'/>\n"
        "        <replication:snapshot volume='base.qcow2'/>\n"
        "      </replication:snapshots>\n"
        "      <replication:encryption usage='ims/&lt;web&gt;'>\n"
        "        <secret type='passphrase' uuid='" SECRET "'/>\n"
        "        <replication:conversion time='1795182000' action='encrypt' to='" SECRET "'/>\n"
        "        <replication:conversion time='1795182001' action='rekey-slot' from='" SECRET "' to='" SECRET
        "'/>\n"
        "      </replication:encryption>\n"
        "      <replication:share project='p2' state='accepted'/>\n"
        "      <replication:job id='" JOB "' state='running' progress='42' processed='42' total='100'"
        " remaining='58' rate='7' eta='8' started='1795182000'>\n"
        "        <replication:step layer='base.qcow2' volume='base.qcow2' action='reuse' bytes='0'"
        " state='done'/>\n"
        "        <replication:step layer='web.qcow2' volume='web.qcow2' action='copy' bytes='100'"
        " state='running'/>\n"
        "      </replication:job>\n"
        "    </replication:image>\n"
        "  </metadata>\n");
    checkFragment(out, REPL_SCHEMA_IMAGE);
}

static void
testImageBare(void)
{
    g_autoptr(ReplImage) image = replImageNew(ID1);
    g_autofree char *out = NULL;

    image->job = replJobInfoNew(JOB);
    image->project = g_strdup("own");
    image->name = g_strdup("Own name");
    image->fastCreate = TRUE;
    out = replFormatImage(image, "default", "web", NULL, FALSE);
    g_assert_cmpstr(out, ==,
                    "  <metadata>\n"
                    "    <replication:image " NS " id='" ID1 "' status='available'"
                    " visibility='private' project='own' fast-create='yes'>\n"
                    "      <replication:name>Own name</replication:name>\n"
                    "      <replication:snapshots count='0'/>\n"
                    "    </replication:image>\n"
                    "  </metadata>\n");
    checkFragment(out, REPL_SCHEMA_IMAGE);
}

static void
testJobQueued(void)
{
    g_autoptr(ReplImage) image = makeImage();
    g_autofree char *out = NULL;

    image->job->state = REPL_JOB_QUEUED;
    image->job->eta_s = -1;
    image->job->position = 3;
    image->job->started_s = 0;
    image->job->bandwidth_bytesPerSec = 1000;
    image->job->peakSpace_bytes = 5000;
    out = replFormatImage(image, "default", "web", NULL, TRUE);
    g_assert_nonnull(strstr(out, " rate='7' position='3' bandwidth='1000' peak-space='5000'>\n"));
    checkFragment(out, REPL_SCHEMA_IMAGE);
}

static void
testJobFailed(void)
{
    g_autoptr(ReplImage) image = makeImage();
    g_autofree char *out = NULL;

    image->status = REPL_IMAGE_ERROR;
    image->job->state = REPL_JOB_FAILED;
    image->job->processed_bytes = 200; /* more than was planned */
    image->job->ended_s = 1795182002;
    image->job->error = g_strdup("No space left on 'shanghai' <3 & more");
    out = replFormatImage(image, "default", "web", NULL, TRUE);
    g_assert_nonnull(strstr(out, " state='failed' progress='99' processed='200' total='100' remaining='0' "
                                 "rate='7' started='1795182000' ended='1795182002'>\n"));
    g_assert_nonnull(strstr(out, "        <replication:error>No space left on &apos;shanghai&apos; &lt;3 "
                                 "&amp; more</replication:error>\n"));
    checkFragment(out, REPL_SCHEMA_IMAGE);
}

/* Names of files can hold almost anything; what XML can hold comes back as it was. */
static void
testEscaping(void)
{
    static const struct {
        const char *name;
        const char *read;
    } cases[] = {
        {"a'b\"c<d>e&f", "a'b\"c<d>e&f"},
        {"tab\tline\ncr\r.", "tab\tline\ncr\r."},
        {"]]>", "]]>"},
        {"\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80"},
        {"ctrl\x01\x1f|", "ctrl\xef\xbf\xbd\xef\xbf\xbd|"},
        {"not\xffutf8", "not\xef\xbf\xbdutf8"},
        {"nonchar\xef\xbf\xbe|", "nonchar\xef\xbf\xbd|"},
        {"del\x7f", "del\x7f"},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const layers[] = {cases[i].name, NULL};
        g_autoptr(ReplImage) image = replImageNew(ID1);
        g_autofree char *out = replFormatImage(image, "default", cases[i].name, layers, TRUE);
        g_autoptr(xmlDoc) doc = replDocParse(out, NULL);
        xmlNode *element = xmlFirstElementChild(xmlDocGetRootElement(doc));
        xmlNode *name = xmlFirstElementChild(element);
        xmlChar *text = xmlNodeGetContent(name);
        xmlChar *volume =
            xmlGetNoNsProp(xmlFirstElementChild(xmlNextElementSibling(name)), (const xmlChar *)"volume");

        g_assert_cmpstr((const char *)text, ==, cases[i].read);
        g_assert_cmpstr((const char *)volume, ==, cases[i].read);
        xmlFree(text);
        xmlFree(volume);
    }
}

static void
testInsert(void)
{
    g_autofree char *own = replXmlInsert("<pool>\n  <a/>\n</pool>\n", "pool", "  <m/>\n");
    g_autofree char *deep = replXmlInsert("<x>\n  <pool>\n  </pool></x>", "pool", "  <m/>\n");
    g_autofree char *flat = replXmlInsert("<volume><a/></volume>", "volume", "<m/>");
    g_autofree char *last = replXmlInsert("<pool><!-- </pool> --></pool>", "pool", "<m/>");
    g_autofree char *none = replXmlInsert("<pool/>", "pool", "<m/>");
    g_autofree char *start = replXmlInsert("</pool>", "pool", "<m/>");

    g_assert_cmpstr(own, ==, "<pool>\n  <a/>\n  <m/>\n</pool>\n");
    g_assert_cmpstr(deep, ==, "<x>\n  <pool>\n  <m/>\n  </pool></x>");
    g_assert_cmpstr(flat, ==, "<volume><a/><m/></volume>");
    g_assert_cmpstr(last, ==, "<pool><!-- </pool> --><m/></pool>");
    g_assert_cmpstr(none, ==, "<pool/>");
    g_assert_cmpstr(start, ==, "<m/></pool>");
}

static char *
complete(const char *text, const char *name)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(text, &err);
    char *out;

    g_assert_no_error(err);
    out = replVolXmlComplete(xml, name, &err);
    g_assert_no_error(err);
    return out;
}

static void
testComplete(void)
{
    g_autofree char *bare =
        complete("<volume><metadata><replication:replicate " NS "/></metadata></volume>", "a&b");
    g_autofree char *full = complete(
        "<volume type='file'>\n"
        "  <name>old</name>\n"
        "  <key>/srv/x</key>\n"
        "  <capacity unit='G'>1</capacity>\n"
        "  <allocation>7</allocation>\n"
        "  <physical>7</physical>\n"
        "  <target>\n"
        "    <path>/srv/x</path>\n"
        "    <format type='qcow2'/>\n"
        "    <permissions>\n      <mode>0600</mode>\n      <label>l</label>\n    </permissions>\n"
        "    <encryption format='luks'>\n      <secret type='passphrase' usage='u'/>\n    </encryption>\n"
        "    <compat>1.1</compat>\n"
        "    <nocow/>\n"
        "    <clusterSize unit='KiB'>64</clusterSize>\n"
        "    <features>\n      <lazy_refcounts/>\n    </features>\n"
        "  </target>\n"
        "  <backingStore>\n    <path>/srv/base</path>\n  </backingStore>\n"
        "  <metadata>\n    <replication:replicate " NS "/>\n  </metadata>\n"
        "</volume>",
        "web");

    g_assert_cmpstr(bare, ==,
                    "<volume>\n"
                    "  <name>a&amp;b</name>\n"
                    "  <capacity unit=\"bytes\">0</capacity>\n"
                    "  <allocation unit=\"bytes\">0</allocation>\n"
                    "  <target>\n"
                    "    <format type=\"raw\"/>\n"
                    "  </target>\n"
                    "</volume>\n");
    g_assert_cmpstr(full, ==,
                    "<volume type=\"file\">\n"
                    "  <target>\n"
                    "    <permissions>\n      <mode>0600</mode>\n      <label>l</label>\n"
                    "    </permissions>\n"
                    "    <nocow/>\n"
                    "    <format type=\"raw\"/>\n"
                    "  </target>\n"
                    "  <name>web</name>\n"
                    "  <capacity unit=\"bytes\">0</capacity>\n"
                    "  <allocation unit=\"bytes\">0</allocation>\n"
                    "</volume>\n");
}

/* What a user gets wrong in the stock part is left for the stock driver's VALIDATE to find. */
static void
testCompleteKeepsUnknown(void)
{
    g_autofree char *out = complete("<volume><sizes/><target><frmt/></target><target><compat/></target>"
                                    "<metadata><replication:replicate " NS "/><x/></metadata></volume>",
                                    "n");

    g_assert_nonnull(strstr(out, "<sizes/>"));
    g_assert_nonnull(strstr(out, "<frmt/>"));
    g_assert_nonnull(strstr(out, "<metadata><x/></metadata>"));
    g_assert_null(strstr(out, "<compat"));
}

#define STOCK                                                                                                \
    "<volume type='file'>\n  <name>a &amp; b&apos;s.qcow2</name>\n  <key>/p/&lt;a&gt;</key>\n"               \
    "  <capacity unit='bytes'>%s</capacity>\n  <allocation unit='bytes'>%s</allocation>\n"                   \
    "  <target>\n    <path>/p/a</path>\n    <format type='%s'/>\n"                                           \
    "    <encryption format='luks'>\n%s    </encryption>\n  </target>\n</volume>\n"

/* What libvirt formats stays as it is, byte for byte, but for what is known better. */
static void
testShow(void)
{
    const struct {
        ReplVolXmlKnown known;
        const char *capacity, *allocation, *format, *secret;
    } cases[] = {
        {{0}, "7", "0", "raw", ""},
        {{.secret = SECRET}, "7", "0", "raw", "      <secret type='passphrase' uuid='" SECRET "'/>\n"},
        {{.pending = TRUE, .capacity_bytes = 1048576, .allocation_bytes = 5}, "1048576", "5", "raw", ""},
        {{.pending = TRUE, .format = "qcow2"}, "0", "0", "qcow2", ""},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *stock = g_strdup_printf(STOCK, "7", "0", "raw", "");
        g_autofree char *want =
            g_strdup_printf(STOCK, cases[i].capacity, cases[i].allocation, cases[i].format, cases[i].secret);
        char *shown = replVolXmlShow(strdup(stock), &cases[i].known);

        g_assert_cmpstr(shown, ==, want);
        free(shown);
    }
}

/* A secret that is there stays; without an encryption, or in one of another format, there is none to show. */
static void
testShowSecret(void)
{
    static const char *const same[] = {
        "<volume>\n  <target>\n    <encryption format='luks'>\n      <secret type='passphrase' usage='u'/>\n"
        "    </encryption>\n  </target>\n</volume>\n",
        "<volume>\n  <target>\n    <encryption format='qcow'/>\n  </target>\n</volume>\n",
        "<volume>\n  <name>n</name>\n</volume>\n",
        "<volume>\n  <encryption format='luks'/>\n  <target/>\n</volume>\n",
        "not XML",
    };
    const ReplVolXmlKnown known = {.secret = SECRET};
    char *shown;
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(same); i++) {
        shown = replVolXmlShow(strdup(same[i]), &known);
        g_assert_cmpstr(shown, ==, same[i]);
        free(shown);
    }
    shown = replVolXmlShow(
        strdup("<volume>\n  <target>\n    <encryption format='luks'/>\n  </target>\n</volume>\n"), &known);
    g_assert_cmpstr(
        shown, ==,
        "<volume>\n  <target>\n    <encryption format='luks'>\n      <secret type='passphrase' uuid='" SECRET
        "'/>\n    </encryption>\n  </target>\n</volume>\n");
    free(shown);
}

static void
testSecretOf(void)
{
    static const struct {
        const char *xml, *uuid, *usage;
    } cases[] = {
        {"<volume><target><encryption format='luks'><secret type='passphrase' "
         "uuid='u'/></encryption></target></volume>",
         "u", NULL},
        {"<volume><target><encryption format='luks'>\n<secret usage='ims/a "
         "b'/></encryption></target></volume>",
         NULL, "ims/a b"},
        {"<volume><name>&lt;encryption format='luks'&gt;&lt;secret uuid='x'/&gt;</name><target/></volume>",
         NULL, NULL},
        {"<volume><target><encryption format='luks'/><path uuid='x'/></target></volume>", NULL, NULL},
        {"<volume", NULL, NULL},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *uuid = NULL;
        g_autofree char *usage = NULL;
        gboolean found = replVolXmlSecret(cases[i].xml, &uuid, &usage);

        g_assert_cmpint(found, ==, cases[i].uuid || cases[i].usage);
        g_assert_cmpstr(uuid, ==, cases[i].uuid);
        g_assert_cmpstr(usage, ==, cases[i].usage);
    }
}

static gboolean
isValid(const char *text, const char *schema, char **said)
{
    const char *argv[] = {"xmllint", "--nonet", "--noout", "--relaxng", schema, NULL, NULL};
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("repl-xml-XXXXXX", &path, NULL);
    int status = -1;

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    argv[5] = path;
    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, said, &status, NULL));
    g_unlink(path);
    return status == 0;
}

/* An example: ours is understood, what is left and what the placeholder is made with are libvirt's. */
static void
checkExample(const char *name, const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *said = NULL;

    if (g_str_has_prefix(name, "regionpool")) {
        g_autoptr(ReplRegionPool) pool = replRegionPoolParse(text, &err);

        g_assert_no_error(err);
        g_assert_nonnull(pool);
    } else if (g_str_has_prefix(name, "pool")) {
        g_autoptr(ReplPoolXml) pool = replPoolXmlParse(text, &err);

        g_assert_no_error(err);
        g_assert_nonnull(pool->label);
        if (!isValid(pool->stock, LIBVIRT_SCHEMAS "storagepool.rng", &said))
            g_error("%s: %s", name, said);
    } else {
        g_autoptr(ReplVolXml) vol = replVolXmlParse(text, &err);
        g_autofree char *out = NULL;

        g_assert_no_error(err);
        g_assert_true(vol->hasOurs);
        g_assert_true(!!vol->request == g_str_has_prefix(name, "replicate"));
        g_assert_true(!!vol->update == g_str_has_prefix(name, "update"));
        out = replVolXmlComplete(vol, "x.qcow2", &err);
        g_assert_no_error(err);
        if (!isValid(out, LIBVIRT_SCHEMAS "storagevol.rng", &said))
            g_error("%s: %s", name, said);
    }
}

static void
testExamples(void)
{
    g_autofree char *path = g_build_filename(g_getenv("REPL_TEST_SRCDIR"), "xml", "examples", NULL);
    g_autofree char *xmllint = g_find_program_in_path("xmllint");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    guint count = 0;

    g_assert_nonnull(dir);
    if (!xmllint || !g_file_test(LIBVIRT_SCHEMAS "storagevol.rng", G_FILE_TEST_EXISTS)) {
        g_test_skip("xmllint or libvirt's schemas are not installed");
        return;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;

        if (!g_str_has_suffix(name, ".xml"))
            continue; /* TOUR.md lies there, too */
        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        checkExample(name, text);
        count++;
    }
    g_assert_cmpuint(count, >=, 15);
}

static void
testPermissions(void)
{
    g_autofree char *some = replVolXmlPermissions(
        "<volume><!-- <permissions>no</permissions> --><permissions>no</permissions><target>"
        "<permissions >\n<mode>0600</mode></permissions></target></volume>");
    g_autofree char *none =
        replVolXmlPermissions("<volume><target><path>&lt;permissions></path></target></volume>");
    g_autofree char *malformed = replVolXmlPermissions("<target><permissions></permissions>");

    g_assert_cmpstr(some, ==, "<permissions>\n<mode>0600</mode></permissions>\n");
    g_assert_null(none);
    g_assert_null(malformed);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/format/label", testLabel);
    g_test_add_func("/xml/format/label-round-trip", testLabelRoundTrip);
    g_test_add_func("/xml/format/image", testImage);
    g_test_add_func("/xml/format/image-bare", testImageBare);
    g_test_add_func("/xml/format/job-queued", testJobQueued);
    g_test_add_func("/xml/format/job-failed", testJobFailed);
    g_test_add_func("/xml/format/escaping", testEscaping);
    g_test_add_func("/xml/format/insert", testInsert);
    g_test_add_func("/xml/format/complete", testComplete);
    g_test_add_func("/xml/format/complete-keeps-unknown", testCompleteKeepsUnknown);
    g_test_add_func("/xml/format/show", testShow);
    g_test_add_func("/xml/format/show-secret", testShowSecret);
    g_test_add_func("/xml/format/secret-of", testSecretOf);
    g_test_add_func("/xml/format/examples", testExamples);
    g_test_add_func("/xml/format/permissions", testPermissions);
    return g_test_run();
}
