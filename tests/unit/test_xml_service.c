/*
 * test_xml_service.c: the words of the image service: shares, members, requests by id, bundles,
 * overviews
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "xml/doc.h"
#include "xml/schema.h"
#include "xml/xml.h"

#define NS "xmlns:r='" REPL_NAMESPACE "'"
#define ID1 "3b0f6b8e-6d7e-4d3f-9c37-3c8ef1f0a9d1"
#define VOLUME(name, inner) "<volume>" name "<metadata>" inner "</metadata></volume>"
#define REQUEST(attrs, inner) VOLUME("", "<r:replicate " NS " " attrs ">" inner "</r:replicate>")
#define UPDATE(name, inner) VOLUME(name, "<r:update " NS ">" inner "</r:update>")
#define WEB "<name>web.qcow2</name>"

static void
testShareOffer(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(UPDATE(WEB, "<r:share project='p2' state='offered'/>"), &err);

    g_assert_no_error(err);
    g_assert_cmpstr(xml->update->volume, ==, "web.qcow2");
    g_assert_cmpstr(xml->update->share->project, ==, "p2");
    g_assert_null(xml->update->shareImage);
}

/* An answer needs no <name>; one that stands there is ignored, whatever it is. */
static void
testShareAnswer(void)
{
    static const char *const names[] = {"", "<name>x/y</name>", "<name>web.qcow2</name>"};
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = g_strdup_printf("<volume>%s<metadata><r:update " NS "><r:share image='" ID1
                                                "' state='accepted'/></r:update></metadata></volume>",
                                                names[i]);
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplVolXml) xml = replVolXmlParse(text, &err);

        g_assert_no_error(err);
        g_assert_null(xml->update->volume);
        g_assert_cmpstr(xml->update->shareImage, ==, ID1);
        g_assert_null(xml->update->share->project);
        g_assert_cmpint(xml->update->share->state, ==, REPL_SHARE_ACCEPTED);
    }
}

static void
testMembers(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(
        UPDATE(WEB, "<r:members><r:member volume='a'/><r:member volume='b'/></r:members>"), &err);
    g_autoptr(ReplVolXml) none = replVolXmlParse(UPDATE(WEB, "<r:members/>"), NULL);

    g_assert_no_error(err);
    g_assert_cmpuint(xml->update->members->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(xml->update->members, 1), ==, "b");
    g_assert_cmpuint(none->update->members->len, ==, 0);
}

static void
testRequest(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(
        REQUEST("bundle='yes' verify='yes' image='" ID1 "'",
                "<r:have pool='carry' volume='inv.tar'/><r:have pool='carry' volume='b.tar'/>"),
        &err);
    g_autoptr(ReplRequest) copy = NULL;
    const ReplHave *have;

    g_assert_no_error(err);
    copy = replRequestCopy(xml->request);
    g_assert_cmpint(copy->bundle, ==, REPL_BUNDLE_YES);
    g_assert_true(copy->verify);
    g_assert_cmpstr(copy->image, ==, ID1);
    g_assert_cmpuint(copy->have->len, ==, 2);
    have = g_ptr_array_index(copy->have, 1);
    g_assert_cmpstr(have->pool, ==, "carry");
    g_assert_cmpstr(have->volume, ==, "b.tar");
}

/* What a request says of its source, and what it writes. */
static void
testSourceIs(void)
{
    static const struct {
        const char *xml;
        ReplSourceIs is;
        ReplBundleMode bundle;
    } cases[] = {
        {REQUEST("", ""), REPL_SOURCE_AS_FOUND, REPL_BUNDLE_NONE},
        {REQUEST("bundle='no'", ""), REPL_SOURCE_IS_IMAGE, REPL_BUNDLE_NONE},
        {REQUEST("bundle='import'", ""), REPL_SOURCE_IS_BUNDLE, REPL_BUNDLE_NONE},
        {REQUEST("bundle='yes'", ""), REPL_SOURCE_IS_IMAGE, REPL_BUNDLE_YES},
        {REQUEST("bundle='inventory'", ""), REPL_SOURCE_IS_IMAGE, REPL_BUNDLE_INVENTORY},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ReplVolXml) xml = replVolXmlParse(cases[i].xml, NULL);

        g_assert_cmpint(xml->request->sourceIs, ==, cases[i].is);
        g_assert_cmpint(xml->request->bundle, ==, cases[i].bundle);
    }
}

/* The host that writes a bundle calls the pools otherwise; nothing else changes, not even a name that looks like XML. */
static void
testRenameHaves(void)
{
    const char *text =
        REQUEST("bundle='yes'", "<r:have pool='p' volume='v'/><r:description>pool='p'</r:description>"
                                "<r:have pool='q' volume='w'/>");
    g_autoptr(GPtrArray) pools = g_ptr_array_new();
    g_autoptr(ReplVolXml) xml = NULL;
    g_autofree char *renamed = NULL;
    const ReplHave *have;

    g_ptr_array_add(pools, (char *)"images");
    g_ptr_array_add(pools, (char *)"<a b='c'>");
    renamed = replVolXmlRenameHaves(text, pools, NULL);
    xml = replVolXmlParse(renamed, NULL);
    g_assert_cmpuint(xml->request->have->len, ==, 2);
    have = g_ptr_array_index(xml->request->have, 0);
    g_assert_cmpstr(have->pool, ==, "images");
    g_assert_cmpstr(have->volume, ==, "v");
    have = g_ptr_array_index(xml->request->have, 1);
    g_assert_cmpstr(have->pool, ==, "<a b='c'>");
    g_assert_cmpstr(xml->request->description, ==, "pool='p'");
}

static const struct {
    const char *name;
    const char *xml;
    int code;
    const char *message;
} bad[] = {
    {"share-accept-project", UPDATE(WEB, "<r:share project='p2' state='accepted'/>"), VIR_ERR_XML_ERROR,
     "needs the attribute 'image'"},
    {"share-offer-image", UPDATE(WEB, "<r:share image='" ID1 "' state='offered'/>"), VIR_ERR_XML_ERROR,
     "is the owner's"},
    {"share-offer-nobody", UPDATE(WEB, "<r:share state='offered'/>"), VIR_ERR_XML_ERROR,
     "needs the attribute 'project'"},
    {"share-bad-id", UPDATE("", "<r:share image='web' state='accepted'/>"), VIR_ERR_INVALID_ARG,
     "Value 'web' of attribute 'image'"},
    {"share-and-more", UPDATE("", "<r:share image='" ID1 "' state='accepted'/><r:name>mine</r:name>"),
     VIR_ERR_XML_ERROR, "stands alone"},
    {"share-no-name", UPDATE("", "<r:share project='p2' state='offered'/>"), VIR_ERR_XML_ERROR,
     "needs the <name>"},
    {"member-twice", UPDATE(WEB, "<r:members><r:member volume='a'/><r:member volume='a'/></r:members>"),
     VIR_ERR_INVALID_ARG, "more than once"},
    {"member-itself", UPDATE(WEB, "<r:members><r:member volume='web.qcow2'/></r:members>"),
     VIR_ERR_INVALID_ARG, "more than once"},
    {"member-path", UPDATE(WEB, "<r:members><r:member volume='../a'/></r:members>"), VIR_ERR_INVALID_ARG,
     "Value '../a'"},
    {"member-other", UPDATE(WEB, "<r:members><r:disk volume='a'/></r:members>"), VIR_ERR_XML_ERROR,
     "Unknown element"},
    {"bundle-word", REQUEST("bundle='tar'", ""), VIR_ERR_INVALID_ARG, "Value 'tar'"},
    {"bundle-flatten", REQUEST("bundle='yes' snapshots='flatten'", ""), VIR_ERR_INVALID_ARG,
     "as it is: attribute 'snapshots'"},
    {"bundle-key", REQUEST("bundle='yes' encryption='none'", ""), VIR_ERR_INVALID_ARG,
     "attribute 'encryption'"},
    {"bundle-fast", REQUEST("bundle='inventory' fast-create='yes'", ""), VIR_ERR_INVALID_ARG,
     "attribute 'fast-create'"},
    {"have-alone", REQUEST("", "<r:have pool='p' volume='v'/>"), VIR_ERR_INVALID_ARG, "needs bundle='yes'"},
    {"have-inventory", REQUEST("bundle='inventory'", "<r:have pool='p' volume='v'/>"), VIR_ERR_INVALID_ARG,
     "needs bundle='yes'"},
    {"have-pool", REQUEST("bundle='yes'", "<r:have volume='v'/>"), VIR_ERR_XML_ERROR,
     "needs the attribute 'pool'"},
    {"have-path", REQUEST("bundle='yes'", "<r:have pool='p' volume='a/b'/>"), VIR_ERR_INVALID_ARG,
     "Value 'a/b'"},
    {"image-id", REQUEST("image='web'", ""), VIR_ERR_INVALID_ARG, "Value 'web' of attribute 'image'"},
};

static void
testBad(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(bad[i].xml, &err);

    g_assert_null(xml);
    g_assert_error(err, REPL_ERROR, bad[i].code);
    if (!strstr(err->message, bad[i].message))
        g_error("'%s' is not in: %s", bad[i].message, err->message);
}

static void
addJob(ReplOverview *overview, guint number, const char *volume)
{
    ReplOverviewJob *job = g_new0(ReplOverviewJob, 1);
    g_autofree char *id = g_strdup_printf("3b0f6b8e-6d7e-4d3f-9c37-%012x", number);

    job->volume = g_strdup(volume);
    job->info = replJobInfoNew(id);
    job->info->state = REPL_JOB_RUNNING;
    job->info->total_bytes = 200;
    job->info->processed_bytes = 84;
    job->info->rate_bytesPerSec = 1000;
    job->info->eta_s = 3;
    g_ptr_array_add(overview->jobs, job);
}

static void
addLoan(ReplOverview *overview)
{
    ReplOverviewLoan *loan = replOverviewLoanNew("web.qcow2", ID1, "sh1");

    loan->since_s = 7;
    loan->waiting = TRUE;
    g_ptr_array_add(overview->loans, loan);
}

static void
addShared(ReplOverview *overview, const char *name)
{
    ReplOverviewShared *shared = g_new0(ReplOverviewShared, 1);

    shared->image = g_strdup(ID1);
    shared->name = g_strdup(name);
    shared->project = g_strdup("p1");
    shared->region = g_strdup("cn-north-1");
    shared->state = REPL_SHARE_OFFERED;
    g_ptr_array_add(overview->shared, shared);
}

static void
addImage(ReplOverview *overview, guint number, const char *format)
{
    ReplOverviewImage *image = g_new0(ReplOverviewImage, 1);

    image->id = g_strdup_printf("3b0f6b8e-6d7e-4d3f-9c37-%012x", number);
    image->volume = g_strdup_printf("%05u-%s", number, format);
    image->name = g_strdup(format);
    image->status = REPL_IMAGE_AVAILABLE;
    image->type = REPL_IMAGE_TYPE_DATA_DISK;
    image->bytes = 4096;
    g_ptr_array_add(overview->images, image);
}

static void
testOverview(void)
{
    g_autoptr(ReplOverview) overview = replOverviewNew();
    g_autofree char *text = NULL;

    addJob(overview, 1, "web.qcow2");
    addLoan(overview);
    addShared(overview, "Web & more");
    text = replFormatOverview(overview);
    g_assert_cmpstr(text, ==,
                    "      <replication:counts jobs='1' shared='1'/>\n"
                    "      <replication:job id='3b0f6b8e-6d7e-4d3f-9c37-000000000001' volume='web.qcow2' "
                    "state='running' progress='42' rate='1000' eta='3'/>\n"
                    "      <replication:loan id='" ID1
                    "' volume='web.qcow2' host='sh1' state='waiting' since='7'/>\n"
                    "      <replication:shared image='" ID1
                    "' name='Web &amp; more' project='p1' region='cn-north-1' state='offered'/>\n");
}

/* Each element as the schema has it, and the whole label is taken back. */
static void
testOverviewSchema(void)
{
    g_autoptr(ReplOverview) overview = replOverviewNew();
    g_autoptr(ReplLabel) label = replLabelNew("cn-north-1", "web");
    g_autofree char *inner = NULL;
    g_autofree char *fragment = NULL;
    g_autofree char *shown = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(ReplPoolXml) pool = NULL;
    const xmlNode *child;
    guint n = 0;

    replOverviewWantImages(overview, 0);
    addJob(overview, 1, "web.qcow2");
    addLoan(overview);
    addShared(overview, "x");
    addImage(overview, 7, "y");
    inner = replFormatOverview(overview);
    fragment = replFormatLabel(label, NULL, inner);
    doc = replDocParse(fragment, &err);
    g_assert_no_error(err);
    for (child = xmlFirstElementChild(xmlFirstElementChild(xmlDocGetRootElement(doc))); child;
         child = xmlNextElementSibling((xmlNode *)child), n++) {
        replSchemaCheck(REPL_SCHEMA_OVERVIEW, child, &err);
        g_assert_no_error(err);
    }
    g_assert_cmpuint(n, ==, 5);
    shown = g_strdup_printf("<pool type='dir'><name>a</name>%s</pool>", fragment);
    pool = replPoolXmlParse(shown, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(pool->label->name, ==, "cn-north-1");
}

static guint
count(const char *text, const char *what)
{
    guint n = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* All parts together are all images, each once; no part is too long for a string of a call. */
static void
testParts(void)
{
    g_autofree char *name = g_strnfill(240, '&');
    guint total = 0;
    guint part;

    for (part = 0;; part++) {
        g_autoptr(ReplOverview) overview = replOverviewNew();
        g_autofree char *text = NULL;
        guint i;

        replOverviewWantImages(overview, part);
        for (i = 0; i < 5000; i++)
            addImage(overview, i, name);
        for (i = 0; i < 1500; i++) {
            addJob(overview, i, name);
            addShared(overview, name);
        }
        text = replFormatOverview(overview);
        g_assert_cmpuint(strlen(text), <, 3 * 1024 * 1024);
        g_assert_cmpuint(count(text, "<replication:counts jobs='1500' shared='1500'/>"), ==, part == 0);
        g_assert_nonnull(strstr(text, "<replication:images count='5000'"));
        total += count(text, "<replication:image id=");
        if (!strstr(text, " next='"))
            break;
        g_assert_cmpuint(part, <, 20);
    }
    g_assert_cmpuint(part, >, 2);
    g_assert_cmpuint(total, ==, 5000);
}

/* 1,000 of usual names fit; the count tells of the others. */
static void
testMost(void)
{
    g_autoptr(ReplOverview) overview = replOverviewNew();
    g_autofree char *text = NULL;
    guint i;

    for (i = 0; i < 1001; i++)
        addJob(overview, i, "an-image-with-a-usual-name.qcow2");
    text = replFormatOverview(overview);
    g_assert_cmpuint(count(text, "<replication:job "), ==, 1000);
    g_assert_nonnull(strstr(text, "jobs='1001'"));
}

/* A part behind the last one is empty and has no next. */
static void
testPartBehind(void)
{
    g_autoptr(ReplOverview) overview = replOverviewNew();
    g_autofree char *text = NULL;

    replOverviewWantImages(overview, 3);
    addImage(overview, 1, "a");
    text = replFormatOverview(overview);
    g_assert_cmpuint(count(text, "<replication:image id="), ==, 0);
    g_assert_null(strstr(text, "next="));
}

int
main(int argc, char **argv)
{
    gsize i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/service/share-offer", testShareOffer);
    g_test_add_func("/xml/service/share-answer", testShareAnswer);
    g_test_add_func("/xml/service/members", testMembers);
    g_test_add_func("/xml/service/request", testRequest);
    g_test_add_func("/xml/service/source", testSourceIs);
    g_test_add_func("/xml/service/rename-haves", testRenameHaves);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/xml/service/bad/%s", bad[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), testBad);
    }
    g_test_add_func("/xml/service/overview", testOverview);
    g_test_add_func("/xml/service/overview-schema", testOverviewSchema);
    g_test_add_func("/xml/service/parts", testParts);
    g_test_add_func("/xml/service/most", testMost);
    g_test_add_func("/xml/service/part-behind", testPartBehind);
    return g_test_run();
}
