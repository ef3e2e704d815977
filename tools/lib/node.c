/*
 * node.c: reading XML that libvirt returned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libxml/parser.h>
#include <string.h>

#include "libpriv.h"
#include "node.h"

xmlDocPtr
replNodeParse(const char *xml)
{
    return replNodeParsed(xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, REPL_NODE_PARSE));
}

xmlDocPtr
replNodeParsed(xmlDocPtr doc)
{
    if (!doc)
        replError(VIR_ERR_XML_ERROR, _("libvirt returned XML that cannot be read"));
    return doc;
}

static bool
replNodeIs(xmlNodePtr node, const char *name, bool ours)
{
    bool isOurs = node->ns && strcmp((const char *)node->ns->href, VIRT_REPLICATION_NAMESPACE) == 0;

    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0 &&
           (ours ? isOurs : !node->ns);
}

static xmlNodePtr
replNodeFrom(xmlNodePtr node, const char *name, bool ours)
{
    while (node && !replNodeIs(node, name, ours))
        node = node->next;
    return node;
}

xmlNodePtr
replNodeRoot(xmlDocPtr doc, const char *name)
{
    xmlNodePtr root = xmlDocGetRootElement(doc);

    return root && replNodeIs(root, name, false) ? root : NULL;
}

xmlNodePtr
replNodeOurs(xmlNodePtr parent, const char *name)
{
    return parent ? replNodeFrom(parent->children, name, true) : NULL;
}

xmlNodePtr
replNodeStock(xmlNodePtr parent, const char *name)
{
    return parent ? replNodeFrom(parent->children, name, false) : NULL;
}

xmlNodePtr
replNodeNext(xmlNodePtr node)
{
    return replNodeFrom(node->next, (const char *)node->name, node->ns != NULL);
}

char *
replNodeTake(xmlChar *text)
{
    char *copy = g_strdup((const char *)text);

    xmlFree(text);
    return copy;
}

char *
replNodeText(xmlNodePtr node)
{
    return node ? replNodeTake(xmlNodeGetContent(node)) : NULL;
}

char *
replNodeAttr(xmlNodePtr node, const char *name)
{
    xmlAttrPtr attr;

    for (attr = node ? node->properties : NULL; attr; attr = attr->next) {
        if (attr->ns || strcmp((const char *)attr->name, name) != 0)
            continue;
        /* Nearly every value is one piece of text. */
        if (attr->children && !attr->children->next && attr->children->type == XML_TEXT_NODE)
            return g_strdup((const char *)attr->children->content);
        return replNodeTake(xmlGetNoNsProp(node, (const xmlChar *)name));
    }
    return NULL;
}

long long
replNodeParseNumber(const char *text, long long fallback)
{
    gint64 value;

    return text && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL) ? value
                                                                                            : fallback;
}

long long
replNodeNumber(xmlNodePtr node, const char *name, long long fallback)
{
    g_autofree char *text = replNodeAttr(node, name);

    return replNodeParseNumber(text, fallback);
}

unsigned long long
replNodeBytes(xmlNodePtr node)
{
    g_autofree char *text = replNodeText(node);

    return (unsigned long long)MAX(replNodeParseNumber(text ? g_strstrip(text) : NULL, 0), 0);
}
