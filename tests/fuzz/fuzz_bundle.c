/*
 * fuzz_bundle.c: whatever a file may hold that is called a bundle
 *
 * Digests would keep all but the first texts out of reach, so the first byte chooses: 0 a whole file, 1 to 3 the texts, 4 a
 * map, 5 and 6 the bytes of a part, plain and packed, with the right digest around them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gcrypt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "bundle/hex.h"
#include "bundle/map.h"
#include "bundle/open.h"
#include "bundle/text.h"
#include "bundle/unpack.h"
#include "fuzz.h"

#define FUZZ_LAYER_BYTES 65536u

static int
fuzzFile(const guint8 *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || replPwriteFull(fd, data, size, 0) < 0)
        abort();
    return fd;
}

/* Reads all of the layer in order, as far as it goes. */
static void
fuzzRead(const ReplBundle *bundle, guint layer, int fd)
{
    g_autoptr(ReplReader) reader =
        replBundleReaderNew(bundle, layer, &(ReplBundleFile){.fd = fd, .what = "fuzz"}, NULL);
    g_autofree guint8 *buf = g_malloc(FUZZ_LAYER_BYTES + REPL_READER_SLACK_BYTES);
    guint64 size_bytes = replBundleLayer(bundle, layer)->size_bytes, from_bytes = 0;

    while (reader && from_bytes < size_bytes) {
        guint64 offset_bytes, length_bytes;

        if (replReaderData(reader, from_bytes, &offset_bytes, &length_bytes, NULL) <= 0)
            return;
        offset_bytes = MAX(offset_bytes, from_bytes);
        length_bytes = MIN(MIN(length_bytes, FUZZ_LAYER_BYTES), size_bytes - offset_bytes);
        if (length_bytes == 0 || replReaderRead(reader, buf, length_bytes, offset_bytes, NULL) < 0)
            return;
        from_bytes = offset_bytes + length_bytes;
    }
}

static void
fuzzWhole(const guint8 *data, size_t size)
{
    g_auto(ReplFd) fd = fuzzFile(data, size);
    g_autoptr(ReplBundle) bundle = NULL;

    replBundleIs(&(ReplBundleFile){.fd = fd, .what = "b"});
    bundle = replBundleOpen(&(ReplBundleFile){.fd = fd, .what = "fuzz"}, NULL);
    for (guint i = 0; bundle && i < bundle->layers->len; i++)
        fuzzRead(bundle, i, fd);
}

static void
fuzzText(guint which, const guint8 *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(ReplBundle) bundle = NULL;
    ReplBundleRef ref;

    if (which == 1) {
        replBundleIndexRead(text, "fuzz", &ref, NULL);
    } else if (which == 2) {
        bundle = replBundleNew("x");
        replBundleManifestRead(text, "fuzz", &ref, NULL);
        replBundleManifestParts(text, "fuzz", bundle, NULL);
    } else {
        bundle = replBundleConfigRead(text, "fuzz", NULL);
    }
}

/* A copy of its own, so that a read past its end is one past the end of the memory. */
static void
fuzzMap(const guint8 *data, size_t size)
{
    g_autofree guint8 *copy = g_memdup2(data, size);
    g_autoptr(ReplMap) map = NULL;

    if (size >= REPL_MAP_HEAD_BYTES && replMapLength(copy) == size)
        map = replMapRead(copy, size);
}

static void
fuzzPart(gboolean zstd, const guint8 *data, size_t size)
{
    g_auto(ReplFd) fd = fuzzFile(data, size);
    g_autoptr(ReplBundle) bundle = replBundleNew("x");
    ReplBundleLayer *layer = replBundleAddLayer(bundle, "layer");
    ReplBundlePart part = {
        .start_bytes = 4096, .end_bytes = 12288, .data_bytes = 8192, .packed_bytes = size, .zstd = zstd};
    guint8 sum[32];

    gcry_md_hash_buffer(GCRY_MD_SHA256, sum, data, size);
    replHex(sum, sizeof(sum), part.digest);
    layer->size_bytes = FUZZ_LAYER_BYTES;
    g_array_append_val(layer->parts, part);
    fuzzRead(bundle, 0, fd);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    if (size < 2)
        return 0;
    switch (data[0]) {
    case 0:
        fuzzWhole(data + 1, size - 1);
        break;
    case 1:
    case 2:
    case 3:
        fuzzText(data[0], data + 1, size - 1);
        break;
    case 4:
        fuzzMap(data + 1, size - 1);
        break;
    case 5:
    case 6:
        fuzzPart(data[0] == 6, data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
