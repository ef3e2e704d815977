/*
 * seeds_wire.c: good messages and frames
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz.h"
#include "../unit/wire_samples.h"

/* One message of each kind, and all of them as frames behind each other. */
GPtrArray *
fuzzSeeds(void)
{
    GPtrArray *seeds = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    GByteArray *frames = g_byte_array_new();

    g_byte_array_append(frames, (const guint8 *)"", 1);
    for (guint type = 1; type < 64; type++) {
        g_autoptr(GByteArray) payload = samplePayload(type);
        g_autoptr(GByteArray) frame = NULL;
        GByteArray *seed;
        guint8 first = type;

        if (!payload)
            continue;
        frame = sampleFrame(type, type, payload, type % 2);
        g_byte_array_append(frames, frame->data, frame->len);
        seed = g_byte_array_new();
        g_byte_array_append(seed, &first, 1);
        g_byte_array_append(seed, payload->data, payload->len);
        g_ptr_array_add(seeds, seed);
    }
    g_ptr_array_add(seeds, frames);
    return seeds;
}
