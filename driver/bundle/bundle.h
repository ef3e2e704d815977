/*
 * bundle.h: an image with its chain and its record in one file
 *
 * The room bundle/ in five lines:
 * In:    readers of an image's layers and what is known of them (pack.h); or an open file of unknown content (open.h).
 * Out:   a bundle; or what is in one, and a reader for each layer of it (unpack.h).
 * Owner: the caller owns descriptors and readers. Nothing here knows pools or volumes.
 * Lock:  none but those inside a reader and a writer.
 *
 * The file is a tar with an OCI image layout in it, so that registries and their tools can carry it:
 *
 *     oci-layout
 *     blobs/sha256/DIGEST     parts of layers, each up to some hundred MiB of data (map.h), packed by zstd or not
 *     blobs/sha256/DIGEST     the config: the image's record and what its layers are, as JSON
 *     blobs/sha256/DIGEST     the manifest: config and parts, bases first
 *     index.json              the manifest's digest
 *
 * A layer is stored as its file is, without the holes: an encrypted layer stays encrypted. A layer without
 * parts is left out: the destination has it already, and knows it by the digest of its content (content.h). A
 * bundle in which every layer is left out is an inventory. Media types are our own, so that nobody takes a
 * layer for a file system.
 *
 * Nothing in a bundle that is read is believed: counts, sizes and names are bounded, every blob must have the
 * digest that it is called by and hold exactly what the config tells of it. Names in the tar are compared
 * with those that a layout has, and never used as paths.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "qcow2/format.h"

#define REPL_BUNDLE_LAYERS_MAX 200
/* Parts of all layers: texts stay below their limit of 1 MiB, which registries take, too. */
#define REPL_BUNDLE_PARTS_MAX 4096
#define REPL_BUNDLE_SIZE_MAX_BYTES (G_GUINT64_CONSTANT(64) << 40)
#define REPL_BUNDLE_DIGEST_CHARS 64

/* A blob with the data of a layer from start_bytes up to end_bytes, both of its file. */
typedef struct {
    guint64 start_bytes;
    guint64 end_bytes;
    guint64 data_bytes; /* not in holes */
    guint64 packed_bytes;
    guint64 at_bytes; /* where it lies in the bundle's file */
    gboolean zstd;
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1]; /* SHA-256 of the blob, hexadecimal */
} ReplBundlePart;

typedef struct {
    char *volume; /* its name, unique in the bundle */
    ReplFormat format;
    gboolean encrypted;
    char *secretUsage; /* usage of the libvirt secret that opens it, NULL: not known */
    guint64 size_bytes;
    guint64 data_bytes; /* of its parts, or that it would have */
    guint64 virtualSize_bytes;
    guint snapshotCount;
    guint bitmapCount;
    char *content;   /* digest of its content, NULL: not made */
    gboolean proved; /* content was made here, not only told by the bundle */
    gboolean absent; /* left out */
    GArray *parts;   /* of ReplBundlePart, ascending */
} ReplBundleLayer;

typedef struct {
    ReplImage *image;  /* id, type, name, description, fastCreate; source.region: where it is from */
    char *volume;      /* the image's */
    GPtrArray *layers; /* of ReplBundleLayer, bases first */
} ReplBundle;

ReplBundle *
replBundleNew(const char *imageId);

void
replBundleFree(ReplBundle *bundle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplBundle, replBundleFree)

/* A new layer on top of those that are there; the bundle's. */
ReplBundleLayer *
replBundleAddLayer(ReplBundle *bundle, const char *volume);

static inline ReplBundleLayer *
replBundleLayer(const ReplBundle *bundle, guint index)
{
    return g_ptr_array_index(bundle->layers, index);
}

static inline ReplBundlePart *
replBundlePart(const ReplBundleLayer *layer, guint index)
{
    return &g_array_index(layer->parts, ReplBundlePart, index);
}

/* A bundle in which every layer is left out. */
gboolean
replBundleIsInventory(const ReplBundle *bundle);

/* What the layer is, as 32 bytes: a digest over its facts and those of its parts, or its content's. Equal ones mean equal
 * bytes, but for the reference to the layer below. */
void
replBundleLayerName(const ReplBundleLayer *layer, guint8 *name);
