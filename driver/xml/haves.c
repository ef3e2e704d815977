/*
 * haves.c: the pools that <replication:have> names, as another host calls them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/doc.h"
#include "xml/xml.h"

char *
replVolXmlRenameHaves(const char *xml, const GPtrArray *pools, GError **err)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml, err);
    g_auto(ReplDocOurs) ours = {0};
    guint count = 0;

    if (!doc)
        return NULL;
    replDocFind(doc, &ours);
    for (guint i = 0; i < ours.elements->len; i++) {
        const xmlNode *request = g_ptr_array_index(ours.elements, i);

        for (xmlNode *node = request->children; node && count < pools->len; node = node->next) {
            if (replDocIsOurs(node) && g_str_equal((const char *)node->name, "have"))
                xmlSetProp(node, (const xmlChar *)"pool", g_ptr_array_index(pools, count++));
        }
    }
    return replDocDump(doc);
}
