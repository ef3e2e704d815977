/*
 * test_store_request.c: each field of a request is copied, kept on record and compared
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "store/jobtext.h"

#define ID "9c9ce1f0-1111-4222-8333-444455556666"

/* No byte of a request is outside of the table by which requests are copied, kept and compared. */
static void
testRequestFields(void)
{
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
    union {
        ReplRequest req;
        guint8 bytes[sizeof(ReplRequest)];
    } all;
    guint i;

    memset(&all, 0xff, sizeof(all));
    __builtin_clear_padding(&all.req);
    for (i = 0; i < replRequestFieldCount; i++)
        memset(all.bytes + replRequestFields[i].offset, 0, replRequestFields[i].size);
    for (i = 0; i < sizeof(all.bytes); i++)
        g_assert_cmpuint(all.bytes[i], ==, 0);
#else
    g_test_skip("this compiler does not tell padding");
#endif
}

/* Changes the field to another value. */
static void
changeField(ReplRequest *req, const ReplRequestField *field)
{
    gpointer value = G_STRUCT_MEMBER_P(req, field->offset);

    switch (field->kind) {
    case REPL_FIELD_STRING:
    case REPL_FIELD_NAME:
    case REPL_FIELD_UUID:
        g_free(*(char **)value);
        *(char **)value = g_strdup(ID);
        break;
    case REPL_FIELD_FLAG:
        *(gboolean *)value = !*(gboolean *)value;
        break;
    case REPL_FIELD_WORD:
        *(int *)value = !*(int *)value;
        break;
    case REPL_FIELD_NUMBER:
        *(guint *)value += 64;
        break;
    case REPL_FIELD_BIG:
        *(guint64 *)value -= 1;
        break;
    case REPL_FIELD_HAVES:
        g_ptr_array_add(*(GPtrArray **)value, replHaveNew("pool", "volume"));
        break;
    }
}

/* A request that says something in each field. */
static ReplRequest *
requestFull(void)
{
    ReplRequest *req = replRequestNew();
    guint i;

    for (i = 0; i < replRequestFieldCount; i++)
        changeField(req, &replRequestFields[i]);
    return req;
}

static char *
textOf(const ReplRequest *req)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();

    replRequestToText(keys, req);
    return g_key_file_to_data(keys, NULL, NULL);
}

/* Each field alone makes another request, unless it only says how; whichever it is, it is kept, and a copy has it. */
static void
testEachField(void)
{
    g_autoptr(ReplRequest) none = replRequestNew();
    g_autofree char *noneText = textOf(none);
    guint i;

    for (i = 0; i < replRequestFieldCount; i++) {
        g_autoptr(ReplRequest) one = replRequestNew();
        g_autoptr(ReplRequest) copy = NULL;
        g_autofree char *oneText = NULL;
        g_autofree char *copyText = NULL;

        changeField(one, &replRequestFields[i]);
        g_assert_cmpint(replRequestIsSame(none, one), ==, replRequestFields[i].same != REPL_SAME_EQUAL);
        oneText = textOf(one);
        g_assert_cmpstr(oneText, !=, noneText);
        copy = replRequestCopy(one);
        copyText = textOf(copy);
        g_assert_cmpstr(copyText, ==, oneText);
    }
}

/* What one of two does not say may be anything; what both say may not differ. */
static void
testUnsaid(void)
{
    g_autoptr(ReplRequest) bundle = replRequestNew();
    g_autoptr(ReplRequest) image = replRequestNew();
    g_autoptr(ReplRequest) unsaid = replRequestNew();

    bundle->sourceIs = REPL_SOURCE_IS_BUNDLE;
    image->sourceIs = REPL_SOURCE_IS_IMAGE;
    g_assert_true(replRequestIsSame(bundle, unsaid));
    g_assert_true(replRequestIsSame(unsaid, image));
    g_assert_false(replRequestIsSame(bundle, image));
}

static void
testKept(void)
{
    g_autoptr(ReplRequest) full = requestFull();
    g_autofree char *text = textOf(full);
    g_autoptr(GKeyFile) keys = g_key_file_new();
    ReplTextReader reader = {.keys = keys};
    g_autoptr(ReplRequest) kept = NULL;
    g_autofree char *again = NULL;

    g_assert_true(g_key_file_load_from_data(keys, text, -1, G_KEY_FILE_NONE, NULL));
    kept = replRequestFromText(&reader);
    g_assert_cmpint(replTextFinish(&reader, NULL), ==, 0);
    again = textOf(kept);
    g_assert_cmpstr(again, ==, text);
    g_assert_true(replRequestIsSame(full, kept));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store/request/fields", testRequestFields);
    g_test_add_func("/store/request/each-field", testEachField);
    g_test_add_func("/store/request/unsaid", testUnsaid);
    g_test_add_func("/store/request/kept", testKept);
    return g_test_run();
}
