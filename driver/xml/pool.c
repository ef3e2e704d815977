/*
 * pool.c: XML of storage pools and the label in it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/xml.h"

#include "base/error.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/regionpool.h"
#include "xml/schema.h"

void
replPoolXmlFree(ReplPoolXml *xml)
{
    if (!xml)
        return;
    g_free(xml->stock);
    replLabelFree(xml->label);
    g_free(xml->name);
    g_free(xml->uuid);
    g_free(xml->type);
    g_free(xml->targetPath);
    g_free(xml);
}

static int
replPoolReadQuota(const xmlNode *node, ReplAmounts *quota, GError **err)
{
    static const char *const attrs[] = {"images", "snapshots", "bytes", NULL};
    static const ReplShape shape = {.attrs = attrs};

    if (replElementCheck(node, &shape, err) < 0 ||
        replElementAmount(node, "images", &quota->images, err) < 0 ||
        replElementAmount(node, "snapshots", &quota->snapshots, err) < 0 ||
        replElementAmount(node, "bytes", &quota->bytes, err) < 0)
        return -1;
    return 0;
}

static ReplLabel *
replPoolReadRegion(const xmlNode *node, GError **err)
{
    static const char *const attrs[] = {"name", "project", NULL};
    static const char *const children[] = {"quota", NULL};
    static const char *const ignored[] = {"usage", "counts", "job", "loan", "shared", "images", NULL};
    static const ReplShape shape = {.attrs = attrs, .children = children, .ignored = ignored};
    g_autoptr(ReplLabel) label = NULL;
    g_autofree char *name = NULL;
    const xmlNode *quota;

    if (replElementChild(node, "peer")) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s",
                     _("<replication:peer> makes a region on another host, for which the pool has to be of "
                       "type 'region'"));
        return NULL;
    }
    if (replElementCheck(node, &shape, err) < 0 || !(name = replElementNeedAttr(node, "name", err)))
        return NULL;
    label = replLabelNew(NULL, NULL);
    if (replElementLabel(node, "name", &label->name, err) < 0 ||
        replElementLabel(node, "project", &label->project, err) < 0 ||
        ((quota = replElementChild(node, "quota")) && replPoolReadQuota(quota, &label->quota, err) < 0) ||
        replSchemaCheck(REPL_SCHEMA_REGION, node, err) < 0)
        return NULL;
    return g_steal_pointer(&label);
}

static int
replPoolReadOurs(ReplPoolXml *xml, const ReplDocOurs *ours, GError **err)
{
    guint i;

    for (i = 0; i < ours->elements->len; i++) {
        const xmlNode *node = g_ptr_array_index(ours->elements, i);
        const char *name = (const char *)node->name;

        if (g_str_equal(name, "usage"))
            continue;
        if (!g_str_equal(name, "region")) {
            replErrorSet(err, VIR_ERR_XML_ERROR, _("Unknown element <%s:%s> in the <metadata> of a <pool>"),
                         REPL_PREFIX, name);
            return -1;
        }
        if (xml->label) {
            replErrorSet(err, VIR_ERR_XML_ERROR, "%s",
                         _("<replication:region> stands more than once in a <pool>"));
            return -1;
        }
        if (!(xml->label = replPoolReadRegion(node, err)))
            return -1;
    }
    return 0;
}

static void
replPoolReadStock(ReplPoolXml *xml, xmlDoc *doc)
{
    const xmlNode *root = xmlDocGetRootElement(doc);

    if (!replDocIsStock(root, "pool"))
        return;
    xml->type = replElementAttr(root, "type");
    xml->name = replDocString(root, "name", NULL);
    xml->uuid = replDocString(root, "uuid", NULL);
    xml->targetPath = replDocString(root, "target", "path");
    xml->hasMetadata = replDocChild(root, "metadata", NULL) != NULL;
}

ReplPoolXml *
replPoolXmlParse(const char *text, GError **err)
{
    g_autoptr(ReplPoolXml) xml = g_new0(ReplPoolXml, 1);
    g_autoptr(xmlDoc) doc = NULL;
    g_auto(ReplDocOurs) ours = {NULL, NULL, NULL};

    if (replDocRead(text, &doc, &ours, err) < 0)
        return NULL;
    if (doc)
        replPoolReadStock(xml, doc);
    if (replDocIsNone(&ours)) {
        xml->stock = g_strdup(text);
        return g_steal_pointer(&xml);
    }
    xml->hasOurs = TRUE;
    /* All of a region pool is ours: replRegionPoolParse() reads it. */
    if (g_strcmp0(xml->type, REPL_REGION_POOL_TYPE) == 0) {
        xml->stock = g_strdup(text);
        return g_steal_pointer(&xml);
    }
    if (replDocCheck(doc, &ours, "pool", err) < 0 || replPoolReadOurs(xml, &ours, err) < 0)
        return NULL;
    replDocStrip(doc, &ours);
    xml->stock = replDocDump(doc);
    return g_steal_pointer(&xml);
}

ReplPoolXml *
replPoolXmlParseStock(const char *text, GError **err)
{
    g_autoptr(xmlDoc) doc = replDocParse(text, err);
    ReplPoolXml *xml;

    if (!doc)
        return NULL;
    xml = g_new0(ReplPoolXml, 1);
    replPoolReadStock(xml, doc);
    return xml;
}
