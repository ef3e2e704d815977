/*
 * test_error.c: errors know where they were set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

static void
testOrigin(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) copy = NULL;
    int line = __LINE__ + 1;
    replErrorSet(&err, VIR_ERR_NO_STORAGE_VOL, "There is no volume '%s'", "x");

    copy = g_error_copy(err);
    g_clear_error(&err);
    g_assert_error(copy, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL);
    g_assert_cmpstr(copy->message, ==, "There is no volume 'x'");
    g_assert_true(g_str_has_suffix(replErrorOrigin(copy).file, "test_error.c"));
    g_assert_cmpstr(replErrorOrigin(copy).func, ==, "testOrigin");
    g_assert_cmpint(replErrorOrigin(copy).line, ==, line);
}

static void
testSystem(void)
{
    g_autoptr(GError) err = NULL;

    replErrorSetSystem(&err, ENOSPC, "Cannot write %d", 5);
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
    g_assert_true(g_str_has_prefix(err->message, "Cannot write 5: "));
    g_assert_cmpstr(replErrorOrigin(err).func, ==, "testSystem");
    replErrorSet(NULL, VIR_ERR_INTERNAL_ERROR, "for no one");
    replErrorSetSystem(NULL, EIO, "for no one");
}

static void
testForeign(void)
{
    g_autoptr(GError) err = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_IO, "x");

    g_assert_null(replErrorOrigin(err).file);
    g_assert_null(replErrorOrigin(NULL).file);
}

/* The words of an error's code stand in its text once, however often it is taken and reported again. */
static void
testDetail(void)
{
    const struct {
        int code;
        const char *message;
        const char *detail;
        const char *expected;
    } cases[] = {
        {VIR_ERR_NO_STORAGE_POOL, "Storage pool not found: no pool 'x'", "no pool 'x'", "no pool 'x'"},
        {VIR_ERR_STORAGE_VOL_EXIST, "storage volume 'x' in pool 'y' exists already", "'x' in pool 'y'",
         "'x' in pool 'y'"},
        {VIR_ERR_INTERNAL_ERROR, "no 'x' here", "'x'", "no 'x' here"},
        {VIR_ERR_INTERNAL_ERROR, "no 'x' here", NULL, "no 'x' here"},
        {VIR_ERR_INTERNAL_ERROR, NULL, NULL, ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const virError error = {
            .code = cases[i].code, .message = (char *)cases[i].message, .str2 = (char *)cases[i].detail};

        g_assert_cmpstr(replErrorDetail(&error), ==, cases[i].expected);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/origin", testOrigin);
    g_test_add_func("/error/system", testSystem);
    g_test_add_func("/error/foreign", testForeign);
    g_test_add_func("/error/detail", testDetail);
    return g_test_run();
}
