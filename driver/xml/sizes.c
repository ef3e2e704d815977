/*
 * sizes.c: what the stock elements of a volume say of its size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/xml.h"

#include <string.h>

#include "xml/doc.h"
#include "xml/element.h"

/* How many bytes a unit has, by libvirt's rules: powers of 1024 with "K" or "KiB", of 1000 with "KB". 0: none such. */
static guint64
replSizesUnit(const char *unit)
{
    static const char letters[] = "kmgtpe";
    guint64 scale = 1;
    const char *at;
    guint base;
    guint i;

    if (!unit || !*unit || !g_ascii_strcasecmp(unit, "b") || !g_ascii_strcasecmp(unit, "byte") ||
        !g_ascii_strcasecmp(unit, "bytes"))
        return 1;
    if (!(at = strchr(letters, g_ascii_tolower(unit[0]))))
        return 0;
    if (!unit[1] || !g_ascii_strcasecmp(unit + 1, "ib"))
        base = 1024;
    else if (!g_ascii_strcasecmp(unit + 1, "b"))
        base = 1000;
    else
        return 0;
    for (i = 0; i <= (guint)(at - letters); i++)
        scale *= base;
    return scale;
}

static gboolean
replSizesRead(const xmlNode *root, const char *name, guint64 *bytes)
{
    const xmlNode *node = replDocChild(root, name, NULL);
    g_autofree char *unit = node ? replElementAttr(node, "unit") : NULL;
    g_autofree char *text = node ? replDocString(root, name, NULL) : NULL;
    guint64 scale = replSizesUnit(unit);

    if (!text || scale == 0)
        return FALSE;
    g_strstrip(text);
    return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64 / scale, bytes, NULL) &&
           ((*bytes *= scale), TRUE);
}

ReplVolXmlSizes
replVolXmlSizes(const ReplVolXml *xml)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml->stock, NULL);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    const xmlNode *target = root ? replDocChild(root, "target", NULL) : NULL;
    const xmlNode *format = target ? replDocChild(target, "format", NULL) : NULL;
    ReplVolXmlSizes sizes = {0};

    if (!root)
        return sizes;
    replSizesRead(root, "capacity", &sizes.capacity_bytes);
    sizes.hasAllocation = replSizesRead(root, "allocation", &sizes.allocation_bytes);
    if (format)
        sizes.format = replElementAttr(format, "type");
    sizes.encrypted = target && replDocChild(target, "encryption", NULL);
    return sizes;
}
