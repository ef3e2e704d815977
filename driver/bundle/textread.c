/*
 * textread.c: the JSON of bundles is read: anything may stand there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/fd.h"
#include "bundle/lies.h"
#include "bundle/text.h"

/* The deepest of ours has five; the parser calls itself for each. */
#define REPL_TEXT_DEPTH_MAX 32

static gboolean
replTextIsShallow(const char *text)
{
    gboolean quoted = FALSE;
    int depth = 0;

    for (; *text; text++) {
        if (quoted && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (!quoted && (*text == '[' || *text == '{') && ++depth > REPL_TEXT_DEPTH_MAX)
            return FALSE;
        else if (!quoted && (*text == ']' || *text == '}'))
            depth--;
    }
    return TRUE;
}

static JsonObject *
replTextObject(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonNode *
replTextMember(JsonObject *object, const char *name)
{
    return object ? json_object_get_member(object, name) : NULL;
}

static JsonArray *
replTextArray(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static const char *
replTextWord(JsonObject *object, const char *name)
{
    JsonNode *node = replTextMember(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

static gboolean
replTextCount(JsonNode *node, guint64 max, guint64 *value)
{
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 ||
        json_node_get_int(node) < 0 || (guint64)json_node_get_int(node) > max)
        return FALSE;
    *value = json_node_get_int(node);
    return TRUE;
}

static gboolean
replTextIs(JsonObject *object, const char *name)
{
    JsonNode *node = replTextMember(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
           json_node_get_boolean(node);
}

static JsonObject *
replTextRoot(JsonParser *parser, const char *text, const char *what, GError **err)
{
    JsonObject *root;

    if (g_utf8_validate(text, -1, NULL) && replTextIsShallow(text) &&
        json_parser_load_from_data(parser, text, -1, NULL) &&
        (root = replTextObject(json_parser_get_root(parser))))
        return root;
    replBundleLies(what, _("it holds malformed JSON"), err);
    return NULL;
}

/* A text no longer than a client may make it, fit for a record. */
static char *
replTextLimited(JsonObject *object, const char *name, gsize max_bytes)
{
    const char *text = replTextWord(object, name);

    if (!text || strlen(text) > max_bytes)
        return NULL;
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        if (!g_unichar_isprint(g_utf8_get_char(p)) && *p != '\n' && *p != '\t')
            return NULL;
    }
    return g_strdup(text);
}

static gboolean
replTextIsDigest(const char *digest)
{
    return strlen(digest) == REPL_BUNDLE_DIGEST_CHARS &&
           strspn(digest, "0123456789abcdef") == REPL_BUNDLE_DIGEST_CHARS;
}

static gboolean
replTextRef(JsonObject *descriptor, ReplBundleRef *ref)
{
    const char *digest = replTextWord(descriptor, "digest");

    if (!digest || !g_str_has_prefix(digest, "sha256:") || !replTextIsDigest(digest + 7) ||
        !replTextCount(replTextMember(descriptor, "size"), G_MAXINT64, &ref->size_bytes))
        return FALSE;
    g_strlcpy(ref->digest, digest + 7, sizeof(ref->digest));
    return TRUE;
}

int
replBundleIndexRead(const char *text, const char *what, ReplBundleRef *manifest, GError **err)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root = replTextRoot(parser, text, what, err);
    JsonArray *manifests = replTextArray(replTextMember(root, "manifests"));

    if (!root)
        return -1;
    if (!manifests || json_array_get_length(manifests) != 1)
        return replBundleLies(what, _("it does not hold exactly one image"), err);
    if (!replTextRef(replTextObject(json_array_get_element(manifests, 0)), manifest))
        return replBundleLies(what, _("its index names no manifest"), err);
    return 0;
}

int
replBundleManifestRead(const char *text, const char *what, ReplBundleRef *config, GError **err)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root = replTextRoot(parser, text, what, err);
    JsonObject *object = replTextObject(replTextMember(root, "config"));

    if (!root)
        return -1;
    if (g_strcmp0(replTextWord(object, "mediaType"), REPL_BUNDLE_CONFIG_TYPE) != 0) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("'%s' holds an image of another kind than replication makes"),
                     what);
        return -1;
    }
    return replTextRef(object, config) ? 0 : replBundleLies(what, _("its manifest names no config"), err);
}

/* --- the config --- */

static gboolean
replTextReadPart(JsonNode *node, const ReplBundleLayer *layer, guint64 from_bytes, ReplBundlePart *part)
{
    JsonArray *numbers = replTextArray(node);

    return numbers && json_array_get_length(numbers) == 3 &&
           replTextCount(json_array_get_element(numbers, 0), layer->size_bytes, &part->start_bytes) &&
           replTextCount(json_array_get_element(numbers, 1), layer->size_bytes, &part->end_bytes) &&
           part->start_bytes >= from_bytes && part->end_bytes > part->start_bytes &&
           replTextCount(json_array_get_element(numbers, 2), part->end_bytes - part->start_bytes,
                         &part->data_bytes) &&
           part->data_bytes > 0;
}

/* Ascending, not overlapping, and together as much data as the layer is said to have. */
static gboolean
replTextReadParts(JsonArray *parts, ReplBundleLayer *layer)
{
    guint64 from_bytes = 0, data_bytes = 0;

    if (json_array_get_length(parts) > REPL_BUNDLE_PARTS_MAX)
        return FALSE;
    for (guint i = 0; i < json_array_get_length(parts); i++) {
        ReplBundlePart part = {0};

        if (!replTextReadPart(json_array_get_element(parts, i), layer, from_bytes, &part))
            return FALSE;
        from_bytes = part.end_bytes;
        data_bytes += part.data_bytes;
        g_array_append_val(layer->parts, part);
    }
    return data_bytes == layer->data_bytes;
}

static gboolean
replTextReadNumbers(JsonObject *object, ReplBundleLayer *layer)
{
    guint64 snapshots, bitmaps;

    if (!replTextCount(replTextMember(object, "size"), REPL_BUNDLE_SIZE_MAX_BYTES, &layer->size_bytes) ||
        !replTextCount(replTextMember(object, "data"), layer->size_bytes, &layer->data_bytes) ||
        !replTextCount(replTextMember(object, "capacity"), G_MAXINT64, &layer->virtualSize_bytes) ||
        !replTextCount(replTextMember(object, "snapshots"), 65536, &snapshots) ||
        !replTextCount(replTextMember(object, "bitmaps"), 65536, &bitmaps))
        return FALSE;
    layer->snapshotCount = snapshots;
    layer->bitmapCount = bitmaps;
    return TRUE;
}

/* What layers of a bundle are: these formats name nothing outside but the layer below. */
static gboolean
replTextIsFormat(int format)
{
    return format == REPL_FORMAT_RAW || format == REPL_FORMAT_QCOW2 || format == REPL_FORMAT_LUKS;
}

static gboolean
replTextHasVolume(const ReplBundle *bundle, const char *volume)
{
    for (guint i = 0; i < bundle->layers->len; i++) {
        if (g_str_equal(replBundleLayer(bundle, i)->volume, volume))
            return TRUE;
    }
    return FALSE;
}

static gboolean
replTextReadLayer(JsonObject *object, ReplBundle *bundle)
{
    const char *volume = replTextWord(object, "volume");
    const char *format = replTextWord(object, "format");
    JsonNode *parts = replTextMember(object, "parts");
    int known = format ? replFormatFromString(format) : -1;
    ReplBundleLayer *layer;

    if (!volume || !replIsEntryName(volume) || replTextHasVolume(bundle, volume) || !replTextIsFormat(known))
        return FALSE;
    /* Only qcow2 has something below it. */
    if (bundle->layers->len > 0 && known != REPL_FORMAT_QCOW2)
        return FALSE;
    layer = replBundleAddLayer(bundle, volume);
    layer->format = known;
    layer->encrypted = replTextIs(object, "encrypted");
    layer->secretUsage = replTextLimited(object, "secret", 255);
    layer->content = replTextLimited(object, "content", REPL_BUNDLE_DIGEST_CHARS);
    layer->absent = !parts;
    if (!replTextReadNumbers(object, layer) || (layer->content && !replTextIsDigest(layer->content)))
        return FALSE;
    /* What is left out stands below what is there: there is no other way of finding it. */
    if (layer->absent)
        return layer->content &&
               (bundle->layers->len < 2 || replBundleLayer(bundle, bundle->layers->len - 2)->absent);
    return replTextArray(parts) && replTextReadParts(replTextArray(parts), layer);
}

static gboolean
replTextReadImage(JsonObject *object, ReplBundle **bundle)
{
    const char *id = replTextWord(object, "id");
    const char *type = replTextWord(object, "type");
    const char *volume = replTextWord(object, "volume");
    int known = type ? replImageTypeFromString(type) : REPL_IMAGE_TYPE_UNKNOWN;

    if (!id || !g_uuid_string_is_valid(id) || known < 0 || !volume || !replIsEntryName(volume))
        return FALSE;
    *bundle = replBundleNew(id);
    (*bundle)->volume = g_strdup(volume);
    (*bundle)->image->type = known;
    (*bundle)->image->name = replTextLimited(object, "name", 255);
    (*bundle)->image->description = replTextLimited(object, "description", 4096);
    (*bundle)->image->source.region = replTextLimited(object, "region", 255);
    (*bundle)->image->fastCreate = replTextIs(object, "fast-create");
    return (*bundle)->image->source.region && *(*bundle)->image->source.region;
}

ReplBundle *
replBundleConfigRead(const char *text, const char *what, GError **err)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root = replTextRoot(parser, text, what, err);
    JsonArray *layers = replTextArray(replTextMember(root, "layers"));
    g_autoptr(ReplBundle) bundle = NULL;
    guint64 version;

    if (!root)
        return NULL;
    if (!replTextCount(replTextMember(root, "version"), G_MAXINT64, &version) || version != 1) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Bundle '%s' was written by a newer version"), what);
        return NULL;
    }
    if (!replTextReadImage(replTextObject(replTextMember(root, "image")), &bundle) || !layers ||
        json_array_get_length(layers) < 1 || json_array_get_length(layers) > REPL_BUNDLE_LAYERS_MAX) {
        replBundleLies(what, _("its config is not that of an image"), err);
        return NULL;
    }
    for (guint i = 0; i < json_array_get_length(layers); i++) {
        if (!replTextReadLayer(replTextObject(json_array_get_element(layers, i)), bundle)) {
            replErrorSet(
                err, VIR_ERR_OPERATION_INVALID,
                _("Bundle '%s' cannot be used: its config tells of a layer, number %u, that cannot be one"),
                what, i + 1);
            return NULL;
        }
    }
    return g_steal_pointer(&bundle);
}

/* --- parts --- */

static guint
replTextPartCount(const ReplBundle *bundle)
{
    guint count = 0;

    for (guint i = 0; i < bundle->layers->len; i++)
        count += replBundleLayer(bundle, i)->parts->len;
    return count;
}

static gboolean
replTextReadDescriptor(JsonObject *object, ReplBundlePart *part)
{
    const char *type = replTextWord(object, "mediaType");
    ReplBundleRef ref;

    if (!type || !replTextRef(object, &ref) ||
        (!g_str_equal(type, REPL_BUNDLE_ZSTD_TYPE) && !g_str_equal(type, REPL_BUNDLE_PART_TYPE)))
        return FALSE;
    part->zstd = g_str_equal(type, REPL_BUNDLE_ZSTD_TYPE);
    part->packed_bytes = ref.size_bytes;
    memcpy(part->digest, ref.digest, sizeof(part->digest));
    return TRUE;
}

int
replBundleManifestParts(const char *text, const char *what, ReplBundle *bundle, GError **err)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root = replTextRoot(parser, text, what, err);
    JsonArray *blobs = replTextArray(replTextMember(root, "layers"));
    guint next = 0;

    if (!root)
        return -1;
    if (!blobs || json_array_get_length(blobs) != replTextPartCount(bundle))
        return replBundleLies(what, _("config and manifest tell of different layers"), err);
    for (guint i = 0; i < bundle->layers->len; i++) {
        ReplBundleLayer *layer = replBundleLayer(bundle, i);

        for (guint k = 0; k < layer->parts->len; k++) {
            if (!replTextReadDescriptor(replTextObject(json_array_get_element(blobs, next++)),
                                        replBundlePart(layer, k)))
                return replBundleLies(what, _("its manifest names a layer that cannot be one"), err);
        }
    }
    return 0;
}
