/*
 * shown.c: what libvirt says of a volume, with what only we know of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/xml.h"

#include <stdlib.h>
#include <string.h>

#include "xml/doc.h"
#include "xml/element.h"
#include "xml/format.h"

/* <target><encryption format='luks'>, or NULL. */
static xmlNode *
replShownEncryption(const xmlNode *root)
{
    const xmlNode *target = replDocChild(root, "target", NULL);
    xmlNode *encryption = target ? replDocChild(target, "encryption", NULL) : NULL;
    g_autofree char *format = encryption ? replElementAttr(encryption, "format") : NULL;

    return g_strcmp0(format, "luks") == 0 ? encryption : NULL;
}

static void
replShownNumber(const xmlNode *root, const char *name, guint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    xmlNode *node = replDocChild(root, name, NULL);

    if (node)
        xmlNodeSetContent(node, BAD_CAST text);
}

static void
replShownFormat(const xmlNode *root, const char *type)
{
    const xmlNode *target = replDocChild(root, "target", NULL);
    xmlNode *format = target ? replDocChild(target, "format", NULL) : NULL;

    if (format)
        xmlSetProp(format, BAD_CAST "type", BAD_CAST type);
}

/* First in the encryption, on a line of its own. */
static void
replShownSecret(const xmlNode *root, const char *uuid)
{
    xmlNode *encryption = replShownEncryption(root);
    xmlNode *secret;

    if (!encryption || replDocChild(encryption, "secret", NULL))
        return;
    secret = xmlNewDocNode(encryption->doc, NULL, BAD_CAST "secret", NULL);
    xmlNewProp(secret, BAD_CAST "type", BAD_CAST "passphrase");
    xmlNewProp(secret, BAD_CAST "uuid", BAD_CAST uuid);
    if (!encryption->children)
        xmlAddChild(encryption, xmlNewDocText(encryption->doc, BAD_CAST "\n    "));
    xmlAddPrevSibling(encryption->children, secret);
    xmlAddPrevSibling(secret, xmlNewDocText(encryption->doc, BAD_CAST "\n      "));
}

char *
replVolXmlShow(char *xml, const ReplVolXmlKnown *known)
{
    g_autoptr(xmlDoc) doc = known->secret || known->pending ? replDocParse(xml, NULL) : NULL;
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    g_autofree char *shown = NULL;

    if (!root)
        return xml;
    if (known->pending) {
        replShownNumber(root, "capacity", known->capacity_bytes);
        replShownNumber(root, "allocation", known->allocation_bytes);
        if (known->format)
            replShownFormat(root, known->format);
    }
    if (known->secret)
        replShownSecret(root, known->secret);
    shown = replFormatTree(root);
    free(xml);
    return strdup(shown);
}

gboolean
replVolXmlSecret(const char *xml, char **uuid, char **usage)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml, NULL);
    const xmlNode *encryption = doc ? replShownEncryption(xmlDocGetRootElement(doc)) : NULL;
    const xmlNode *secret = encryption ? replDocChild(encryption, "secret", NULL) : NULL;

    *uuid = secret ? replElementAttr(secret, "uuid") : NULL;
    *usage = secret ? replElementAttr(secret, "usage") : NULL;
    return *uuid || *usage;
}
