/*
 * fuzz_main.c: where the compiler has no fuzzer: good input, changed at random
 *
 *     fuzz_NAME_plain [SECONDS]     also:  fuzz_NAME_plain --corpus FOLDER   writes the good input
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static int
fuzzWriteCorpus(const GPtrArray *seeds, const char *folder)
{
    for (guint i = 0; i < seeds->len; i++) {
        const GByteArray *seed = g_ptr_array_index(seeds, i);
        g_autofree char *path = g_strdup_printf("%s/seed%u", folder, i);

        if (!g_file_set_contents(path, (const char *)seed->data, seed->len, NULL))
            return 1;
    }
    return 0;
}

static void
fuzzOnce(GRand *rand, const GByteArray *seed)
{
    g_autoptr(GByteArray) input = g_byte_array_new();

    g_byte_array_append(input, seed->data, seed->len);
    for (gint n = g_rand_int_range(rand, 0, 8); n > 0; n--)
        input->data[g_rand_int_range(rand, 0, input->len)] = g_rand_int_range(rand, 0, 256);
    if (g_rand_boolean(rand))
        g_byte_array_set_size(input, g_rand_int_range(rand, 1, input->len + 1));
    LLVMFuzzerTestOneInput(input->data, input->len);
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) seeds = fuzzSeeds();
    g_autoptr(GRand) rand = g_rand_new_with_seed(20240601);
    gint64 end = g_get_monotonic_time();

    if (argc == 3)
        return fuzzWriteCorpus(seeds, argv[2]);
    end += (argc > 1 ? atoi(argv[1]) : 5) * G_USEC_PER_SEC;
    for (guint64 runs = 0;; runs++) {
        if (runs % 1024 == 0 && g_get_monotonic_time() > end) {
            printf("%llu runs\n", (unsigned long long)runs);
            return 0;
        }
        fuzzOnce(rand, g_ptr_array_index(seeds, runs % seeds->len));
    }
}
