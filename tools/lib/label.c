/*
 * label.c: making pools regions, and pools of other hosts
 *
 * A label is changed in the pool's own definition, so that whatever else is in there stays.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "node.h"
#include "params.h"
#include "write.h"

static const ReplParamRule replLabelRules[] = {
    {VIRT_REPLICATION_LABEL_PROJECT, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_LABEL_QUOTA_IMAGES, VIR_TYPED_PARAM_LLONG, false},
    {VIRT_REPLICATION_LABEL_QUOTA_SNAPSHOTS, VIR_TYPED_PARAM_LLONG, false},
    {VIRT_REPLICATION_LABEL_QUOTA_BYTES, VIR_TYPED_PARAM_LLONG, false},
    {NULL, 0, false},
};

static void
replLabelSetAttr(xmlNodePtr node, const char *name, const char *value)
{
    xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

/* The label's element, made where there is none; NULL without memory. */
static xmlNodePtr
replLabelElement(xmlDocPtr doc, xmlNodePtr pool)
{
    xmlNodePtr metadata = replNodeStock(pool, "metadata");
    xmlNodePtr label;
    xmlNsPtr ns;

    if (!metadata)
        metadata = xmlNewChild(pool, NULL, (const xmlChar *)"metadata", NULL);
    if ((label = replNodeOurs(metadata, VIRT_REPLICATION_ELEMENT_REGION)))
        return label;
    if (!(label = xmlNewDocNode(doc, NULL, (const xmlChar *)VIRT_REPLICATION_ELEMENT_REGION, NULL)))
        return NULL;
    ns = xmlNewNs(label, (const xmlChar *)VIRT_REPLICATION_NAMESPACE,
                  (const xmlChar *)VIRT_REPLICATION_PREFIX);
    xmlSetNs(label, ns);
    return xmlAddChild(metadata, label);
}

static void
replLabelSetQuota(xmlNodePtr label, virTypedParameterPtr params, int nparams)
{
    static const char *const names[][2] = {
        {VIRT_REPLICATION_LABEL_QUOTA_IMAGES, VIRT_REPLICATION_AMOUNT_IMAGES},
        {VIRT_REPLICATION_LABEL_QUOTA_SNAPSHOTS, VIRT_REPLICATION_AMOUNT_SNAPSHOTS},
        {VIRT_REPLICATION_LABEL_QUOTA_BYTES, VIRT_REPLICATION_AMOUNT_BYTES},
    };
    xmlNodePtr quota = replNodeOurs(label, VIRT_REPLICATION_ELEMENT_QUOTA);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        virTypedParameterPtr param = replParamsFind(params, nparams, names[i][0]);
        g_autofree char *value = NULL;

        if (!param)
            continue;
        if (!quota)
            quota = xmlNewChild(label, label->ns, (const xmlChar *)VIRT_REPLICATION_ELEMENT_QUOTA, NULL);
        value = g_strdup_printf("%lld", param->value.l);
        if (param->value.l < 0)
            xmlUnsetProp(quota, (const xmlChar *)names[i][1]);
        else
            replLabelSetAttr(quota, names[i][1], value);
    }
}

/* What only the module puts out must not come back as a wish. */
static void
replLabelDropShown(xmlNodePtr label)
{
    static const char *const shown[] = {VIRT_REPLICATION_ELEMENT_USAGE, "counts",
                                        VIRT_REPLICATION_ELEMENT_JOB, VIRT_REPLICATION_ELEMENT_SHARED,
                                        VIRT_REPLICATION_ELEMENT_IMAGES};
    xmlNodePtr node;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(shown); i++) {
        while ((node = replNodeOurs(label, shown[i]))) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
        }
    }
}

static xmlDocPtr
replLabelRead(virStoragePoolPtr pool, xmlNodePtr *root)
{
    g_autofree char *xml = virStoragePoolGetXMLDesc(pool, VIR_STORAGE_XML_INACTIVE);
    xmlDocPtr doc;

    if (!xml) {
        replErrorFromLibvirt();
        return NULL;
    }
    if ((doc = replNodeParse(xml)) && !(*root = replNodeRoot(doc, "pool"))) {
        replError(VIR_ERR_XML_ERROR, _("libvirt returned XML that cannot be read"));
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

static int
replLabelDefine(virStoragePoolPtr pool, xmlDocPtr doc)
{
    g_autoptr(virStoragePool) defined = NULL;
    xmlChar *xml = NULL;
    int size;

    if (virStoragePoolIsPersistent(pool) == 0)
        return replError(VIR_ERR_OPERATION_INVALID,
                         _("Storage pool '%s' is transient: define it before it gets a label"),
                         virStoragePoolGetName(pool));
    xmlDocDumpMemory(doc, &xml, &size);
    defined = xml ? virStoragePoolDefineXML(virStoragePoolGetConnect(pool), (const char *)xml, 0) : NULL;
    xmlFree(xml);
    return defined ? 0 : replErrorFromLibvirt();
}

int
virtReplicationRegionSetLabel(virStoragePoolPtr pool, const char *region, virTypedParameterPtr params,
                              int nparams, unsigned int flags)
{
    const char *project = replParamsString(params, nparams, VIRT_REPLICATION_LABEL_PROJECT);
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root, label;

    REPL_BEGIN(flags, 0, -1);
    REPL_NEED(pool, -1);
    if (replParamsCheck(params, nparams, replLabelRules) < 0 || !(doc = replLabelRead(pool, &root)))
        return -1;
    if (!region && !replNodeOurs(replNodeStock(root, "metadata"), VIRT_REPLICATION_ELEMENT_REGION))
        return replError(VIR_ERR_INVALID_ARG, _("Storage pool '%s' has no label yet: name its region"),
                         virStoragePoolGetName(pool));
    if (!(label = replLabelElement(doc, root)))
        return replError(VIR_ERR_NO_MEMORY, _("out of memory"));
    replLabelDropShown(label);
    if (region)
        replLabelSetAttr(label, VIRT_REPLICATION_REGION_NAME, region);
    if (project)
        replLabelSetAttr(label, VIRT_REPLICATION_REGION_PROJECT, project);
    replLabelSetQuota(label, params, nparams);
    return replLabelDefine(pool, doc);
}

int
virtReplicationRegionRemoveLabel(virStoragePoolPtr pool)
{
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root, label;

    replErrorReset();
    REPL_NEED(pool, -1);
    if (!(doc = replLabelRead(pool, &root)))
        return -1;
    label = replNodeOurs(replNodeStock(root, "metadata"), VIRT_REPLICATION_ELEMENT_REGION);
    if (!label)
        return replError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' has no label"),
                         virStoragePoolGetName(pool));
    xmlUnlinkNode(label);
    xmlFreeNode(label);
    return replLabelDefine(pool, doc);
}

virStoragePoolPtr
virtReplicationPeerAdd(virConnectPtr conn, const char *name, const char *uri, const char *pool,
                       const char *region, unsigned int flags)
{
    g_autoptr(GString) xml = NULL;
    g_autofree char *escapedName = NULL;
    g_autofree char *escapedPool = NULL;
    virStoragePoolPtr made;

    REPL_BEGIN(flags, 0, NULL);
    REPL_NEED(name, NULL);
    REPL_NEED(uri, NULL);
    REPL_NEED(pool, NULL);
    escapedName = g_markup_escape_text(name, -1);
    escapedPool = g_markup_escape_text(pool, -1);
    xml = g_string_new(NULL);
    g_string_append_printf(
        xml,
        "<pool type='" VIRT_REPLICATION_POOL_TYPE_REGION "'><name>%s</name>"
        "<source><name>%s</name></source><metadata><replication:" VIRT_REPLICATION_ELEMENT_REGION
        " xmlns:replication='" VIRT_REPLICATION_NAMESPACE "'",
        escapedName, escapedPool);
    replWriteAttr(xml, VIRT_REPLICATION_REGION_NAME, region);
    g_string_append(xml, "><replication:" VIRT_REPLICATION_ELEMENT_PEER);
    replWriteAttr(xml, VIRT_REPLICATION_PEER_URI, uri);
    g_string_append(xml, "/></replication:" VIRT_REPLICATION_ELEMENT_REGION "></metadata></pool>");
    if (!(made = virStoragePoolDefineXML(conn, xml->str, 0)))
        replErrorFromLibvirt();
    return made;
}
