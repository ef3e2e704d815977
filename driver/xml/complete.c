/*
 * complete.c: the volume XML of a placeholder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "xml/doc.h"
#include "xml/xml.h"

static void
replCompleteRemoveAll(xmlNode *parent, const char *const *names)
{
    xmlNode *child = parent->children;

    while (child) {
        xmlNode *next = child->next;

        /* What replDocRemove takes with it is before the child, never behind. */
        if (child->type == XML_ELEMENT_NODE && !child->ns &&
            g_strv_contains(names, (const char *)child->name))
            replDocRemove(child);
        child = next;
    }
}

/* Adds <name>text</name> behind the others, indented by @depth. */
static xmlNode *
replCompleteAdd(xmlNode *parent, const char *name, const char *text, guint depth)
{
    g_autofree char *indent = g_strnfill(2 * depth, ' ');
    g_autofree char *before = g_strconcat("\n", indent, NULL);
    xmlNode *last = parent->last;

    if (last && last->type == XML_TEXT_NODE && xmlIsBlankNode(last)) {
        xmlUnlinkNode(last);
        xmlFreeNode(last);
    }
    xmlAddChild(parent, xmlNewText((const xmlChar *)before));
    return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static void
replCompleteBreak(xmlNode *parent, guint depth)
{
    g_autofree char *indent = g_strnfill(2 * depth, ' ');
    g_autofree char *text = g_strconcat("\n", indent, NULL);

    xmlAddChild(parent, xmlNewText((const xmlChar *)text));
}

static void
replCompleteAddBytes(xmlNode *root, const char *name)
{
    xmlNode *node = replCompleteAdd(root, name, "0", 1);

    xmlNewProp(node, (const xmlChar *)"unit", (const xmlChar *)"bytes");
}

static void
replCompleteTarget(xmlNode *root)
{
    static const char *const drop[] = {"path",   "format",      "timestamps", "encryption",
                                       "compat", "clusterSize", "features",   NULL};
    xmlNode *target = NULL;
    xmlNode *format;

    while ((target = replDocChild(root, "target", target)))
        replCompleteRemoveAll(target, drop);
    if (!(target = replDocChild(root, "target", NULL)))
        target = replCompleteAdd(root, "target", NULL, 1);
    format = replCompleteAdd(target, "format", NULL, 2);
    xmlNewProp(format, (const xmlChar *)"type", (const xmlChar *)"raw");
    replCompleteBreak(target, 1);
}

char *
replVolXmlComplete(const ReplVolXml *xml, const char *volumeName, GError **err)
{
    /* The key and the paths of a dumpxml that is fed back are those of another volume. */
    static const char *const drop[] = {"name",       "key",      "source",       "capacity",
                                       "allocation", "physical", "backingStore", NULL};
    g_autoptr(xmlDoc) doc = replDocParse(xml->stock, err);
    xmlNode *root;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    replCompleteRemoveAll(root, drop);
    replCompleteAdd(root, "name", volumeName, 1);
    replCompleteAddBytes(root, "capacity");
    replCompleteAddBytes(root, "allocation");
    replCompleteTarget(root);
    replCompleteBreak(root, 0);
    return replDocDump(doc);
}

char *
replVolXmlPermissions(const char *xml)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml, NULL);
    const xmlNode *target = doc ? replDocChild(xmlDocGetRootElement(doc), "target", NULL) : NULL;
    xmlNode *permissions = target ? replDocChild(target, "permissions", NULL) : NULL;

    return permissions ? replDocDumpElement(permissions) : NULL;
}
