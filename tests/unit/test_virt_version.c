/*
 * test_virt_version.c: which libvirt is believed, and the shape of its stock module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dlfcn.h>
#include <glib.h>

#include "virt/shape.h"
#include "virt/version.h"

#define TRUSTED(text) replVersionParse(text)

static const struct {
    unsigned long version;
    const char *trusted;
    ReplVersionVerdict verdict;
} decisions[] = {
    {8010000, "", REPL_VERSION_OLDER},          {8010999, "99.0", REPL_VERSION_OLDER},
    {9000000, "", REPL_VERSION_CHECKED},        {9000000, "12.8", REPL_VERSION_CHECKED},
    {10005000, "", REPL_VERSION_CHECKED},       {11003000, "", REPL_VERSION_CHECKED},
    {11003002, "", REPL_VERSION_CHECKED},       {11004000, "", REPL_VERSION_NEWER},
    {11004000, "11.3", REPL_VERSION_NEWER},     {11004000, "11.4", REPL_VERSION_TRUSTED},
    {11004002, "11.4", REPL_VERSION_TRUSTED},   {11004002, "11.4.1", REPL_VERSION_NEWER},
    {12008000, "12.8.0", REPL_VERSION_TRUSTED}, {12008000, "13.0", REPL_VERSION_TRUSTED},
    {12009000, "12.8", REPL_VERSION_NEWER},     {12008000, "12", REPL_VERSION_NEWER}, /* no version */
    {12008000, "yes", REPL_VERSION_NEWER},
};

static void
testJudge(void)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(decisions); i++) {
        g_test_message("%lu, %s", decisions[i].version, decisions[i].trusted);
        g_assert_cmpint(replVersionJudge(decisions[i].version, TRUSTED(decisions[i].trusted)), ==,
                        decisions[i].verdict);
    }
}

static void
testParse(void)
{
    static const char *const bad[] = {"",      "12",    "12.",  ".8",      "12.8.",    "12.8.0.1",
                                      "12.-8", "12.8 ", "a.b",  "12.1000", "1000.0",   "+12.8",
                                      "12..8", "0x1.2", "12,8", "12.8-1",  "12.8.1000"};
    gsize i;

    g_assert_cmpuint(replVersionParse("12.8"), ==, 12008999);
    g_assert_cmpuint(replVersionParse("12.8.0"), ==, 12008000);
    g_assert_cmpuint(replVersionParse("9.0.17"), ==, 9000017);
    for (i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpuint(replVersionParse(bad[i]), ==, 0);
}

/* @skip: words of the table that are left out in front. */
static gsize
run(const char *name, gsize skip)
{
    g_autofree char *path = g_build_filename(g_getenv("REPL_TEST_MODULES"), name, NULL);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *stock;
    gsize count;

    g_assert_nonnull(handle);
    stock = dlsym(handle, "stock");
    g_assert_nonnull(stock);
    count = replShapeRun(handle, stock + sizeof(long) + skip * sizeof(void *));
    dlclose(handle);
    return count;
}

static void
testShape(void)
{
    g_autofree char *packed = g_build_filename(g_getenv("REPL_TEST_MODULES"), "stock46packed.so", NULL);

    g_assert_cmpuint(run("stock46.so", 0), ==, 46);
    g_assert_cmpuint(run("stock47.so", 0), ==, 47);
    g_assert_cmpuint(run("stock46.so", 1), ==, 0); /* it does not begin there */
    if (g_file_test(packed, G_FILE_TEST_EXISTS)) {
        g_assert_cmpuint(run("stock46packed.so", 0), ==, 46);
        g_assert_cmpuint(run("stock46packed.so", 1), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virt/version/judge", testJudge);
    g_test_add_func("/virt/version/parse", testParse);
    g_test_add_func("/virt/version/shape", testShape);
    return g_test_run();
}
