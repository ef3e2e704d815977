/*
 * test_lib_text.c: what the C library writes and reads: requests, images, regions, names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "readlist.h"
#include "region.h"
#include "resolve.h"
#include "write.h"

#define XMLNS "xmlns:replication='urn:libvirt-replication:1.0'"

static void
testRequest(void)
{
    ReplWriteRequest request = {.tokenSuffix = "a/b"};
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;
    g_autofree char *xml = NULL;

    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_NAME, "a<b"), ==, 0);
    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_DESCRIPTION, "'&'"),
                    ==, 0);
    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_KEY, "ims/web"), ==,
                    0);
    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_TOKEN, "t"), ==, 0);
    g_assert_cmpint(virTypedParamsAddULLong(&params, &count, &max, VIRT_REPLICATION_COPY_BANDWIDTH, 1024), ==,
                    0);
    g_assert_cmpint(virTypedParamsAddBoolean(&params, &count, &max, VIRT_REPLICATION_COPY_FAST_CREATE, 1), ==,
                    0);
    g_assert_cmpint(replWriteCheck(params, count), ==, 0);
    xml =
        replWriteReplicate(&request, params, count, VIRT_REPLICATION_COPY_ASYNC | VIRT_REPLICATION_COPY_PLAN);
    g_assert_cmpstr(xml, ==,
                    "<volume><name>a&lt;b</name><target><encryption format='luks'><secret type='passphrase' "
                    "usage='ims/web'/></encryption></target><metadata><replication:replicate " XMLNS
                    " async='yes' start='no' fast-create='yes' "
                    "token='t/a/b'><replication:description>&apos;&amp;&apos;"
                    "</replication:description><replication:bandwidth "
                    "unit='bytes/s'>1024</replication:bandwidth>"
                    "</replication:replicate></metadata></volume>");
    virTypedParamsFree(params, count);
}

static void
testParameters(void)
{
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;

    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, "nmae", "x"), ==, 0);
    g_assert_cmpint(replWriteCheck(params, count), ==, -1);
    g_assert_nonnull(strstr(virtReplicationGetLastErrorMessage(), "'nmae'"));
    g_assert_cmpint(virtReplicationGetLastError()->code, ==, VIR_ERR_INVALID_ARG);
    g_assert_cmpint(virtReplicationGetLastError()->domain, ==, VIR_FROM_STORAGE);
    virTypedParamsFree(params, count);
    params = NULL;
    count = max = 0;
    g_assert_cmpint(virTypedParamsAddInt(&params, &count, &max, VIRT_REPLICATION_COPY_BANDWIDTH, 1), ==, 0);
    g_assert_cmpint(replWriteCheck(params, count), ==, -1);
    virTypedParamsFree(params, count);
    params = NULL;
    count = max = 0;
    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_NAME, "x"), ==, 0);
    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_NAME, "y"), ==, 0);
    g_assert_cmpint(replWriteCheck(params, count), ==, -1);
    virTypedParamsFree(params, count);
}

/* Tokens have an end at 128 characters; longer ones stay different from each other. */
static void
testLongToken(void)
{
    g_autofree char *suffix = g_strnfill(200, 'x');
    ReplWriteRequest request = {.tokenSuffix = suffix};
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;
    g_autofree char *one = NULL;
    g_autofree char *two = NULL;

    g_assert_cmpint(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_TOKEN, "t"), ==, 0);
    one = replWriteReplicate(&request, params, count, 0);
    suffix[199] = 'y';
    two = replWriteReplicate(&request, params, count, 0);
    g_assert_cmpstr(one, !=, two);
    g_assert_cmpuint(strlen(one), <, 300);
    virTypedParamsFree(params, count);
}

static const char testPool[] =
    "<pool type='dir'><name>p</name><uuid>u</uuid><capacity unit='bytes'>100</capacity>"
    "<available unit='bytes'>40</available><metadata><r:region "
    "xmlns:r='urn:libvirt-replication:1.0' name='n' project='q'>"
    "<r:quota images='5'/><r:usage images='1' snapshots='2' bytes='3'/><r:counts jobs='1' "
    "shared='1'/>"
    "<r:job id='j' volume='v' state='running' progress='7' rate='8' eta='9'/>"
    "<r:shared image='i' name='s' project='o' region='n' state='offered'/>"
    "<r:images count='2' next='1'>\n  <r:image id='1111' volume='v' name='web &amp; &lt;more&gt;' "
    "status='available' type='iso' layer='no' bytes='6'/>\n  <r:image/>\n"
    "<r:image id='2222' volume='b' status='available' layer='yes' bytes='7' project='p2' new='in later "
    "versions'>"
    "<r:new/><r:job id='k' state='failed'><r:error>No &lt;space&gt;</r:error></r:job></r:image>"
    "<r:image id='3333' volume='c'/></r:images>"
    "<r:new-in-later-versions/></r:region></metadata></pool>";

static void
testRegion(void)
{
    g_autoptr(xmlDoc) doc = replNodeParse(testPool);
    g_autoptr(virtReplicationRegion) region = replReadRegion(replNodeRoot(doc, "pool"));

    g_assert_nonnull(region);
    g_assert_cmpstr(region->name, ==, "n");
    g_assert_cmpstr(region->project, ==, "q");
    g_assert_cmpint(region->quota.images, ==, 5);
    g_assert_cmpint(region->quota.bytes, ==, -1);
    g_assert_cmpint(region->usage.bytes, ==, 3);
    g_assert_cmpuint(region->available, ==, 40);
    g_assert_cmpuint(region->njobs, ==, 1);
    g_assert_cmpint(region->jobs[0]->state, ==, VIRT_REPLICATION_JOB_RUNNING);
    g_assert_cmpint(region->jobs[0]->eta, ==, 9);
    g_assert_cmpstr(region->jobs[0]->volume, ==, "v");
    g_assert_cmpuint(region->noffers, ==, 1);
    g_assert_cmpstr(region->offers[0].project, ==, "o");
}

static void
testList(void)
{
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationImageFree);
    int next;
    g_autoptr(xmlDoc) doc = replListParse(testPool, images, &next);
    g_autoptr(virtReplicationRegion) region = replReadRegion(replNodeRoot(doc, "pool"));
    ReplImagePlace place = replRegionPlace(region);
    const virtReplicationImage *image;

    g_assert_cmpstr(region->name, ==, "n");
    g_assert_cmpuint(region->njobs, ==, 1);
    g_assert_cmpint(next, ==, 1);
    g_assert_cmpuint(images->len, ==, 3);
    replListPlace(images, &place);
    image = g_ptr_array_index(images, 0);
    g_assert_cmpstr(image->id, ==, "1111");
    g_assert_cmpstr(image->name, ==, "web & <more>");
    g_assert_cmpstr(image->region, ==, "n");
    g_assert_cmpstr(image->project, ==, "q");
    g_assert_cmpstr(image->type, ==, "iso");
    g_assert_cmpuint(image->bytes, ==, 6);
    g_assert_false(image->isLayer);
    g_assert_null(image->job);
    image = g_ptr_array_index(images, 1);
    g_assert_cmpstr(image->name, ==, "b");
    g_assert_cmpstr(image->project, ==, "p2");
    g_assert_true(image->isLayer);
    g_assert_cmpint(image->job->state, ==, VIRT_REPLICATION_JOB_FAILED);
    g_assert_cmpstr(image->job->volume, ==, "b");
    g_assert_cmpstr(image->job->region, ==, "n");
    g_assert_cmpstr(image->job->error, ==, "No <space>");
    image = g_ptr_array_index(images, 2);
    g_assert_cmpstr(image->volume, ==, "c");
    g_assert_null(image->job);
}

/* Lists that are none, or not whole. */
static void
testListOdd(void)
{
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationImageFree);
    g_autofree char *part = g_strndup(testPool, strstr(testPool, "</r:image>") - testPool);
    g_autoptr(xmlDoc) none = NULL;
    g_autoptr(xmlDoc) other = NULL;
    int next;

    none = replListParse("<pool><metadata><images><image id='1' volume='v'/></images></metadata></pool>",
                         images, &next);
    g_assert_nonnull(none);
    g_assert_cmpint(next, ==, -1);
    other = replListParse("<pool><r:image xmlns:r='urn:libvirt-replication:1.0' id='1' volume='v'/></pool>",
                          images, &next);
    g_assert_nonnull(replNodeOurs(replNodeRoot(other, "pool"), "image"));
    g_assert_cmpuint(images->len, ==, 0);
    g_assert_null(replListParse(part, images, &next));
    g_assert_cmpint(virtReplicationGetLastError()->code, ==, VIR_ERR_XML_ERROR);
}

static void
testNoRegion(void)
{
    g_autoptr(xmlDoc) plain = replNodeParse("<pool type='dir'><name>p</name></pool>");
    g_autoptr(xmlDoc) other = replNodeParse("<pool><metadata><region name='n'/></metadata></pool>");

    g_assert_null(replReadRegion(replNodeRoot(plain, "pool")));
    g_assert_null(replReadRegion(replNodeRoot(other, "pool")));
    g_assert_null(replNodeParse("<pool"));
    g_assert_cmpint(virtReplicationGetLastError()->code, ==, VIR_ERR_XML_ERROR);
}

static const char testVolume[] =
    "<volume><name>web.qcow2</name><capacity unit='bytes'>1000</capacity><allocation "
    "unit='bytes'>10</allocation>"
    "<target><format type='qcow2'/></target><metadata><r:image "
    "xmlns:r='urn:libvirt-replication:1.0' id='1' "
    "status='pending' visibility='private' project='default' fast-create='yes'><r:name>Web</r:name>"
    "<r:source region='n' id='0' pool='p' volume='v'/><r:snapshots count='2'><r:snapshot "
    "volume='mid'/>"
    "<r:snapshot volume='base'/></r:snapshots><r:encryption usage='ims/web'><secret type='passphrase' "
    "uuid='k'/></r:encryption>"
    "<r:share project='o' state='accepted'/><r:job id='j' state='failed' progress='5' total='100'>"
    "<r:step layer='l' action='copy' bytes='4' state='done' snapshots-lost='2'/><r:error>No "
    "&lt;space&gt;</r:error></r:job>"
    "</r:image></metadata></volume>";

static void
testImage(void)
{
    ReplImagePlace place = {"p", "u", "n", "default"};
    g_autoptr(xmlDoc) doc = replNodeParse(testVolume);
    g_autoptr(virtReplicationImage) image = replReadVolume(replNodeRoot(doc, "volume"), &place);

    g_assert_nonnull(image);
    g_assert_cmpstr(image->name, ==, "Web");
    g_assert_cmpstr(image->volume, ==, "web.qcow2");
    g_assert_cmpuint(image->capacity, ==, 1000);
    g_assert_cmpstr(image->backing, ==, "mid");
    g_assert_cmpuint(image->nsnapshots, ==, 2);
    g_assert_cmpstr(image->keyUUID, ==, "k");
    g_assert_cmpstr(image->keyUsage, ==, "ims/web");
    g_assert_cmpint(image->fastCreate, ==, 1);
    g_assert_cmpstr(image->sourceID, ==, "0");
    g_assert_cmpstr(image->shares[0].state, ==, "accepted");
    g_assert_cmpint(image->job->state, ==, VIRT_REPLICATION_JOB_FAILED);
    g_assert_cmpstr(image->job->error, ==, "No <space>");
    g_assert_cmpuint(image->job->steps[0].snapshotsLost, ==, 2);
    g_assert_cmpint(image->job->usageAfter.images, ==, -1);
}

/* Two regions: "web" in both, "shop" in one of them, on the layer "base". */
static GPtrArray *
testRegions(void)
{
    static const char *const names[][4] = {
        {"n", "p1", "web", "aaaa1111"},
        {"n", "p1", "shop", "abcd2222"},
        {"n", "p1", "base", "abcd3333"},
        {"e", "p2", "web", "bbbb4444"},
        {"e", "p2", "with/slash:and colon", "cccc5555"},
    };
    GPtrArray *regions = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationRegionFree);
    size_t i, j;

    for (i = 0; i < 2; i++) {
        virtReplicationRegion *region = g_new0(virtReplicationRegion, 1);
        GPtrArray *images = g_ptr_array_new();

        region->name = g_strdup(i ? "e" : "n");
        region->pool = g_strdup(i ? "p2" : "p1");
        for (j = 0; j < G_N_ELEMENTS(names); j++) {
            virtReplicationImage *image;

            if (strcmp(names[j][0], region->name) != 0)
                continue;
            image = g_new0(virtReplicationImage, 1);
            image->region = g_strdup(names[j][0]);
            image->pool = g_strdup(names[j][1]);
            image->name = g_strdup(names[j][2]);
            image->volume = g_strconcat(names[j][2], ".q", NULL);
            image->id = g_strdup(names[j][3]);
            image->isLayer = strcmp(names[j][2], "base") == 0;
            g_ptr_array_add(images, image);
        }
        region->images = replArraySteal(images, &region->nimages);
        g_ptr_array_add(regions, region);
    }
    return regions;
}

static void
testResolve(void)
{
    g_autoptr(GPtrArray) regions = testRegions();
    static const struct {
        const char *word;
        const char *id; /* NULL: refused, with `says` */
        const char *says;
    } cases[] = {
        {"shop", "abcd2222", NULL},
        {"shop.q", "abcd2222", NULL},
        {"n:web", "aaaa1111", NULL},
        {"e:web.q", "bbbb4444", NULL},
        {"p2/web.q", "bbbb4444", NULL},
        {"p1/base.q", "abcd3333", NULL},
        {"BBBB", "bbbb4444", NULL},
        {"abcd3", "abcd3333", NULL},
        {"e:bbbb", "bbbb4444", NULL},
        {"with/slash:and colon", "cccc5555", NULL},
        {"web", NULL, "means 2 images"},
        {"abcd", NULL, "means 2 images"},
        {"base", NULL, "There is no image 'base'"},
        {"bbb", NULL, "There is no image 'bbb'"},
        {"n:bbbb", NULL, "There is no image"},
        {"shpo", NULL, "Did you mean 'shop'?"},
        {"p2/wbe.q", NULL, "Did you mean 'p2/web.q'?"},
        {"", NULL, "There is no image ''"},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const virtReplicationImage *image = replResolve(regions, cases[i].word);

        if (cases[i].id) {
            g_assert_nonnull(image);
            g_assert_cmpstr(image->id, ==, cases[i].id);
        } else {
            g_assert_null(image);
            g_assert_nonnull(strstr(virtReplicationGetLastErrorMessage(), cases[i].says));
        }
    }
}

static gpointer
testErrorThread(gpointer opaque G_GNUC_UNUSED)
{
    g_assert_null(virtReplicationGetLastError());
    replError(VIR_ERR_NO_SUPPORT, "other");
    return NULL;
}

static void
testErrorsByThread(void)
{
    replError(VIR_ERR_NO_DOMAIN, "mine");
    g_thread_join(g_thread_new("other", testErrorThread, NULL));
    g_assert_cmpstr(virtReplicationGetLastErrorMessage(), ==, "mine");
    replErrorReset();
    g_assert_null(virtReplicationGetLastError());
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(virInitialize(), ==, 0);
    g_test_add_func("/lib/request", testRequest);
    g_test_add_func("/lib/parameters", testParameters);
    g_test_add_func("/lib/long-token", testLongToken);
    g_test_add_func("/lib/region", testRegion);
    g_test_add_func("/lib/list", testList);
    g_test_add_func("/lib/list-odd", testListOdd);
    g_test_add_func("/lib/no-region", testNoRegion);
    g_test_add_func("/lib/image", testImage);
    g_test_add_func("/lib/resolve", testResolve);
    g_test_add_func("/lib/errors-by-thread", testErrorsByThread);
    return g_test_run();
}
