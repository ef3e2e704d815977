/*
 * volume.c: XML of storage volumes and the request or update in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/xml.h"

#include "base/error.h"
#include "xml/doc.h"
#include "xml/request.h"

void
replVolXmlFree(ReplVolXml *xml)
{
    if (!xml)
        return;
    g_free(xml->stock);
    g_free(xml->name);
    replRequestFree(xml->request);
    replUpdateFree(xml->update);
    g_free(xml);
}

static int
replVolReadElement(ReplVolXml *xml, const xmlNode *node, const xmlNode *root, GError **err)
{
    const char *name = (const char *)node->name;
    gboolean isRequest = g_str_equal(name, "replicate");

    if (g_str_equal(name, "image"))
        return 0;
    if (!isRequest && !g_str_equal(name, "update")) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("Unknown element <%s:%s> in the <metadata> of a <volume>"),
                     REPL_PREFIX, name);
        return -1;
    }
    if (isRequest ? xml->request != NULL : xml->update != NULL) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("<%s:%s> stands more than once in a <volume>"), REPL_PREFIX,
                     name);
        return -1;
    }
    if (xml->request || xml->update) {
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s",
                     _("<replication:replicate> and <replication:update> cannot stand in one <volume>"));
        return -1;
    }
    if (isRequest)
        xml->request = replRequestRead(node, root, err);
    else
        xml->update = replUpdateRead(node, root, err);
    return xml->request || xml->update ? 0 : -1;
}

static int
replVolReadOurs(ReplVolXml *xml, const ReplDocOurs *ours, xmlDoc *doc, GError **err)
{
    guint i;

    for (i = 0; i < ours->elements->len; i++) {
        if (replVolReadElement(xml, g_ptr_array_index(ours->elements, i), xmlDocGetRootElement(doc), err) < 0)
            return -1;
    }
    return 0;
}

ReplVolXml *
replVolXmlParse(const char *text, GError **err)
{
    g_autoptr(ReplVolXml) xml = g_new0(ReplVolXml, 1);
    g_autoptr(xmlDoc) doc = NULL;
    g_auto(ReplDocOurs) ours = {NULL, NULL, NULL};

    if (replDocRead(text, &doc, &ours, err) < 0)
        return NULL;
    if (doc && replDocIsStock(xmlDocGetRootElement(doc), "volume"))
        xml->name = replDocString(xmlDocGetRootElement(doc), "name", NULL);
    if (replDocIsNone(&ours)) {
        xml->stock = g_strdup(text);
        return g_steal_pointer(&xml);
    }
    xml->hasOurs = TRUE;
    if (replDocCheck(doc, &ours, "volume", err) < 0 || replVolReadOurs(xml, &ours, doc, err) < 0)
        return NULL;
    replDocStrip(doc, &ours);
    xml->stock = replDocDump(doc);
    return g_steal_pointer(&xml);
}
