/*
 * sizes.c: what the stock elements of a volume say of its size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/xml.h"

#include <stdlib.h>
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
    return sizes;
}

/* The value between the first @open and the @close behind it becomes @value. */
static char *
replSizesReplace(char *xml, const char *open, const char *close, const char *value)
{
    const char *from = strstr(xml, open);
    const char *to = from ? strstr(from + strlen(open), close) : NULL;
    char *out;

    if (!to)
        return xml;
    from += strlen(open);
    out = g_strdup_printf("%.*s%s%s", (int)(from - xml), xml, value, to);
    free(xml);
    return out;
}

char *
replVolXmlForesee(char *xml, guint64 capacity_bytes, guint64 allocation_bytes, const char *format)
{
    g_autofree char *capacity = g_strdup_printf("%" G_GUINT64_FORMAT, capacity_bytes);
    g_autofree char *allocation = g_strdup_printf("%" G_GUINT64_FORMAT, allocation_bytes);

    xml = replSizesReplace(xml, "<capacity unit='bytes'>", "<", capacity);
    xml = replSizesReplace(xml, "<allocation unit='bytes'>", "<", allocation);
    return format ? replSizesReplace(xml, "<format type='", "'", format) : xml;
}
