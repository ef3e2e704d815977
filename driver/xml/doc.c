/*
 * doc.c: documents of clients: safe parsing, finding and taking out what is ours
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/doc.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "model/label.h"
#include "xml/schema.h"
#include "xml/xml.h"

typedef xmlParserCtxt ReplParser;

/* The document that a failed parser leaves behind is not freed with it. */
static void
replParserFree(ReplParser *parser)
{
    if (!parser)
        return;
    xmlFreeDoc(parser->myDoc);
    xmlFreeParserCtxt(parser);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplParser, replParserFree)

/* The first error is the cause, the others follow from it. */
static void
replDocKeepError(void *opaque, ReplXmlError error)
{
    xmlParserCtxt *parser = opaque;
    char **message = parser->_private;
    g_autofree char *text = NULL;

    if (error->level < XML_ERR_ERROR || *message)
        return;
    text = g_strdup(error->message ? error->message : "?");
    *message = g_strdup_printf(_("line %d: %s"), error->line, g_strdelimit(g_strchomp(text), "\n", ' '));
}

xmlDoc *
replDocParse(const char *xml, GError **err)
{
    g_autofree char *message = NULL;
    g_autoptr(ReplParser) parser = NULL;
    xmlDoc *doc;

    if (strlen(xml) > REPL_XML_MAX_bytes) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("The XML is longer than %d bytes"), REPL_XML_MAX_bytes);
        return NULL;
    }
    if (!(parser = xmlNewParserCtxt())) {
        replErrorSet(err, VIR_ERR_NO_MEMORY, "%s", _("There is no memory to parse XML"));
        return NULL;
    }
    parser->_private = &message;
    parser->sax->serror = replDocKeepError;
    doc = xmlCtxtReadDoc(parser, (const xmlChar *)xml, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOWARNING);
    if (doc && xmlDocGetRootElement(doc))
        return doc;
    xmlFreeDoc(doc);
    replErrorSet(err, VIR_ERR_XML_ERROR, _("The XML is malformed at %s"), message ? message : _("its end"));
    return NULL;
}

gboolean
replDocIsOurs(const xmlNode *node)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           g_str_equal((const char *)node->ns->href, REPL_NAMESPACE);
}

gboolean
replDocIsStock(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns && g_str_equal((const char *)node->name, name);
}

void
replDocOursClear(ReplDocOurs *ours)
{
    g_clear_pointer(&ours->elements, g_ptr_array_unref);
    g_clear_pointer(&ours->misplaced, g_free);
    g_clear_pointer(&ours->nearMiss, g_free);
}

gboolean
replDocIsNone(const ReplDocOurs *ours)
{
    return ours->elements->len == 0 && !ours->misplaced && !ours->nearMiss;
}

/* A typing error in the namespace must never turn a request into a stock copy. The parser leaves a prefix that
 * is bound to nothing in the name. */
static char *
replDocNearMiss(const xmlNode *node)
{
    static const char *const names[] = {"region", "usage", "replicate", "update", "image", NULL};
    const char *colon = strrchr((const char *)node->name, ':');
    const char *name = colon ? colon + 1 : (const char *)node->name;

    if (!g_strv_contains(names, name))
        return NULL;
    if (node->ns && node->ns->href)
        return g_strdup_printf("<%s xmlns='%.200s'>", name, (const char *)node->ns->href);
    return g_strdup_printf("<%.200s>", (const char *)node->name);
}

static gboolean
replDocHasOurAttr(const xmlNode *node)
{
    const xmlAttr *attr;

    for (attr = node->properties; attr; attr = attr->next) {
        if (attr->ns && attr->ns->href && g_str_equal((const char *)attr->ns->href, REPL_NAMESPACE))
            return TRUE;
    }
    return FALSE;
}

/* Depth is limited by the parser. Entity references are not followed: their children belong to the
 * DOCTYPE. */
static void
replDocFindIn(const xmlNode *node, gboolean inMetadata, ReplDocOurs *ours)
{
    const xmlNode *child;

    if (replDocIsOurs(node) && inMetadata) {
        g_ptr_array_add(ours->elements, (gpointer)node);
        return;
    }
    if (inMetadata && !ours->nearMiss)
        ours->nearMiss = replDocNearMiss(node);
    if (!ours->misplaced && replDocIsOurs(node))
        ours->misplaced = g_strdup_printf("<" REPL_PREFIX ":%s>", node->name);
    else if (!ours->misplaced && replDocHasOurAttr(node))
        ours->misplaced = g_strdup_printf("<%s " REPL_PREFIX ":...>", node->name);
    inMetadata =
        node->parent && node->parent->parent == (xmlNode *)node->doc && replDocIsStock(node, "metadata");
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            replDocFindIn(child, inMetadata, ours);
    }
}

void
replDocFind(xmlDoc *doc, ReplDocOurs *ours)
{
    ours->elements = g_ptr_array_new();
    ours->misplaced = NULL;
    ours->nearMiss = NULL;
    replDocFindIn(xmlDocGetRootElement(doc), FALSE, ours);
}

int
replDocRead(const char *text, xmlDoc **doc, ReplDocOurs *ours, GError **err)
{
    g_autoptr(GError) broken = NULL;

    if ((*doc = replDocParse(text, &broken))) {
        replDocFind(*doc, ours);
        return 0;
    }
    if (strstr(text, REPL_NAMESPACE)) {
        g_propagate_error(err, g_steal_pointer(&broken));
        return -1;
    }
    ours->elements = g_ptr_array_new();
    return 0;
}

int
replDocCheck(xmlDoc *doc, const ReplDocOurs *ours, const char *root, GError **err)
{
    const xmlNode *node = xmlDocGetRootElement(doc);

    if (ours->nearMiss) {
        replErrorSet(
            err, VIR_ERR_XML_ERROR,
            _("%s in the <metadata> of a <%s> is not in the namespace of replication, which is '%s'"),
            ours->nearMiss, root, REPL_NAMESPACE);
        return -1;
    }
    if (ours->misplaced) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("%s may only stand inside the <metadata> of a <%s>"),
                     ours->misplaced, root);
        return -1;
    }
    if (!replDocIsStock(node, root)) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("The root element is <%s> instead of <%s>"),
                     (const char *)node->name, root);
        return -1;
    }
    if (doc->intSubset || doc->extSubset) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("XML with elements of %s may not have a DOCTYPE"),
                     REPL_NAMESPACE);
        return -1;
    }
    return 0;
}

void
replDocRemove(xmlNode *node)
{
    xmlNode *before = node->prev;

    if (before && before->type == XML_TEXT_NODE && xmlIsBlankNode(before)) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static gboolean
replDocIsEmpty(const xmlNode *node)
{
    const xmlNode *child;

    for (child = node->children; child; child = child->next) {
        if (child->type != XML_COMMENT_NODE && !xmlIsBlankNode(child))
            return FALSE;
    }
    return TRUE;
}

/* Nothing refers to the namespace any more. */
static void
replDocDropNamespace(xmlNode *node)
{
    xmlNs **link = &node->nsDef;
    xmlNode *child;

    while (*link) {
        xmlNs *ns = *link;

        if (ns->href && g_str_equal((const char *)ns->href, REPL_NAMESPACE)) {
            *link = ns->next;
            xmlFreeNs(ns);
        } else {
            link = &ns->next;
        }
    }
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            replDocDropNamespace(child);
    }
}

void
replDocStrip(xmlDoc *doc, const ReplDocOurs *ours)
{
    guint i;

    for (i = 0; i < ours->elements->len; i++) {
        xmlNode *node = g_ptr_array_index(ours->elements, i);
        xmlNode *metadata = node->parent;

        replDocRemove(node);
        if (replDocIsEmpty(metadata))
            replDocRemove(metadata);
    }
    replDocDropNamespace(xmlDocGetRootElement(doc));
}

char *
replDocDumpElement(xmlNode *element)
{
    xmlBufferPtr buf = xmlBufferCreate();
    char *text;

    xmlNodeDump(buf, element->doc, element, 0, 0);
    text = g_strdup_printf("%s\n", (const char *)xmlBufferContent(buf));
    xmlBufferFree(buf);
    return text;
}

char *
replDocDump(xmlDoc *doc)
{
    return replDocDumpElement(xmlDocGetRootElement(doc));
}

xmlNode *
replDocChild(const xmlNode *parent, const char *name, const xmlNode *prev)
{
    xmlNode *node = prev ? prev->next : parent->children;

    while (node && !replDocIsStock(node, name))
        node = node->next;
    return node;
}

static char *
replDocContent(const xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent((xmlNode *)node);
    char *text = content && *content ? g_strdup((const char *)content) : NULL;

    xmlFree(content);
    return text;
}

char *
replDocString(const xmlNode *parent, const char *name, const char *inner)
{
    xmlNode *node = NULL;

    while ((node = replDocChild(parent, name, node))) {
        const xmlNode *found = inner ? replDocChild(node, inner, NULL) : node;

        if (found)
            return replDocContent(found);
    }
    return NULL;
}
