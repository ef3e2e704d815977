/*
 * text.h: the JSON of bundles
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "bundle/bundle.h"

#define REPL_BUNDLE_CONFIG_TYPE "application/vnd.libvirt.replication.image.v1+json"
#define REPL_BUNDLE_PART_TYPE "application/vnd.libvirt.replication.part.v1"
#define REPL_BUNDLE_ZSTD_TYPE REPL_BUNDLE_PART_TYPE "+zstd"
#define REPL_BUNDLE_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define REPL_BUNDLE_LAYOUT_TEXT "{\"imageLayoutVersion\": \"1.0.0\"}"
/* The largest text that is believed. */
#define REPL_BUNDLE_TEXT_MAX_BYTES (1024u * 1024u)

/* The three texts; digests and sizes are those of config and manifest. */
char *
replBundleConfigText(const ReplBundle *bundle);
char *
replBundleManifestText(const ReplBundle *bundle, const char *configDigest, gsize configSize);
char *
replBundleIndexText(const char *manifestDigest, gsize manifestSize);

/* A blob as another text names it. */
typedef struct {
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];
    guint64 size_bytes;
} ReplBundleRef;

/* Reading them; @what names the bundle. Returns 0, or -1 with @err set: VIR_ERR_OPERATION_INVALID, or VIR_ERR_NO_SUPPORT for
 * the image of another program or a newer version. */
int
replBundleIndexRead(const char *text, const char *what, ReplBundleRef *manifest, GError **err);
int
replBundleManifestRead(const char *text, const char *what, ReplBundleRef *config, GError **err);

/* The bundle, whose parts have what the config tells of them. */
ReplBundle *
replBundleConfigRead(const char *text, const char *what, GError **err);

/* Digest, size and packing of all parts. */
int
replBundleManifestParts(const char *text, const char *what, ReplBundle *bundle, GError **err);
