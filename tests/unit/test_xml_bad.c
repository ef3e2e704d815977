/*
 * test_xml_bad.c: what clients may not send, and what they get to hear
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "xml_samples.h"

typedef struct {
    const char *name;
    const char *xml;
    int code;
    const char *message; /* part of it */
} Bad;

static const Bad badPools[] = {
    {"region-attr", POOL("<r:region " NS " name='a' colour='b'/>"), VIR_ERR_XML_ERROR,
     "Unknown attribute 'colour' of <replication:region>"},
    {"region-nsattr", POOL("<r:region " NS " name='a' r:project='b'/>"), VIR_ERR_XML_ERROR,
     "Unknown attribute 'r:project' of <replication:region>"},
    {"region-child", POOL("<r:region " NS " name='a'><r:limit/></r:region>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:limit> in <replication:region>"},
    {"region-foreign-child", POOL("<r:region " NS " name='a'><quota/></r:region>"), VIR_ERR_XML_ERROR,
     "Unknown element <quota> in <replication:region>"},
    {"region-text", POOL("<r:region " NS " name='a'>hello</r:region>"), VIR_ERR_XML_ERROR,
     "Text has no place in <replication:region>"},
    {"region-cdata", POOL("<r:region " NS " name='a'><![CDATA[x]]></r:region>"), VIR_ERR_XML_ERROR,
     "Text has no place in <replication:region>"},
    {"region-noname", POOL("<r:region " NS "/>"), VIR_ERR_XML_ERROR,
     "<replication:region> needs the attribute 'name'"},
    {"region-emptyname", POOL("<r:region " NS " name=''/>"), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'name' of <replication:region>"},
    {"region-badname", POOL("<r:region " NS " name='../a'/>"), VIR_ERR_INVALID_ARG, "Value '../a'"},
    {"region-dotname", POOL("<r:region " NS " name='.a'/>"), VIR_ERR_INVALID_ARG, "Value '.a'"},
    {"region-umlaut", POOL("<r:region " NS " name='a\xc3\xa4'/>"), VIR_ERR_INVALID_ARG, "Value 'a\xc3\xa4'"},
    {"region-longname",
     POOL("<r:region " NS " name='a123456789012345678901234567890123456789012345678901234567890123'/>"),
     VIR_ERR_INVALID_ARG, "of attribute 'name'"},
    {"region-project", POOL("<r:region " NS " name='a' project='b c'/>"), VIR_ERR_INVALID_ARG,
     "Value 'b c' of attribute 'project' of <replication:region>"},
    {"region-twice", POOL("<r:region " NS " name='a'/><r:region " NS " name='a'/>"), VIR_ERR_XML_ERROR,
     "<replication:region> stands more than once in a <pool>"},
    {"region-peer", POOL("<r:region " NS " name='a'><r:peer uri='qemu+ssh://h/system'/></r:region>"),
     VIR_ERR_INVALID_ARG, "<replication:peer>"},
    {"quota-twice", POOL("<r:region " NS " name='a'><r:quota/><r:quota/></r:region>"), VIR_ERR_XML_ERROR,
     "<replication:quota> stands more than once"},
    {"quota-attr", POOL("<r:region " NS " name='a'><r:quota files='1'/></r:region>"), VIR_ERR_XML_ERROR,
     "Unknown attribute 'files' of <replication:quota>"},
    {"quota-negative", POOL("<r:region " NS " name='a'><r:quota images='-1'/></r:region>"),
     VIR_ERR_INVALID_ARG, "Value '-1' of attribute 'images' of <replication:quota>"},
    {"quota-plus", POOL("<r:region " NS " name='a'><r:quota images='+1'/></r:region>"), VIR_ERR_INVALID_ARG,
     "Value '+1'"},
    {"quota-space", POOL("<r:region " NS " name='a'><r:quota images=' 1'/></r:region>"), VIR_ERR_INVALID_ARG,
     "Value ' 1'"},
    {"quota-empty", POOL("<r:region " NS " name='a'><r:quota images=''/></r:region>"), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'images'"},
    {"quota-unit", POOL("<r:region " NS " name='a'><r:quota bytes='1G'/></r:region>"), VIR_ERR_INVALID_ARG,
     "Value '1G' of attribute 'bytes'"},
    {"quota-overflow", POOL("<r:region " NS " name='a'><r:quota bytes='9223372036854775808'/></r:region>"),
     VIR_ERR_INVALID_ARG, "Value '9223372036854775808'"},
    {"quota-wrap", POOL("<r:region " NS " name='a'><r:quota bytes='18446744073709551617'/></r:region>"),
     VIR_ERR_INVALID_ARG, "Value '18446744073709551617'"},
    {"unknown", POOL("<r:area " NS "/>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:area> in the <metadata> of a <pool>"},
    {"near-miss", POOL("<region xmlns='urn:libvirt-replication:1' name='a'/>"), VIR_ERR_XML_ERROR,
     "<region xmlns='urn:libvirt-replication:1'> in the <metadata> of a <pool> is not in the namespace of "
     "replication, which is '" REPL_NAMESPACE "'"},
    {"near-miss-none", POOL("<region name='a'/>"), VIR_ERR_XML_ERROR,
     "<region> in the <metadata> of a <pool> is not in the namespace of replication"},
    {"near-miss-prefix", POOL("<replication:region name='a'/>"), VIR_ERR_XML_ERROR,
     "<replication:region> in the <metadata> of a <pool> is not in the namespace of replication"},
    {"near-miss-beside", POOL("<region name='a'/><r:region " NS " name='a'/>"), VIR_ERR_XML_ERROR,
     "<region> in the <metadata> of a <pool> is not in the namespace of replication"},
    {"image-in-pool", POOL("<r:image " NS "/>"), VIR_ERR_XML_ERROR, "Unknown element <replication:image>"},
    {"replicate-in-pool", POOL("<r:replicate " NS "/>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:replicate>"},
    {"outside", "<pool type='dir'><r:region " NS " name='a'/></pool>", VIR_ERR_XML_ERROR,
     "<replication:region> may only stand inside the <metadata> of a <pool>"},
    {"in-target", "<pool><target><metadata><r:region " NS " name='a'/></metadata></target></pool>",
     VIR_ERR_XML_ERROR, "<replication:region> may only stand inside the <metadata>"},
    {"in-foreign", POOL("<x><r:region " NS " name='a'/></x>"), VIR_ERR_XML_ERROR,
     "<replication:region> may only stand inside the <metadata>"},
    {"beside-good", "<pool><r:usage " NS "/><metadata><r:region " NS " name='a'/></metadata></pool>",
     VIR_ERR_XML_ERROR, "<replication:usage> may only stand inside"},
    {"foreign-attr", "<pool " NS " r:name='a'><name>n</name></pool>", VIR_ERR_XML_ERROR,
     "<pool replication:...> may only stand inside"},
    {"root", "<pool xmlns='" REPL_NAMESPACE "'><name>n</name></pool>", VIR_ERR_XML_ERROR,
     "<replication:pool> may only stand inside"},
    {"wrong-root", "<volume><metadata><r:region " NS " name='a'/></metadata></volume>", VIR_ERR_XML_ERROR,
     "The root element is <volume> instead of <pool>"},
    {"malformed", "<pool><metadata><r:region " NS " name='a'></metadata></pool>", VIR_ERR_XML_ERROR,
     "The XML is malformed at line 1"},
    {"unbound", "<pool><!-- " REPL_NAMESPACE " -->", VIR_ERR_XML_ERROR, "The XML is malformed at"},
    {"doctype", "<!DOCTYPE pool><pool><metadata><r:region " NS " name='a'/></metadata></pool>",
     VIR_ERR_XML_ERROR, "may not have a DOCTYPE"},
    /* The URI never stands in the text. */
    {"hidden-charref",
     "<pool><metadata><r:region xmlns:r='urn:libvirt&#45;replication:1.0' name='a' x=''/>"
     "</metadata></pool>",
     VIR_ERR_XML_ERROR, "Unknown attribute 'x' of <replication:region>"},
    {"hidden-default",
     "<!DOCTYPE pool [<!ATTLIST region xmlns CDATA 'urn:libvirt&#45;replication:1.0'>]>"
     "<pool><metadata><region name='a'/></metadata></pool>",
     VIR_ERR_XML_ERROR, "may not have a DOCTYPE"},
};

static const Bad badVolumes[] = {
    {"async", REQUEST("async='maybe'", ""), VIR_ERR_INVALID_ARG,
     "Value 'maybe' of attribute 'async' of <replication:replicate>"},
    {"start", REQUEST("start='1'", ""), VIR_ERR_INVALID_ARG, "attribute 'start'"},
    {"case", REQUEST("start='No'", ""), VIR_ERR_INVALID_ARG, "Value 'No' of attribute 'start'"},
    {"snapshots", REQUEST("snapshots='drop'", ""), VIR_ERR_INVALID_ARG,
     "Value 'drop' of attribute 'snapshots'"},
    {"encryption", REQUEST("encryption='luks'", ""), VIR_ERR_INVALID_ARG,
     "Value 'luks' of attribute 'encryption'"},
    {"rekey", REQUEST("rekey='half'", ""), VIR_ERR_INVALID_ARG, "Value 'half' of attribute 'rekey'"},
    {"fast-create", REQUEST("fast-create=''", ""), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'fast-create'"},
    {"unknown-attr", REQUEST("speed='1'", ""), VIR_ERR_XML_ERROR,
     "Unknown attribute 'speed' of <replication:replicate>"},
    {"unknown-child", REQUEST("", "<r:speed/>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:speed> in <replication:replicate>"},
    {"image-inside", REQUEST("", "<r:image/>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:image> in <replication:replicate>"},
    {"token-empty", REQUEST("token=''", ""), VIR_ERR_INVALID_ARG, "attribute 'token'"},
    {"token-control", REQUEST("token='a&#10;b'", ""), VIR_ERR_INVALID_ARG, "1 to 128 printable characters"},
    {"token-private", REQUEST("token='a\xee\x80\x80'", ""), VIR_ERR_INVALID_ARG,
     "1 to 128 printable characters"},
    {"token-long",
     REQUEST("token='0123456789012345678901234567890123456789012345678901234567890123456789"
             "01234567890123456789012345678901234567890123456789012345678'",
             ""),
     VIR_ERR_INVALID_ARG, "1 to 128 printable characters"},
    {"bandwidth-zero", REQUEST("", "<r:bandwidth>0</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value '0' of <replication:bandwidth>"},
    {"bandwidth-empty", REQUEST("", "<r:bandwidth/>"), VIR_ERR_INVALID_ARG,
     "Value '' of <replication:bandwidth>"},
    {"bandwidth-fraction", REQUEST("", "<r:bandwidth>1.5</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value '1.5' of <replication:bandwidth>"},
    {"bandwidth-overflow", REQUEST("", "<r:bandwidth unit='EiB/s'>8</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value '8' of <replication:bandwidth>"},
    {"bandwidth-unit", REQUEST("", "<r:bandwidth unit='MiB'>1</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value 'MiB' of attribute 'unit' of <replication:bandwidth>"},
    {"bandwidth-unit2", REQUEST("", "<r:bandwidth unit='Mb/'>1</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value 'Mb/'"},
    {"bandwidth-unit3", REQUEST("", "<r:bandwidth unit='/s'>1</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value '/s'"},
    {"bandwidth-unit4", REQUEST("", "<r:bandwidth unit='Mibit/s'>1</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value 'Mibit/s'"},
    {"bandwidth-attr", REQUEST("", "<r:bandwidth burst='2'>1</r:bandwidth>"), VIR_ERR_XML_ERROR,
     "Unknown attribute 'burst' of <replication:bandwidth>"},
    {"bandwidth-child", REQUEST("", "<r:bandwidth><x>1</x></r:bandwidth>"), VIR_ERR_XML_ERROR,
     "Unknown element <x> in <replication:bandwidth>"},
    {"bandwidth-twice", REQUEST("", "<r:bandwidth>1</r:bandwidth><r:bandwidth>2</r:bandwidth>"),
     VIR_ERR_XML_ERROR, "<replication:bandwidth> stands more than once in <replication:replicate>"},
    {"request-twice", VOLUME("<r:replicate " NS "/><r:replicate " NS "/>"), VIR_ERR_XML_ERROR,
     "<replication:replicate> stands more than once"},
    {"both", VOLUME("<r:replicate " NS "/><r:update " NS "><r:job action='start'/></r:update>"),
     VIR_ERR_XML_ERROR, "cannot stand in one <volume>"},
    {"both2", VOLUME("<r:update " NS "><r:job action='start'/></r:update><r:replicate " NS "/>"),
     VIR_ERR_XML_ERROR, "cannot stand in one <volume>"},
    {"region", VOLUME("<r:region " NS " name='a'/>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:region> in the <metadata> of a <volume>"},
    {"near-miss", VOLUME("<replicate xmlns='urn:libvirt-replication:1'/>"), VIR_ERR_XML_ERROR,
     "<replicate xmlns='urn:libvirt-replication:1'> in the <metadata> of a <volume> is not in the namespace "
     "of "
     "replication, which is '" REPL_NAMESPACE "'"},
    {"near-miss-none", VOLUME("<update><job action='cancel'/></update>"), VIR_ERR_XML_ERROR,
     "<update> in the <metadata> of a <volume> is not in the namespace of replication"},
    {"near-miss-prefix", VOLUME("<replication:replicate/>"), VIR_ERR_XML_ERROR,
     "<replication:replicate> in the <metadata> of a <volume> is not in the namespace of replication"},
    {"near-miss-entity",
     "<!DOCTYPE volume [<!ENTITY u 'urn:libvirt-repl'>]><volume><name>a</name><metadata>"
     "<r:replicate xmlns:r='&u;ication:1.0'/></metadata></volume>",
     VIR_ERR_XML_ERROR, "is not in the namespace of replication"},
    {"near-miss-other", VOLUME("<x:image xmlns:x='urn:x'/>"), VIR_ERR_XML_ERROR,
     "<image xmlns='urn:x'> in the <metadata> of a <volume> is not in the namespace of replication"},
    {"usage", VOLUME("<r:usage " NS "/>"), VIR_ERR_XML_ERROR, "Unknown element <replication:usage>"},
    {"outside", "<volume><name>n</name><r:replicate " NS "/></volume>", VIR_ERR_XML_ERROR,
     "<replication:replicate> may only stand inside the <metadata> of a <volume>"},
    {"pool", POOL("<r:replicate " NS "/>"), VIR_ERR_XML_ERROR,
     "The root element is <pool> instead of <volume>"},
    {"name-slash", "<volume><name>a/b</name><metadata><r:replicate " NS "/></metadata></volume>",
     VIR_ERR_INVALID_ARG, "Value 'a/b' of <name> cannot be the name of a volume"},
    {"name-dots", "<volume><name>..</name><metadata><r:replicate " NS "/></metadata></volume>",
     VIR_ERR_INVALID_ARG, "Value '..' of <name>"},
    {"name-empty", "<volume><name/><metadata><r:replicate " NS "/></metadata></volume>", VIR_ERR_INVALID_ARG,
     "Value '' of <name>"},
    {"target-none", TARGET(LUKS(SECRET), "encryption='none'"), VIR_ERR_INVALID_ARG,
     "Value 'none' of attribute 'encryption' of <replication:replicate> contradicts"},
    {"target-default", TARGET(LUKS(SECRET), "encryption='default'"), VIR_ERR_INVALID_ARG,
     "Value 'default' of attribute 'encryption' of <replication:replicate> contradicts"},
    {"target-missing", TARGET("", "encryption='target'"), VIR_ERR_INVALID_ARG,
     "needs a <target><encryption>"},
    {"slot-none", TARGET("", "encryption='none' rekey='slot'"), VIR_ERR_INVALID_ARG,
     "Value 'slot' of attribute 'rekey'"},
    {"slot-keep", TARGET("", "rekey='slot'"), VIR_ERR_INVALID_ARG, "Value 'slot' of attribute 'rekey'"},
    {"target-format", TARGET("<encryption format='qcow'>" SECRET "</encryption>", ""), VIR_ERR_INVALID_ARG,
     "Value 'qcow' of attribute 'format' of <encryption>"},
    {"target-noformat", TARGET("<encryption>" SECRET "</encryption>", ""), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'format' of <encryption>"},
    {"target-engine", TARGET("<encryption format='luks' engine='librbd'>" SECRET "</encryption>", ""),
     VIR_ERR_INVALID_ARG, "Value 'librbd' of attribute 'engine' of <encryption>"},
    {"secret-none", TARGET(LUKS(""), ""), VIR_ERR_XML_ERROR, "needs exactly one <secret>"},
    {"secret-two", TARGET(LUKS(SECRET SECRET), ""), VIR_ERR_XML_ERROR, "needs exactly one <secret>"},
    {"secret-type", TARGET(LUKS("<secret type='key' usage='a'/>"), ""), VIR_ERR_INVALID_ARG,
     "Value 'key' of attribute 'type' of <secret>"},
    {"secret-neither", TARGET(LUKS("<secret type='passphrase'/>"), ""), VIR_ERR_XML_ERROR,
     "needs one of the attributes 'uuid' and 'usage'"},
    {"secret-both",
     TARGET(LUKS("<secret type='passphrase' usage='a' uuid='5e1a4f6e-5d8d-4b53-a4ab-0f2c2a1f8b7e'/>"), ""),
     VIR_ERR_XML_ERROR, "needs one of the attributes 'uuid' and 'usage'"},
    {"secret-uuid",
     TARGET(LUKS("<secret type='passphrase' uuid='5e1a4f6e-5d8d-4b53-a4ab0f2c2a1f8b7e'/>"), ""),
     VIR_ERR_INVALID_ARG, "Value '5e1a4f6e-5d8d-4b53-a4ab0f2c2a1f8b7e' of attribute 'uuid'"},
    {"secret-usage", TARGET(LUKS("<secret type='passphrase' usage=''/>"), ""), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'usage' of <secret>"},
    {"cipher-size", TARGET(LUKS(SECRET "<cipher name='aes' size='-1'/><ivgen name='plain64'/>"), ""),
     VIR_ERR_INVALID_ARG, "Value '-1' of attribute 'size' of <cipher>"},
    {"cipher-zero", TARGET(LUKS(SECRET "<cipher name='aes' size='0'/><ivgen name='plain64'/>"), ""),
     VIR_ERR_INVALID_ARG, "Value '0' of attribute 'size' of <cipher>"},
    {"cipher-name", TARGET(LUKS(SECRET "<cipher size='256'/><ivgen name='plain64'/>"), ""), VIR_ERR_XML_ERROR,
     "<cipher> needs the attributes 'name' and 'size'"},
    {"update-empty", UPDATE(""), VIR_ERR_XML_ERROR, "says nothing to change"},
    {"update-unnamed",
     "<volume><metadata><r:update " NS "><r:job action='start'/></r:update></metadata></volume>",
     VIR_ERR_XML_ERROR, "<replication:update> needs the <name> of an existing volume"},
    {"update-attr", VOLUME("<r:update " NS " force='yes'><r:job action='start'/></r:update>"),
     VIR_ERR_XML_ERROR, "Unknown attribute 'force' of <replication:update>"},
    {"update-child", UPDATE("<r:status>available</r:status>"), VIR_ERR_XML_ERROR,
     "Unknown element <replication:status> in <replication:update>"},
    {"update-type", UPDATE("<r:type>cdrom</r:type>"), VIR_ERR_INVALID_ARG,
     "Value 'cdrom' of <replication:type>"},
    {"update-job", UPDATE("<r:job/>"), VIR_ERR_XML_ERROR, "<replication:job> needs the attribute 'action'"},
    {"update-action", UPDATE("<r:job action='stop'/>"), VIR_ERR_INVALID_ARG,
     "Value 'stop' of attribute 'action' of <replication:job>"},
    {"update-jobs", UPDATE("<r:job action='pause'/><r:job action='resume'/>"), VIR_ERR_XML_ERROR,
     "<replication:job> stands more than once"},
    {"update-cancel-and-name", UPDATE("<r:job action='cancel'/><r:name>n</r:name>"), VIR_ERR_INVALID_ARG,
     "The action 'cancel' takes the image away"},
    {"update-share", UPDATE("<r:share project='p'/>"), VIR_ERR_XML_ERROR,
     "<replication:share> needs the attribute 'state'"},
    {"update-share-state", UPDATE("<r:share project='p' state='given'/>"), VIR_ERR_INVALID_ARG,
     "Value 'given' of attribute 'state' of <replication:share>"},
    {"update-share-project", UPDATE("<r:share project='' state='offered'/>"), VIR_ERR_INVALID_ARG,
     "Value '' of attribute 'project' of <replication:share>"},
    {"update-name-empty", UPDATE("<r:name/>"), VIR_ERR_INVALID_ARG, "Value '' of <replication:name>"},
    {"update-name-lines", UPDATE("<r:name>a\nb</r:name>"), VIR_ERR_INVALID_ARG,
     "of <replication:name> is not valid"},
    {"update-bandwidth", UPDATE("<r:bandwidth>fast</r:bandwidth>"), VIR_ERR_INVALID_ARG,
     "Value 'fast' of <replication:bandwidth>"},
};

static void
testBadPool(gconstpointer data)
{
    const Bad *bad = data;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParse(bad->xml, &err);

    g_assert_null(xml);
    g_assert_error(err, REPL_ERROR, bad->code);
    g_assert_nonnull(strstr(err->message, bad->message));
}

static void
testBadVolume(gconstpointer data)
{
    const Bad *bad = data;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(bad->xml, &err);

    g_assert_null(xml);
    g_assert_error(err, REPL_ERROR, bad->code);
    g_assert_nonnull(strstr(err->message, bad->message));
}

/* What the parser refuses the installed schemas refuse too, but for relations between attributes, stock
 * elements and the whole document, and limits in bytes, which they cannot express or leave to
 * libvirt's own schemas. */
static const char *const beyondSchemas[] = {
    "doctype",
    "update-cancel-and-name",
    "hidden-default",
    "secret-none",
    "secret-two",
    "secret-type",
    "secret-neither",
    "secret-both",
    "secret-uuid",
    "secret-usage",
    "cipher-size",
    "cipher-zero",
    "cipher-name",
    "target-none",
    "target-default",
    "target-missing",
    "target-format",
    "target-noformat",
    "target-engine",
    "slot-none",
    "slot-keep",
    "name-slash",
    "name-dots",
    "name-empty",
    "bandwidth-zero",
    "bandwidth-overflow",
    "update-unnamed",
    "update-empty",
    "near-miss",
    "near-miss-none",
    "near-miss-prefix",
    "near-miss-beside",
    "near-miss-other",
    "near-miss-entity",
    NULL,
};

static void
checkAgreement(const Bad *bads, gsize count, const char *rng)
{
    g_autofree char *dir = g_dir_make_tmp("repl-xml-XXXXXX", NULL);
    g_autofree char *schema = g_build_filename(g_getenv("REPL_TEST_SRCDIR"), "xml", rng, NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *said = NULL;
    gsize i;

    g_ptr_array_add(argv, g_strdup("xmllint"));
    g_ptr_array_add(argv, g_strdup("--nonet"));
    g_ptr_array_add(argv, g_strdup("--noout"));
    g_ptr_array_add(argv, g_strdup("--relaxng"));
    g_ptr_array_add(argv, g_strdup(schema));
    for (i = 0; i < count; i++) {
        g_ptr_array_add(argv, g_strdup_printf("%s/%s.xml", dir, bads[i].name));
        g_assert_true(g_file_set_contents(g_ptr_array_index(argv, argv->len - 1), bads[i].xml, -1, NULL));
    }
    g_ptr_array_add(argv, NULL);
    g_assert_true(g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &said,
                               NULL, NULL));
    for (i = 0; i < count; i++) {
        g_autofree char *valid = g_strdup_printf("/%s.xml validates\n", bads[i].name);

        if (!strstr(said, valid) != !g_strv_contains(beyondSchemas, bads[i].name))
            g_error("xml/%s and the parser differ about %s: %s", rng, bads[i].name, said);
        g_assert_cmpint(g_unlink(g_ptr_array_index(argv, i + 5)), ==, 0);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void
testAgreement(void)
{
    g_autofree char *xmllint = g_find_program_in_path("xmllint");

    if (!xmllint) {
        g_test_skip("xmllint is not installed");
        return;
    }
    checkAgreement(badPools, G_N_ELEMENTS(badPools), "pool.rng");
    checkAgreement(badVolumes, G_N_ELEMENTS(badVolumes), "volume.rng");
}

static void
addBad(const char *kind, const Bad *bads, gsize count, GTestDataFunc test)
{
    gsize i;

    for (i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/xml/bad/%s/%s", kind, bads[i].name);

        g_test_add_data_func(path, &bads[i], test);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    addBad("pool", badPools, G_N_ELEMENTS(badPools), testBadPool);
    addBad("volume", badVolumes, G_N_ELEMENTS(badVolumes), testBadVolume);
    g_test_add_func("/xml/bad/schemas-agree", testAgreement);
    return g_test_run();
}
