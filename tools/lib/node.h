/*
 * node.h: reading XML that libvirt returned
 *
 * "Ours" are elements of the namespace VIRT_REPLICATION_NAMESPACE, whatever their prefix; "stock"
 * ones have no namespace.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* How the XML is parsed: nothing outside of it is looked at, nothing is printed. */
#define REPL_NODE_PARSE (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT)

/* Parses @xml; sets the error. */
xmlDocPtr
replNodeParse(const char *xml);

/* What a parser has made, which it returns: for NULL the error is set. */
xmlDocPtr
replNodeParsed(xmlDocPtr doc);

/* The root element, or NULL when it is not @name. */
xmlNodePtr
replNodeRoot(xmlDocPtr doc, const char *name);

/* The first child element that is ours, or stock, of that name; NULL without one, and for @parent
 * NULL. */
xmlNodePtr
replNodeOurs(xmlNodePtr parent, const char *name);
xmlNodePtr
replNodeStock(xmlNodePtr parent, const char *name);

/* The next sibling of the same kind and name. */
xmlNodePtr
replNodeNext(xmlNodePtr node);

/* A text of libxml2's as one of GLib's; it frees @text. */
char *
replNodeTake(xmlChar *text);

/* Text of an element, an attribute; NULL without it. The caller frees. */
char *
replNodeText(xmlNodePtr node);
char *
replNodeAttr(xmlNodePtr node, const char *name);

/* The same as a number; @fallback without it, or when it is none. */
long long
replNodeNumber(xmlNodePtr node, const char *name, long long fallback);

/* @text as a number; @fallback for NULL, or when it is none. */
long long
replNodeParseNumber(const char *text, long long fallback);

/* The text of an element as a number of bytes; 0 without it. */
unsigned long long
replNodeBytes(xmlNodePtr node);
