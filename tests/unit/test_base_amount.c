/*
 * test_base_amount.c: amounts as people read them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib.h>

#include "base/amount.h"

#define KIB ((guint64)1 << 10)
#define MIB ((guint64)1 << 20)
#define GIB ((guint64)1 << 30)

static const struct {
    guint64 bytes;
    const char *text;
} amounts[] = {
    {0, "0 bytes"},
    {1, "1 byte"},
    {1023, "1023 bytes"},
    {1024, "1 KiB (1024 bytes)"},
    {1536, "1.5 KiB (1536 bytes)"},
    {MIB - 1, "1 MiB (1048575 bytes)"},
    {129 * GIB, "129 GiB (138512695296 bytes)"},
    {128 * GIB + 512, "128 GiB (137438953984 bytes)"},
    {648 * MIB + 90 * KIB, "648.1 MiB (679569408 bytes)"},
    {1023 * GIB + 1000 * MIB, "1 TiB (1099486461952 bytes)"},
    {G_MAXUINT64, "16 EiB (18446744073709551615 bytes)"},
};

static void
testAmounts(void)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(amounts); i++) {
        g_autofree char *text = replAmount(amounts[i].bytes);

        g_assert_cmpstr(text, ==, amounts[i].text);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/amount", testAmounts);
    return g_test_run();
}
