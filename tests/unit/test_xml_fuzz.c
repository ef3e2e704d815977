/*
 * test_xml_fuzz.c: damaged and mixed-up documents, from a fixed seed
 *
 * Whatever comes in: an answer or an error, never both or neither, nothing of ours in what goes to the
 * stock driver, which reads the same name and UUID.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "xml/regionpool.h"
#include "xml/xml.h"

#define SEED 20261120
#define MAX_ROUNDS 60000
#define TIME_us (2 * G_USEC_PER_SEC)

static const char *const snippets[] = {
    "<replication:region xmlns:replication='" REPL_NAMESPACE "' name='a'/>",
    "<replication:replicate xmlns:replication='" REPL_NAMESPACE "'/>",
    "xmlns='" REPL_NAMESPACE "'",
    "<metadata>",
    "</metadata>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE volume [<!ENTITY e 'x'>]>",
    "&e;",
    "&#45;",
    "&lt;",
    "<?xml version='1.0' encoding='UTF-16'?>",
    "<target><encryption format='luks'>",
    "9223372036854775808",
    "\xc3\xa4",
    "\xff",
    "'",
    "/>",
};

static GPtrArray *
readExamples(void)
{
    g_autofree char *path = g_build_filename(g_getenv("REPL_TEST_SRCDIR"), "xml", "examples", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        char *text = NULL;

        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        g_ptr_array_add(texts, text);
    }
    g_assert_cmpuint(texts->len, >, 0);
    return texts;
}

static const char *
anyOf(GRand *rand, const GPtrArray *texts)
{
    return g_ptr_array_index(texts, g_rand_int_range(rand, 0, texts->len));
}

/* Puts a piece of another document into this one. */
static void
splice(GRand *rand, GString *text, const char *other)
{
    gint32 len = strlen(other);
    gint32 from = g_rand_int_range(rand, 0, len);
    gint32 count = g_rand_int_range(rand, 0, MIN(len - from, 200) + 1);

    g_string_insert_len(text, g_rand_int_range(rand, 0, text->len + 1), other + from, count);
}

static void
mutate(GRand *rand, GString *text, const GPtrArray *texts)
{
    gint32 at = g_rand_int_range(rand, 0, text->len);
    gsize count = g_rand_int_range(rand, 1, 40);

    switch (g_rand_int_range(rand, 0, 5)) {
    case 0:
        text->str[at] = g_rand_int_range(rand, 1, 256);
        break;
    case 1:
        g_string_erase(text, at, MIN(count, text->len - at));
        break;
    case 2:
        g_string_insert(text, at, snippets[g_rand_int_range(rand, 0, G_N_ELEMENTS(snippets))]);
        break;
    case 3:
        splice(rand, text, anyOf(rand, texts));
        break;
    default:
        /* A value, most likely. */
        text->str[at] = "0129azAZ-._ /"[g_rand_int_range(rand, 0, 13)];
        break;
    }
    if (text->len == 0)
        g_string_append_c(text, '<');
}

/* All of a region pool is ours: nothing is taken out for the stock driver, another reader takes it. */
static guint
checkRegionPool(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplRegionPool) pool = replRegionPoolParse(text, &err);

    g_assert_true(!pool == !!err);
    return pool ? 1 : 0;
}

static guint
checkPool(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPoolXml) xml = replPoolXmlParse(text, &err);
    g_autoptr(ReplPoolXml) again = NULL;

    g_assert_true(!xml == !!err);
    if (!xml || !xml->hasOurs)
        return 0;
    if (g_strcmp0(xml->type, "region") == 0)
        return checkRegionPool(text);
    again = replPoolXmlParse(xml->stock, NULL);
    g_assert_nonnull(again);
    g_assert_false(again->hasOurs);
    g_assert_cmpstr(again->name, ==, xml->name);
    g_assert_cmpstr(again->uuid, ==, xml->uuid);
    return 1;
}

static guint
checkVolume(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVolXml) xml = replVolXmlParse(text, &err);
    g_autoptr(ReplVolXml) again = NULL;
    g_autofree char *out = NULL;

    g_assert_true(!xml == !!err);
    if (!xml || !xml->hasOurs)
        return 0;
    again = replVolXmlParse(xml->stock, NULL);
    g_assert_nonnull(again);
    g_assert_false(again->hasOurs);
    g_assert_cmpstr(again->name, ==, xml->name);
    if (xml->request) {
        out = replVolXmlComplete(xml, "n", &err);
        g_assert_no_error(err);
        g_assert_nonnull(strstr(out, "<name>n</name>"));
    }
    return 1;
}

static void
testMutations(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(SEED);
    g_autoptr(GPtrArray) texts = readExamples();
    gint64 end = g_get_monotonic_time() + TIME_us;
    guint good = 0;
    guint rounds;

    for (rounds = 0; rounds < MAX_ROUNDS && g_get_monotonic_time() < end; rounds++) {
        g_autoptr(GString) text = g_string_new(anyOf(rand, texts));
        gint32 changes = g_rand_int_range(rand, 1, 6);

        while (changes--)
            mutate(rand, text, texts);
        good += checkPool(text->str) + checkVolume(text->str);
    }
    /* Some must stay valid, or little was tested. */
    g_assert_cmpuint(good, >, 0);
    g_test_message("%u documents, %u understood", rounds, good);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/fuzz/mutations", testMutations);
    return g_test_run();
}
