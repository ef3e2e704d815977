/*
 * doc.h: documents of clients: safe parsing, finding and taking out what is ours
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Parses as libvirt does: no network, no external entities, no entity expansion in content, libxml2's
 * limits on depth and sizes. Nothing goes to stderr. NULL with @err (VIR_ERR_XML_ERROR) set. */
xmlDoc *
replDocParse(const char *xml, GError **err);

/* Whether an element is ours; whether it is one of no namespace, as all of libvirt's are. */
gboolean
replDocIsOurs(const xmlNode *node);
gboolean
replDocIsStock(const xmlNode *node, const char *name);

/* What is found of ours: elements that are children of a <metadata> of the root, in order. */
typedef struct {
    GPtrArray *elements; /* of xmlNode, borrowed */
    char *misplaced;     /* an element or attribute of ours anywhere else, NULL: none */
    char *nearMiss; /* a child of <metadata> with the name of one of ours and another namespace, NULL: none */
} ReplDocOurs;

void
replDocOursClear(ReplDocOurs *ours);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplDocOurs, replDocOursClear)

void
replDocFind(xmlDoc *doc, ReplDocOurs *ours);

/* Parses the @text of a client, of which the stock driver gets what is not ours, and finds what is ours. *doc is NULL, with
 * nothing found, when it is malformed and does not name our namespace: the stock driver says what it thinks of that.
 * Returns 0, or -1 with @err set. */
int
replDocRead(const char *text, xmlDoc **doc, ReplDocOurs *ours, GError **err);

/* Whether there is nothing of ours, and nothing that was meant to be. */
gboolean
replDocIsNone(const ReplDocOurs *ours);

/* Refuses what no document with something of ours may have: another root than @root, a misplaced element
 * or attribute, an element that was meant to be ours, a DOCTYPE. Returns 0 or -1. */
int
replDocCheck(xmlDoc *doc, const ReplDocOurs *ours, const char *root, GError **err);

/* Takes out the elements of @ours, each <metadata> that is empty then, and our namespace. */
void
replDocStrip(xmlDoc *doc, const ReplDocOurs *ours);

/* An element, or the root element, as UTF-8 text, without an XML declaration and with a line break at the end. */
char *
replDocDumpElement(xmlNode *element);
char *
replDocDump(xmlDoc *doc);

/* The next child of @parent called @name and without a namespace, after @prev (NULL: the first). */
xmlNode *
replDocChild(const xmlNode *parent, const char *name, const xmlNode *prev);

/* What XPath's string(./NAME) gives, as libvirt reads its elements; NULL when absent or empty. With @inner:
 * string(./NAME/INNER). */
char *
replDocString(const xmlNode *parent, const char *name, const char *inner);

/* Takes a node out, with the blank text before it. */
void
replDocRemove(xmlNode *node);
