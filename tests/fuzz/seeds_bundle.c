/*
 * seeds_bundle.c: a good bundle, and each piece of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <zstd.h>

#include "bundle/map.h"
#include "fuzz.h"
#include "../unit/bundlefiles.h"

static void
seedAdd(GPtrArray *seeds, guint8 first, const void *bytes, gsize length)
{
    GByteArray *seed = g_byte_array_new();

    g_byte_array_append(seed, &first, 1);
    g_byte_array_append(seed, bytes, length);
    g_ptr_array_add(seeds, seed);
}

/* The bytes of a part as fuzz_bundle.c expects it. */
static GByteArray *
seedPart(void)
{
    g_autoptr(ReplMap) map = replMapNew(0);
    const ReplMapRun runs[] = {{4096, 4096}, {8192 + 512, 4096 - 512}};
    GByteArray *bytes;
    guint head;

    g_array_append_vals(map->runs, runs, G_N_ELEMENTS(runs));
    bytes = replMapWrite(map);
    head = bytes->len;
    g_byte_array_set_size(bytes, head + 8192);
    memset(bytes->data + head, 'x', 8192);
    return bytes;
}

static ReplBundle *
seedBundle(const GByteArray *blob)
{
    ReplBundle *bundle = replBundleNew("8c7e0b7e-6b3c-4d39-9d6c-3b1b0a9b8a01");
    ReplBundlePart part = {
        .start_bytes = 4096, .end_bytes = 12288, .data_bytes = 8192, .packed_bytes = blob->len};
    ReplBundleLayer *layer;

    bundle->volume = g_strdup("web.raw");
    bundle->image->source.region = g_strdup("r");
    layer = replBundleAddLayer(bundle, "web.raw");
    layer->size_bytes = layer->virtualSize_bytes = 65536;
    layer->data_bytes = 8192;
    digestOf((const char *)blob->data, blob->len, part.digest);
    g_array_append_val(layer->parts, part);
    return bundle;
}

GPtrArray *
fuzzSeeds(void)
{
    GPtrArray *seeds = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    g_autoptr(GByteArray) part = seedPart();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(ReplBundle) bundle = seedBundle(part);
    g_autofree guint8 *packed = g_malloc(65536);
    g_autofree char *config = replBundleConfigText(bundle);
    g_autofree char *manifest =
        replBundleManifestText(bundle, replBundlePart(replBundleLayer(bundle, 0), 0)->digest, 9);
    g_autofree char *index = replBundleIndexText(replBundlePart(replBundleLayer(bundle, 0), 0)->digest, 9);
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];

    tarAdd(tar, "oci-layout", "{}", 2);
    tarAddBlob(tar, (const char *)part->data, part->len, digest);
    tarAddTexts(tar, bundle, NULL);
    tarEnd(tar);
    seedAdd(seeds, 0, tar->data, tar->len);
    seedAdd(seeds, 1, index, strlen(index));
    seedAdd(seeds, 2, manifest, strlen(manifest));
    seedAdd(seeds, 3, config, strlen(config));
    seedAdd(seeds, 4, part->data, part->len - 8192);
    seedAdd(seeds, 5, part->data, part->len);
    seedAdd(seeds, 6, packed, ZSTD_compress(packed, 65536, part->data, part->len, 3));
    return seeds;
}
