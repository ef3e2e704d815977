/*
 * readlist.c: the list of images in a pool's XML
 *
 * libxml2 builds its tree in handlers that it calls for each element. Two of them are replaced here: inside
 * <pool><metadata><region><images> an <image> becomes a virtReplicationImage and no node. What it has inside (its job)
 * is hung below <images> meanwhile, read at its end, and freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <stddef.h>
#include <string.h>

#include "readlist.h"

/* How deep the two elements are; the root is at 1. */
#define REPL_LIST_DEPTH_IMAGES 4
#define REPL_LIST_DEPTH_IMAGE 5

typedef struct {
    GPtrArray *images;
    int next;
    unsigned int depth;
    xmlNodePtr node;             /* <images>, while the parser is in it */
    virtReplicationImage *image; /* of the <image> that the parser is in */
} ReplList;

/* One attribute as the parser hands it over: five pointers each. */
static const char *
replListAttrName(const xmlChar **attr)
{
    return attr[1] ? "" : (const char *)attr[0]; /* those with a prefix are not ours */
}

static char *
replListAttrValue(xmlDocPtr doc, const xmlChar **attr)
{
    const xmlChar *value = attr[3];
    size_t len = (size_t)(attr[4] - value);
    xmlNodePtr nodes;
    char *text;

    if (!memchr(value, '&', len))
        return g_strndup((const char *)value, len);
    nodes = xmlStringLenGetNodeList(doc, value, (int)len);
    text = replNodeTake(xmlNodeListGetString(doc, nodes, 1));
    xmlFreeNodeList(nodes);
    return text;
}

/* The field that an attribute stands for; NULL: none that is a text. */
static char **
replListField(virtReplicationImage *image, const char *name)
{
    const struct {
        const char *name;
        char **field;
    } fields[] = {
        {VIRT_REPLICATION_IMAGE_ID, &image->id},
        {VIRT_REPLICATION_IMAGES_VOLUME, &image->volume},
        {VIRT_REPLICATION_IMAGES_NAME, &image->name},
        {VIRT_REPLICATION_IMAGE_STATUS, &image->status},
        {VIRT_REPLICATION_IMAGE_TYPE, &image->type},
        {VIRT_REPLICATION_IMAGES_BACKING, &image->backing},
        {VIRT_REPLICATION_IMAGES_SOURCE, &image->sourceID},
        {VIRT_REPLICATION_IMAGE_PROJECT, &image->project},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].field;
    }
    return NULL;
}

static void
replListRead(virtReplicationImage *image, xmlDocPtr doc, const xmlChar **attr)
{
    const char *name = replListAttrName(attr);
    char **field = replListField(image, name);
    g_autofree char *value = NULL;

    if (field) {
        g_free(*field);
        *field = replListAttrValue(doc, attr);
        return;
    }
    value = replListAttrValue(doc, attr);
    if (strcmp(name, VIRT_REPLICATION_IMAGES_LAYER) == 0)
        image->isLayer = strcmp(value, VIRT_REPLICATION_YES) == 0;
    else if (strcmp(name, VIRT_REPLICATION_IMAGES_BYTES) == 0)
        image->bytes = (unsigned long long)MAX(replNodeParseNumber(value, 0), 0);
}

/* Takes the <image> that the parser leaves. One without an id or a volume is none. */
static void
replListTake(ReplList *list)
{
    g_autoptr(virtReplicationImage) image = g_steal_pointer(&list->image);
    xmlNodePtr job = replNodeOurs(list->node, VIRT_REPLICATION_ELEMENT_JOB);
    const ReplImagePlace unknown = {0};

    if (image->id && image->volume) {
        if (!image->name)
            image->name = g_strdup(image->volume);
        if (job)
            image->job = replReadJob(job, image->volume, &unknown);
        g_ptr_array_add(list->images, g_steal_pointer(&image));
    }
    xmlFreeNodeList(list->node->children);
    list->node->children = list->node->last = NULL;
}

/* The element that was just opened: new nodes are hung in last. */
static xmlNodePtr
replListOpened(xmlDocPtr doc, unsigned int depth)
{
    xmlNodePtr node = xmlDocGetRootElement(doc);

    while (node && --depth > 0)
        node = node->last;
    return node;
}

static void
replListStart(void *opaque, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int nnamespaces,
              const xmlChar **namespaces, int nattributes, int ndefaulted, const xmlChar **attributes)
{
    xmlParserCtxtPtr ctxt = opaque;
    ReplList *list = ctxt->_private;
    bool ours = uri && strcmp((const char *)uri, VIRT_REPLICATION_NAMESPACE) == 0;
    int i;

    list->depth++;
    if (ours && list->node && list->depth == REPL_LIST_DEPTH_IMAGE &&
        strcmp((const char *)name, VIRT_REPLICATION_ELEMENT_IMAGE) == 0) {
        list->image = g_new0(virtReplicationImage, 1);
        for (i = 0; i < nattributes; i++)
            replListRead(list->image, ctxt->myDoc, attributes + (size_t)i * 5);
        return;
    }
    xmlSAX2StartElementNs(opaque, name, prefix, uri, nnamespaces, namespaces, nattributes, ndefaulted,
                          attributes);
    if (ours && list->depth == REPL_LIST_DEPTH_IMAGES &&
        strcmp((const char *)name, VIRT_REPLICATION_ELEMENT_IMAGES) == 0)
        list->node = replListOpened(ctxt->myDoc, list->depth);
}

static void
replListEnd(void *opaque, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxtPtr ctxt = opaque;
    ReplList *list = ctxt->_private;

    if (list->image && list->depth == REPL_LIST_DEPTH_IMAGE) {
        replListTake(list);
    } else {
        if (list->node && list->depth == REPL_LIST_DEPTH_IMAGES) {
            list->next = (int)replNodeNumber(list->node, VIRT_REPLICATION_IMAGES_NEXT, 0);
            list->node = NULL;
        }
        xmlSAX2EndElementNs(opaque, name, prefix, uri);
    }
    list->depth--;
}

xmlDocPtr
replListParse(const char *xml, GPtrArray *images, int *next)
{
    ReplList list = {.images = images, .next = -1};
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    xmlDocPtr doc = NULL;

    if (ctxt) {
        ctxt->_private = &list;
        ctxt->sax->startElementNs = replListStart;
        ctxt->sax->endElementNs = replListEnd;
        doc = xmlCtxtReadMemory(ctxt, xml, (int)strlen(xml), NULL, NULL, REPL_NODE_PARSE);
        xmlFreeParserCtxt(ctxt);
    }
    virtReplicationImageFree(list.image); /* of XML that ends within it */
    *next = list.next;
    return replNodeParsed(doc);
}

static void
replListPlaceJob(virtReplicationJob *job, const ReplImagePlace *place)
{
    job->pool = g_strdup(place->pool);
    job->region = g_strdup(place->region);
}

void
replListPlace(GPtrArray *images, const ReplImagePlace *place)
{
    guint i;

    for (i = 0; i < images->len; i++) {
        virtReplicationImage *image = g_ptr_array_index(images, i);

        replImagePlace(image, place);
        if (image->job)
            replListPlaceJob(image->job, place);
    }
}
