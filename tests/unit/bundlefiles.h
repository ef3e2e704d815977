/*
 * bundlefiles.h: bundles for tests: of two layers of patterns and holes, whole or changed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gcrypt.h>

#include "bundle/hex.h"
#include "bundle/open.h"
#include "bundle/pack.h"
#include "bundle/tar.h"
#include "bundle/text.h"
#include "bundle/unpack.h"
#include "copyfiles.h"

#define LAYERS 2

/* Files of an image and what is made of them. */
typedef struct {
    TestDir *dir;
    int fds[LAYERS]; /* bases first */
    int bundle;
    guint checkpoints; /* how many there were */
    guint failAt;      /* the one that fails; 0: none */
    guint64 last_bytes;
} Made;

static inline void
madeClear(Made *made)
{
    for (guint i = 0; i < LAYERS; i++)
        replFdClose(made->fds[i]);
    replFdClose(made->bundle);
    g_clear_pointer(&made->dir, removeDir);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Made, madeClear)

/* Data that cannot be packed: of a cipher's kind, the same each time. */
static inline void
writeNoise(int fd, guint64 offset, gsize length)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(offset + 7);
    g_autofree guint32 *buf = g_malloc(length);

    for (gsize i = 0; i < length / 4; i++)
        buf[i] = g_rand_int(rand);
    g_assert_cmpint(replPwriteFull(fd, buf, length, offset), ==, 0);
}

/* A base of 40 MiB with 3 MiB of patterns, 2 MiB of noise and a tail that ends in the middle of a block, and a top
 * with one run of data. */
static inline void
makeLayers(Made *made)
{
    const Run base[] = {{0, MIB}, {5 * MIB, 2 * MIB}, {39 * MIB, 1234}};
    const Run top[] = {{64 * KIB, 3 * MIB}};

    made->dir = newDir();
    made->fds[0] = newSparse(made->dir, "base", 39 * MIB + 1234, base, G_N_ELEMENTS(base));
    writeNoise(made->fds[0], 20 * MIB, 2 * MIB);
    made->fds[1] = newSparse(made->dir, "top", 8 * MIB, top, G_N_ELEMENTS(top));
    made->bundle = newFile(made->dir, "bundle");
    g_assert_cmpint(fsync(made->fds[0]), ==, 0);
}

static inline ReplReader *
openLayer(void *opaque, guint layer, GError **err)
{
    Made *made = opaque;

    return replFileReaderNew(made->fds[layer], NULL, err);
}

static inline int
checkpoint(void *opaque, guint64 offset, GError **err)
{
    Made *made = opaque;

    if (++made->checkpoints == made->failAt) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "stopped by the test");
        return -1;
    }
    made->last_bytes = offset;
    return 0;
}

static inline ReplBundle *
describe(Made *made)
{
    static const char *const names[] = {"base.raw", "web.qcow2"};
    ReplBundle *bundle = replBundleNew("8c7e0b7e-6b3c-4d39-9d6c-3b1b0a9b8a01");

    bundle->volume = g_strdup("web.qcow2");
    bundle->image->name = g_strdup("web \"<1>\" \xc3\xa4");
    bundle->image->type = REPL_IMAGE_TYPE_DATA_DISK;
    bundle->image->source.region = g_strdup("cn-north-1");
    for (guint i = 0; i < LAYERS; i++) {
        ReplBundleLayer *layer = replBundleAddLayer(bundle, names[i]);
        struct stat st;

        g_assert_cmpint(fstat(made->fds[i], &st), ==, 0);
        layer->format = i == 0 ? REPL_FORMAT_RAW : REPL_FORMAT_QCOW2;
        layer->size_bytes = layer->virtualSize_bytes = st.st_size;
    }
    return bundle;
}

/* Packs them; parts of 1 MiB, from what the last checkpoint has told. */
static inline int
packLayers(Made *made, ReplBundle *bundle, guint level, GError **err)
{
    const ReplCopyWatch watch = {.checkpoint = checkpoint, .opaque = made};
    const ReplBundlePack pack = {.bundle = bundle,
                                 .open = openLayer,
                                 .opaque = made,
                                 .fd = made->bundle,
                                 .level = level,
                                 .part_bytes = MIB,
                                 .start_bytes = made->last_bytes,
                                 .watch = &watch};

    return replBundlePack(&pack, err);
}

static inline void
makeBundle(Made *made, guint level)
{
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(GError) err = NULL;

    makeLayers(made);
    bundle = describe(made);
    g_assert_cmpint(packLayers(made, bundle, level, &err), ==, 0);
    g_assert_no_error(err);
}

/* Unpacks layer @layer into a new file @name; @start_bytes of it are there already. */
static inline int
unpackLayer(Made *made, const ReplBundle *bundle, guint layer, const char *name, guint64 start_bytes,
            GError **err)
{
    const ReplCopyJob job = {.size_bytes = replBundleLayer(bundle, layer)->size_bytes,
                             .start_bytes = start_bytes};
    g_auto(ReplFd) fd = newFile(made->dir, name);
    g_autoptr(ReplReader) reader =
        replBundleReaderNew(bundle, layer, &(ReplBundleFile){.fd = made->bundle, .what = "b"}, err);
    g_autoptr(ReplWriter) writer = reader ? replFileWriterNew(fd, NULL, err) : NULL;

    return writer ? replCopyRun(reader, writer, &job, err) : -1;
}

static inline void
digestOf(const char *text, gsize length, char *digest)
{
    guint8 sum[32];

    gcry_md_hash_buffer(GCRY_MD_SHA256, sum, text, length);
    replHex(sum, sizeof(sum), digest);
}

/* A tar that is put together entry by entry. */
static inline void
tarAdd(GByteArray *tar, const char *name, const void *bytes, gsize length)
{
    guint8 block[REPL_TAR_BLOCK_BYTES];
    static const guint8 zeros[REPL_TAR_BLOCK_BYTES];

    replTarHeader(block, name, length);
    g_byte_array_append(tar, block, sizeof(block));
    g_byte_array_append(tar, bytes, length);
    g_byte_array_append(tar, zeros, replTarPadded(length) - length);
}

static inline void
tarAddBlob(GByteArray *tar, const char *bytes, gsize length, char *digest)
{
    g_autofree char *name = NULL;

    digestOf(bytes, length, digest);
    name = g_strconcat("blobs/sha256/", digest, NULL);
    tarAdd(tar, name, bytes, length);
}

static inline void
tarEnd(GByteArray *tar)
{
    static const guint8 zeros[2 * REPL_TAR_BLOCK_BYTES];

    g_byte_array_append(tar, zeros, sizeof(zeros));
}

/* The texts of @bundle with right digests around them, after @change (may be NULL) had each: "config", "manifest",
 * "index". */
static inline void
tarAddTexts(GByteArray *tar, const ReplBundle *bundle, char *(*change)(const char *which, char *text))
{
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];
    g_autofree char *config = replBundleConfigText(bundle);
    g_autofree char *manifest = NULL;
    g_autofree char *index = NULL;

    config = change ? change("config", config) : config;
    tarAddBlob(tar, config, strlen(config), digest);
    manifest = replBundleManifestText(bundle, digest, strlen(config));
    manifest = change ? change("manifest", manifest) : manifest;
    tarAddBlob(tar, manifest, strlen(manifest), digest);
    index = replBundleIndexText(digest, strlen(manifest));
    index = change ? change("index", index) : index;
    tarAdd(tar, "index.json", index, strlen(index));
}
