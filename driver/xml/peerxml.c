/*
 * peerxml.c: XML that a peer's daemon formatted, as it is shown here
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/peerxml.h"

#include <string.h>

#include "base/error.h"
#include "model/label.h"
#include "xml/doc.h"
#include "xml/element.h"

#define REPL_KEY_PREFIX "replication:"
#define REPL_PATH_PREFIX "replication://"

char *
replPeerVolKey(const char *poolUuid, const char *volume)
{
    return g_strconcat(REPL_KEY_PREFIX, poolUuid, "/", volume, NULL);
}

char *
replPeerVolPath(const char *poolName, const char *volume)
{
    return g_strconcat(REPL_PATH_PREFIX, poolName, "/", volume, NULL);
}

static gboolean
replPeerVolSplit(const char *text, const char *prefix, char **pool, char **volume)
{
    const char *slash;

    if (!g_str_has_prefix(text, prefix))
        return FALSE;
    text += strlen(prefix);
    if (!(slash = strchr(text, '/')) || slash == text || !slash[1])
        return FALSE;
    *pool = g_strndup(text, slash - text);
    *volume = g_strdup(slash + 1);
    return TRUE;
}

gboolean
replPeerVolPathParse(const char *text, char **pool, char **volume)
{
    return replPeerVolSplit(text, REPL_PATH_PREFIX, pool, volume);
}

gboolean
replPeerVolKeyParse(const char *text, char **pool, char **volume)
{
    g_autofree char *uuid = NULL;
    g_autofree char *name = NULL;

    if (!replPeerVolSplit(text, REPL_KEY_PREFIX, &uuid, &name) || !(*pool = replUuidCanonical(uuid)))
        return FALSE;
    *volume = g_steal_pointer(&name);
    return TRUE;
}

void
replPeerPoolXmlFree(ReplPeerPoolXml *xml)
{
    if (!xml)
        return;
    g_free(xml->type);
    g_free(xml->path);
    g_free(xml->region);
    g_free(xml->project);
    g_free(xml->inner);
    g_free(xml);
}

/* A client's token is its own; who may see it on the peer need not be who asks here. */
static void
replPeerDropTokens(xmlNode *node)
{
    xmlNode *child;

    if (replDocIsOurs(node))
        xmlUnsetProp(node, BAD_CAST "token");
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            replPeerDropTokens(child);
    }
}

/* Elements of ours that name a hidden volume go, wherever they stand. */
static void
replPeerDropHidden(xmlNode *node, ReplPeerVolShown shown, void *opaque)
{
    xmlNode *child = node->children;

    while (child) {
        xmlNode *next = child->next;
        g_autofree char *volume = replDocIsOurs(child) ? replElementAttr(child, "volume") : NULL;

        if (volume && !shown(volume, opaque)) {
            xmlUnlinkNode(child);
            xmlFreeNode(child);
        } else if (child->type == XML_ELEMENT_NODE) {
            replPeerDropHidden(child, shown, opaque);
        }
        child = next;
    }
}

static guint64
replPeerAmount(const xmlNode *root, const char *name)
{
    g_autofree char *text = replDocString(root, name, NULL);
    guint64 value = 0;

    /* libvirt formats these in bytes. */
    return text && replParseDigits(text, G_MAXINT64, &value) ? value : 0;
}

static char *
replPeerInner(xmlDoc *doc, xmlNode *region)
{
    xmlBufferPtr buf = xmlBufferCreate();
    g_autoptr(GString) text = g_string_new(NULL);
    xmlNode *child;

    replPeerDropTokens(region);
    for (child = region->children; child; child = child->next) {
        if (!replDocIsOurs(child) || g_str_equal((const char *)child->name, "peer"))
            continue;
        xmlBufferEmpty(buf);
        xmlNodeDump(buf, doc, child, 0, 0);
        g_string_append_printf(text, "      %s\n", (const char *)xmlBufferContent(buf));
    }
    xmlBufferFree(buf);
    return text->len ? g_strdup(text->str) : NULL;
}

ReplPeerPoolXml *
replPeerPoolXmlParse(const char *text, ReplPeerVolShown shown, void *opaque, GError **err)
{
    g_autoptr(ReplPeerPoolXml) xml = g_new0(ReplPeerPoolXml, 1);
    g_autoptr(xmlDoc) doc = replDocParse(text, err);
    g_auto(ReplDocOurs) ours = {NULL, NULL, NULL};
    const xmlNode *root;
    guint i;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    xml->type = replElementAttr(root, "type");
    xml->path = replDocString(root, "target", "path");
    xml->capacity_bytes = replPeerAmount(root, "capacity");
    xml->allocation_bytes = replPeerAmount(root, "allocation");
    xml->available_bytes = replPeerAmount(root, "available");
    replDocFind(doc, &ours);
    for (i = 0; i < ours.elements->len && !xml->region; i++) {
        xmlNode *node = g_ptr_array_index(ours.elements, i);

        /* Names and projects that are none are not repeated. */
        if (!g_str_equal((const char *)node->name, "region") ||
            replElementLabel(node, "name", &xml->region, NULL) < 0 || !xml->region ||
            replElementLabel(node, "project", &xml->project, NULL) < 0)
            continue;
        if (shown)
            replPeerDropHidden(node, shown, opaque);
        xml->inner = replPeerInner(doc, node);
    }
    return g_steal_pointer(&xml);
}

/* A path there as one here: never one that a program here would open. */
static char *
replPeerHerePath(const char *there, const char *poolName, const char *peerPath)
{
    gsize len = peerPath ? strlen(peerPath) : 0;

    while (len > 1 && peerPath[len - 1] == '/')
        len--;
    if (len > 0 && strncmp(there, peerPath, len) == 0 && there[len] == '/' && !strchr(there + len + 1, '/') &&
        there[len + 1])
        return replPeerVolPath(poolName, there + len + 1);
    return g_strconcat(REPL_PATH_PREFIX, poolName, *there == '/' ? "" : "/", there, NULL);
}

static void
replPeerSetText(xmlNode *parent, const char *name, const char *text)
{
    xmlNode *node = parent ? replDocChild(parent, name, NULL) : NULL;

    if (!node)
        return;
    xmlNodeSetContent(node, NULL);
    xmlNodeAddContent(node, BAD_CAST text);
}

/* Layers may stand in one another in what a peer formats. */
static void
replPeerMoveBacking(xmlNode *parent, const char *poolName, const char *peerPath)
{
    xmlNode *backing = parent;

    while ((backing = replDocChild(backing, "backingStore", NULL))) {
        g_autofree char *there = replDocString(backing, "path", NULL);
        g_autofree char *here = there ? replPeerHerePath(there, poolName, peerPath) : NULL;

        if (here)
            replPeerSetText(backing, "path", here);
    }
}

char *
replPeerVolXml(const char *text, const char *poolName, const char *poolUuid, const char *peerPath,
               GError **err)
{
    g_autoptr(xmlDoc) doc = replDocParse(text, err);
    g_autofree char *name = NULL;
    g_autofree char *key = NULL;
    g_autofree char *path = NULL;
    xmlNode *root;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    if (!replDocIsStock(root, "volume") || !(name = replDocString(root, "name", NULL))) {
        replErrorSet(err, VIR_ERR_XML_ERROR,
                     _("The peer of storage pool '%s' sent something else than a volume"), poolName);
        return NULL;
    }
    key = replPeerVolKey(poolUuid, name);
    path = replPeerVolPath(poolName, name);
    replPeerSetText(root, "key", key);
    replPeerSetText(replDocChild(root, "target", NULL), "path", path);
    replPeerMoveBacking(root, poolName, peerPath);
    replPeerDropTokens(root);
    return replDocDump(doc);
}
