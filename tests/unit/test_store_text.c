/*
 * test_store_text.c: the form of everything kept on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#define KIND "thing"

static char *
roundTrip(const char *value)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GKeyFile) back = NULL;
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    ReplTextReader reader = {0};
    char *got;
    gsize len;

    replTextPut(keys, "a", "b", value);
    data = replTextSeal(keys, KIND, 1 << 20, &len, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(strlen(data), ==, len);
    back = replTextUnseal(data, len, KIND, &err);
    g_assert_no_error(err);
    reader.keys = back;
    got = replTextString(&reader, "a", "b");
    g_assert_cmpint(replTextFinish(&reader, &err), ==, 0);
    return got;
}

static void
testStrings(void)
{
    static const char *const values[] = {
        "",
        " ",
        "  x  ",
        "\t\n\r",
        "a\nb\n[c]\nd=e",
        "# sha256 0",
        "\\",
        "\\n\\",
        ";a;b;",
        "\"quoted\"",
        "\xc3\xa9t\xc3\xa9",
        "a=b",
        "\x01\x02\x7f",
        "\xf0\x9f\x98\x80",
        "x\r\n",
        "\n# sha256 ",
        "[record]\nkind=other",
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *got = roundTrip(values[i]);

        g_assert_cmpstr(got, ==, values[i]);
    }
}

static void
testRandomStrings(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    static const gunichar odd[] = {' ', '\n', '\t', '\r', '\\', '=', '[', ']', '#', ';', 1, 0x7f};
    guint i;

    for (i = 0; i < 2000; i++) {
        g_autoptr(GString) value = g_string_new(NULL);
        g_autofree char *got = NULL;
        guint n = g_rand_int_range(rand, 0, 40);

        while (n--) {
            gunichar c = g_rand_boolean(rand) ? odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))]
                                              : (gunichar)g_rand_int_range(rand, 1, 0xd7ff);
            g_string_append_unichar(value, c);
        }
        got = roundTrip(value->str);
        g_assert_cmpstr(got, ==, value->str);
    }
}

static void
testDamage(void)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *data = NULL;
    gsize len;
    gsize i;

    replTextPut(keys, "a", "b", "some text");
    data = replTextSeal(keys, KIND, 4096, &len, NULL);
    for (i = 0; i < len; i++) { /* cut */
        g_autoptr(GError) err = NULL;
        g_autofree char *cut = g_strndup(data, i);

        g_assert_null(replTextUnseal(cut, i, KIND, &err));
        g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
    }
    for (i = 0; i < len * 8; i++) { /* one bit */
        g_autoptr(GError) err = NULL;
        g_autofree char *bad = g_strndup(data, len);

        bad[i / 8] ^= 1 << i % 8;
        g_assert_null(replTextUnseal(bad, len, KIND, &err));
        g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
    }
}

static void
testKindAndVersion(void)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    g_autofree char *newer = NULL;
    g_autofree char *sum = NULL;
    gsize len;

    data = replTextSeal(keys, KIND, 4096, &len, &err);
    g_assert_null(replTextUnseal(data, len, "other", &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
    g_clear_error(&err);

    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "[record]\nkind=thing\nversion=2\n", -1);
    newer = g_strdup_printf("[record]\nkind=thing\nversion=2\n# sha256 %s\n", sum);
    g_assert_null(replTextUnseal(newer, strlen(newer), KIND, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_SUPPORT);
    g_clear_error(&err);

    g_assert_null(replTextSeal(keys, KIND, len - 1, &len, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
}

static void
testValues(void)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "101", "1e1", "99999999999999999999999", "one"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GKeyFile) keys = g_key_file_new();
        g_autoptr(GError) err = NULL;
        ReplTextReader reader = {.keys = keys};

        replTextPut(keys, "a", "n", bad[i]);
        replTextPut(keys, "a", "ok", "7");
        g_assert_cmpuint(replTextUint(&reader, "a", "ok", 100), ==, 7);
        g_assert_cmpuint(replTextUint(&reader, "a", "absent", 100), ==, 0);
        g_assert_cmpuint(replTextUint(&reader, "a", "n", 100), ==, 0);
        /* nothing counts after a fault */
        g_assert_cmpuint(replTextUint(&reader, "a", "ok", 100), ==, 0);
        g_assert_cmpint(replTextFinish(&reader, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR);
        g_assert_nonnull(strstr(err->message, "[a] n"));
    }
}

static void
testCheckedStrings(void)
{
    static const struct {
        const char *value;
        gboolean uuid;
        gboolean name;
        gboolean flag;
    } cases[] = {
        {"2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab", TRUE, TRUE, FALSE},
        {"2B2bd8c5-2a4d-4b8e-9f3a-0123456789ab", FALSE, TRUE, FALSE},
        {"2b2bd8c52a4d4b8e9f3a0123456789ab", FALSE, TRUE, FALSE},
        {"true", FALSE, TRUE, TRUE},
        {"yes", FALSE, TRUE, FALSE},
        {"..", FALSE, FALSE, FALSE},
        {"a/b", FALSE, FALSE, FALSE},
        {"a\nb", FALSE, FALSE, FALSE},
        {"", FALSE, FALSE, FALSE},
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GKeyFile) keys = g_key_file_new();
        ReplTextReader r = {.keys = keys};
        g_autofree char *uuid = NULL;
        g_autofree char *name = NULL;

        replTextPut(keys, "a", "v", cases[i].value);
        uuid = replTextUuid(&r, "a", "v");
        g_assert_cmpint(replTextFinish(&r, NULL), ==, cases[i].uuid ? 0 : -1);
        g_assert_cmpstr(uuid, ==, cases[i].uuid ? cases[i].value : NULL);
        name = replTextName(&r, "a", "v");
        g_assert_cmpint(replTextFinish(&r, NULL), ==, cases[i].name ? 0 : -1);
        g_assert_cmpstr(name, ==, cases[i].name ? cases[i].value : NULL);
        g_assert_cmpint(replTextFlag(&r, "a", "v"), ==, cases[i].flag);
        g_assert_cmpint(replTextFinish(&r, NULL), ==, cases[i].flag ? 0 : -1);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/text/strings", testStrings);
    g_test_add_func("/store/text/random-strings", testRandomStrings);
    g_test_add_func("/store/text/damage", testDamage);
    g_test_add_func("/store/text/kind-and-version", testKindAndVersion);
    g_test_add_func("/store/text/values", testValues);
    g_test_add_func("/store/text/checked-strings", testCheckedStrings);
    return g_test_run();
}
