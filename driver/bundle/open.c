/*
 * open.c: a file of unknown content, as a bundle
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/open.h"

#include <gcrypt.h>
#include <string.h>

#include "base/amount.h"
#include "base/printable.h"
#include "bundle/hex.h"
#include "bundle/lies.h"
#include "bundle/packpriv.h"
#include "bundle/tar.h"
#include "bundle/text.h"

/* What the tar holds. */
typedef struct {
    const ReplBundleFile *file;
    const char *what;  /* the file's */
    GHashTable *blobs; /* digest -> ReplTarEntry */
    gboolean hasIndex;
    ReplTarEntry index;
} ReplLayout;

static void
replLayoutClear(ReplLayout *layout)
{
    g_hash_table_unref(layout->blobs);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplLayout, replLayoutClear)

static const char *
replLayoutDigest(const char *name)
{
    const char *digest = name + strlen(REPL_PACK_BLOBS);

    if (!g_str_has_prefix(name, REPL_PACK_BLOBS) || strlen(digest) != REPL_BUNDLE_DIGEST_CHARS ||
        strspn(digest, "0123456789abcdef") != REPL_BUNDLE_DIGEST_CHARS)
        return NULL;
    return digest;
}

gboolean
replBundleIs(const ReplBundleFile *file)
{
    static const char *const names[] = {REPL_PACK_LAYOUT, REPL_PACK_INDEX, "blobs/", "blobs", NULL};
    guint8 block[REPL_TAR_BLOCK_BYTES];
    char name[101] = "";

    if (replBundleFileRead(file, block, sizeof(block), 0, NULL) != (gssize)sizeof(block) || !replTarIs(block))
        return FALSE;
    memcpy(name, block, 100);
    return g_strv_contains(names, g_str_has_prefix(name, "./") && name[2] ? name + 2 : name) ||
           replLayoutDigest(name) != NULL;
}

static int
replLayoutAdd(ReplLayout *layout, const ReplTarEntry *entry, GError **err)
{
    const char *digest = replLayoutDigest(entry->name);
    gboolean isIndex = g_str_equal(entry->name, REPL_PACK_INDEX);
    g_autofree char *shown = NULL;

    if (g_str_equal(entry->name, REPL_PACK_LAYOUT))
        return 0;
    if ((isIndex && !layout->hasIndex) || (digest && !g_hash_table_contains(layout->blobs, digest))) {
        if (isIndex)
            layout->index = *entry;
        else
            g_hash_table_insert(layout->blobs, g_strdup(digest), g_memdup2(entry, sizeof(*entry)));
        layout->hasIndex |= isIndex;
        return 0;
    }
    shown = replPrintable(entry->name);
    if (isIndex || digest)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Bundle '%s' cannot be used: it holds '%s' twice"),
                     layout->what, shown);
    else
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Bundle '%s' cannot be used: it holds '%s', which is no file of a bundle"),
                     layout->what, shown);
    return -1;
}

static int
replLayoutScan(ReplLayout *layout, GError **err)
{
    guint64 next_bytes = 0;
    ReplTarEntry entry;
    guint count = 0;
    int rc;

    while ((rc = replTarNext(layout->file, &next_bytes, &entry, err)) > 0) {
        if (++count > REPL_TAR_ENTRIES_MAX)
            return replBundleLies(layout->what, _("it holds more files than a bundle has"), err);
        if (replLayoutAdd(layout, &entry, err) < 0)
            return -1;
    }
    if (rc < 0)
        return -1;
    return layout->hasIndex ? 0 : replBundleLies(layout->what, _("it has no index"), err);
}

/* The text of @entry, as one. */
static char *
replLayoutText(const ReplLayout *layout, const ReplTarEntry *entry, GError **err)
{
    g_autofree char *text = NULL;
    gssize n;

    if (entry->size_bytes > REPL_BUNDLE_TEXT_MAX_BYTES) {
        g_autofree char *size = replAmount(entry->size_bytes);
        g_autofree char *most = replAmount(REPL_BUNDLE_TEXT_MAX_BYTES);

        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Bundle '%s' cannot be used: '%s' has %s, more than the %s that are read"),
                     layout->what, entry->name, size, most);
        return NULL;
    }
    text = g_malloc0(entry->size_bytes + 1);
    if ((n = replBundleFileRead(layout->file, text, entry->size_bytes, entry->at_bytes, err)) < 0)
        return NULL;
    if ((guint64)n < entry->size_bytes) {
        replBundleLies(layout->what, _("it ends too early"), err);
        return NULL;
    }
    if (memchr(text, 0, entry->size_bytes)) {
        replBundleLies(layout->what, _("it holds malformed JSON"), err);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* The entry of a blob that has to be there in the size of @size_bytes, or NULL with @err set. */
static const ReplTarEntry *
replLayoutBlob(const ReplLayout *layout, const char *digest, guint64 size_bytes, GError **err)
{
    const ReplTarEntry *entry = g_hash_table_lookup(layout->blobs, digest);

    if (entry && entry->size_bytes == size_bytes)
        return entry;
    if (entry) {
        g_autofree char *is = replAmount(entry->size_bytes);
        g_autofree char *should = replAmount(size_bytes);

        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Bundle '%s' cannot be used: blob sha256:%s has %s instead of %s"), layout->what,
                     digest, is, should);
    } else {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Bundle '%s' cannot be used: blob sha256:%s is missing"), layout->what, digest);
    }
    return NULL;
}

/* The text of a blob, proved. */
static char *
replLayoutBlobText(const ReplLayout *layout, const ReplBundleRef *ref, GError **err)
{
    const ReplTarEntry *entry = replLayoutBlob(layout, ref->digest, ref->size_bytes, err);
    g_autofree char *text = entry ? replLayoutText(layout, entry, err) : NULL;
    char digest[REPL_BUNDLE_DIGEST_CHARS + 1];
    guint8 sum[32];

    if (!text)
        return NULL;
    gcry_md_hash_buffer(GCRY_MD_SHA256, sum, text, entry->size_bytes);
    replHex(sum, sizeof(sum), digest);
    if (g_str_equal(digest, ref->digest))
        return g_steal_pointer(&text);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' cannot be used: the digest of blob sha256:%s is another one"), layout->what,
                 ref->digest);
    return NULL;
}

static int
replLayoutPlaceParts(const ReplLayout *layout, ReplBundle *bundle, GError **err)
{
    for (guint i = 0; i < bundle->layers->len; i++) {
        ReplBundleLayer *layer = replBundleLayer(bundle, i);

        for (guint k = 0; k < layer->parts->len; k++) {
            ReplBundlePart *part = replBundlePart(layer, k);
            const ReplTarEntry *entry = replLayoutBlob(layout, part->digest, part->packed_bytes, err);

            if (!entry)
                return -1;
            part->at_bytes = entry->at_bytes;
        }
    }
    return 0;
}

ReplBundle *
replBundleOpen(const ReplBundleFile *file, GError **err)
{
    const char *what = file->what;
    g_auto(ReplLayout) layout = {
        .file = file, .what = what, .blobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autofree char *index = NULL;
    g_autofree char *manifest = NULL;
    g_autofree char *config = NULL;
    ReplBundleRef ref;

    if (replLayoutScan(&layout, err) < 0 || !(index = replLayoutText(&layout, &layout.index, err)) ||
        replBundleIndexRead(index, what, &ref, err) < 0 ||
        !(manifest = replLayoutBlobText(&layout, &ref, err)) ||
        replBundleManifestRead(manifest, what, &ref, err) < 0 ||
        !(config = replLayoutBlobText(&layout, &ref, err)) ||
        !(bundle = replBundleConfigRead(config, what, err)) ||
        replBundleManifestParts(manifest, what, bundle, err) < 0 ||
        replLayoutPlaceParts(&layout, bundle, err) < 0)
        return NULL;
    return g_steal_pointer(&bundle);
}
