/*
 * test_client_text.c: sizes, bars, tables and near words of virt-replicate
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib.h>
#include <string.h>

#include "bar.h"
#include "nearest.h"
#include "size.h"
#include "table.h"
#include "term.h"

static void
testSizesIn(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1K", 1024},
        {"1KiB", 1024},
        {"1kB", 1000},
        {"10GiB", 10ULL << 30},
        {"10G", 10ULL << 30},
        {"1.5 TiB", 3ULL << 39},
        {"2MB", 2000000},
        {"1E", 1ULL << 60},
    };
    static const char *const bad[] = {"",    "x",     "-1",    "1Q", "1KiBs", "0x10",
                                      "nan", "10EiB", "1 G B", "G",  "1e400"};
    guint64 bytes;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(replSizeParse(good[i].text, &bytes));
        g_assert_cmpuint(bytes, ==, good[i].bytes);
    }
    for (i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(replSizeParse(bad[i], &bytes));
    g_assert_true(replRateParse("20MiB/s", &bytes));
    g_assert_cmpuint(bytes, ==, 20 << 20);
    g_assert_true(replRateParse("20M", &bytes));
    g_assert_false(replRateParse("/s", &bytes));
}

static void
testSizesOut(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.00 KiB"},
        {10240, "10.0 KiB"},
        {640 << 20, "640 MiB"},
        {(1024ULL << 20) - 1, "1.00 GiB"},
        {129ULL << 30, "129 GiB"},
        {G_MAXUINT64, "16.0 EiB"},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = replSizeText(sizes[i].bytes);

        g_assert_cmpstr(text, ==, sizes[i].text);
    }
}

static void
testTimes(void)
{
    static const struct {
        gint64 seconds;
        const char *text;
    } times[] = {{-1, "-"},       {0, "0:00"},       {64, "1:04"},
                 {3599, "59:59"}, {3600, "1:00:00"}, {90000, "1 d 01 h"}};
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autofree char *text = replTimeText(times[i].seconds);

        g_assert_cmpstr(text, ==, times[i].text);
    }
}

static void
testBar(void)
{
    ReplTerm ascii = {0};
    ReplTerm utf8 = {.utf8 = true};
    static const unsigned int percents[] = {0, 1, 50, 99, 100, 250};
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(percents); i++) {
        g_autofree char *one = replBar(&ascii, 12, percents[i]);
        g_autofree char *two = replBar(&utf8, 12, percents[i]);

        g_assert_cmpint(replTermWidth(one), ==, 12);
        g_assert_cmpint(replTermWidth(two), ==, 12);
        g_assert_true(g_str_is_ascii(one));
    }
    {
        g_autofree char *half = replBar(&ascii, 12, 50);
        g_autofree char *eighths = replBar(&utf8, 10, 55);

        g_assert_cmpstr(half, ==, "[#####.....]");
        g_assert_cmpstr(eighths, ==, "[████▍   ]");
    }
}

/* Whatever the width, a line never wraps, and says at least whose progress it is. */
static void
testBarLineFits(void)
{
    virtReplicationJob job = {
        .state = VIRT_REPLICATION_JOB_RUNNING, .progress = 47, .rate = 104764653, .eta = 4};
    int width;

    for (width = 20; width <= 200; width++) {
        ReplTerm term = {.tty = true, .utf8 = true, .color = width % 2, .width = width};
        g_autofree char *line = replBarLine(&term, "web → cn-east-2", 16, &job);

        g_assert_cmpint(replTermWidth(line), <, width);
        g_assert_nonnull(strstr(line, "we"));
        g_assert_nonnull(strstr(line, "47 %"));
        g_assert_cmpint(strstr(line, "[") != NULL && strstr(line, "MiB/s") == NULL && !term.color, ==, false);
    }
}

static void
testBarTotal(void)
{
    virtReplicationJob one = {
        .state = VIRT_REPLICATION_JOB_COMPLETED, .total = 100, .processed = 100, .eta = -1};
    virtReplicationJob two = {
        .state = VIRT_REPLICATION_JOB_RUNNING, .total = 300, .processed = 100, .rate = 1024, .eta = 9};
    virtReplicationJob *jobs[] = {&one, &two};
    ReplTerm term = {.width = 100};
    g_autofree char *line = replBarTotal(&term, 10, jobs, 2);

    g_assert_nonnull(strstr(line, " 50 %"));
    g_assert_nonnull(strstr(line, "1.00 KiB/s"));
    g_assert_nonnull(strstr(line, "0:09"));
    g_assert_nonnull(strstr(line, "1 of 2"));
}

static void
testTable(void)
{
    static const char *const titles[] = {"Name", ">Size", "Id", NULL};
    ReplTerm term = {.utf8 = true};
    ReplTerm narrow = {.utf8 = true, .width = 12};
    g_autoptr(ReplTable) table = replTableNew(&term, titles);
    g_autoptr(ReplTable) cut = replTableNew(&narrow, titles);
    g_autofree char *text = NULL;
    g_autofree char *cutText = NULL;
    g_auto(GStrv) lines = NULL;
    size_t i;

    replTableAdd(table, "a\033[31m\n");
    replTableAdd(table, "12 B");
    replTableAdd(table, NULL);
    replTableAdd(table, "北京");
    replTableAdd(table, "1 B");
    replTableAdd(table, "x");
    text = replTableText(table);
    g_assert_cmpstr(text, ==, "Name     Size  Id\na?[31m?  12 B  -\n北京      1 B  x\n");
    for (i = 0; i < 3; i++)
        replTableAdd(cut, "something long");
    cutText = replTableText(cut);
    lines = g_strsplit(cutText, "\n", -1);
    for (i = 0; lines[i]; i++)
        g_assert_cmpint(replTermWidth(lines[i]), <=, 12);
}

static void
testNearest(void)
{
    static const char *const words[] = {"cn-north-1", "cn-east-2", "web", "copy", NULL};

    g_assert_cmpuint(replNearestDistance("web", "web"), ==, 0);
    g_assert_cmpuint(replNearestDistance("wbe", "web"), ==, 1);
    g_assert_cmpuint(replNearestDistance("", "web"), ==, 3);
    g_assert_cmpuint(replNearestDistance("kitten", "sitting"), ==, 3);
    g_assert_cmpstr(replNearest("cn-eats-2", words), ==, "cn-east-2");
    g_assert_cmpstr(replNearest("cpoy", words), ==, "copy");
    g_assert_null(replNearest("zzzzzzz", words));
    g_assert_null(replNearest("", words));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/sizes-in", testSizesIn);
    g_test_add_func("/client/sizes-out", testSizesOut);
    g_test_add_func("/client/times", testTimes);
    g_test_add_func("/client/bar", testBar);
    g_test_add_func("/client/bar-line-fits", testBarLineFits);
    g_test_add_func("/client/bar-total", testBarTotal);
    g_test_add_func("/client/table", testTable);
    g_test_add_func("/client/nearest", testNearest);
    return g_test_run();
}
