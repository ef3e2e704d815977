/*
 * format.c: writing XML as libvirt formats it; labels, and putting fragments into stock XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/format.h"

#include <string.h>

#include "xml/element.h"
#include "xml/xml.h"

/* XML 1.0 does not allow most control characters nor U+FFFE and U+FFFF, not even escaped. */
static gboolean
replFormatIsChar(gunichar c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0xfffe && c != 0xffff);
}

/* Line breaks and tabs are escaped too, or a parser would make blanks of them in an attribute, and of
 * CR a line feed everywhere. */
static void
replFormatChar(GString *out, const char *at, gunichar c)
{
    if (!replFormatIsChar(c))
        g_string_append(out, "\xef\xbf\xbd");
    else if (c == '&')
        g_string_append(out, "&amp;");
    else if (c == '<')
        g_string_append(out, "&lt;");
    else if (c == '>')
        g_string_append(out, "&gt;");
    else if (c == '\'')
        g_string_append(out, "&apos;");
    else if (c == '"')
        g_string_append(out, "&quot;");
    else if (c < 0x20)
        g_string_append_printf(out, "&#x%X;", c);
    else
        g_string_append_len(out, at, g_utf8_next_char(at) - at);
}

/* How many bytes are the same in XML. */
static gsize
replFormatPlain(const char *text)
{
    gsize len = 0;

    for (;; len++) {
        char c = text[len];

        if (!g_ascii_isprint(c) || c == '&' || c == '<' || c == '>' || c == '\'' || c == '"')
            return len;
    }
}

static void
replFormatText(GString *out, const char *text)
{
    g_autofree char *valid = NULL;
    const char *p;

    if (!g_utf8_validate(text, -1, NULL))
        text = valid = g_utf8_make_valid(text, -1);
    for (p = text; *p;) {
        gsize plain = replFormatPlain(p);

        g_string_append_len(out, p, plain);
        p += plain;
        if (*p) {
            replFormatChar(out, p, g_utf8_get_char(p));
            p = g_utf8_next_char(p);
        }
    }
}

static void
replFormatIndent(GString *out, guint depth)
{
    while (depth--)
        g_string_append(out, "  ");
}

void
replFormatBegin(GString *out, guint depth, const char *name)
{
    replFormatIndent(out, depth);
    g_string_append(out, "<" REPL_PREFIX ":");
    g_string_append(out, name);
}

void
replFormatAttr(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_c(out, ' ');
    g_string_append(out, name);
    g_string_append_len(out, "='", 2);
    replFormatText(out, value);
    g_string_append_c(out, '\'');
}

void
replFormatAttrNumber(GString *out, const char *name, guint64 value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT, value);
    replFormatAttr(out, name, text);
}

void
replFormatNamespace(GString *out)
{
    replFormatAttr(out, "xmlns:" REPL_PREFIX, REPL_NAMESPACE);
}

void
replFormatEnd(GString *out)
{
    g_string_append(out, "/>\n");
}

void
replFormatOpen(GString *out)
{
    g_string_append(out, ">\n");
}

void
replFormatClose(GString *out, guint depth, const char *name)
{
    replFormatIndent(out, depth);
    g_string_append_printf(out, "</" REPL_PREFIX ":%s>\n", name);
}

void
replFormatElement(GString *out, guint depth, const char *name, const char *text)
{
    if (!text)
        return;
    replFormatBegin(out, depth, name);
    g_string_append_c(out, '>');
    replFormatText(out, text);
    replFormatClose(out, 0, name);
}

static void
replFormatAmounts(GString *out, const char *name, const ReplAmounts *amounts)
{
    replFormatBegin(out, 3, name);
    if (amounts->images >= 0)
        replFormatAttrNumber(out, "images", amounts->images);
    if (amounts->snapshots >= 0)
        replFormatAttrNumber(out, "snapshots", amounts->snapshots);
    if (amounts->bytes >= 0)
        replFormatAttrNumber(out, "bytes", amounts->bytes);
    replFormatEnd(out);
}

char *
replFormatLabel(const ReplLabel *label, const ReplAmounts *usage, const char *overview)
{
    GString *out = g_string_new("  <metadata>\n");
    const ReplAmounts *quota = &label->quota;
    gboolean hasQuota = quota->images >= 0 || quota->snapshots >= 0 || quota->bytes >= 0;

    replFormatBegin(out, 2, "region");
    replFormatNamespace(out);
    replFormatAttr(out, "name", label->name);
    replFormatAttr(out, "project", label->project);
    if (!hasQuota && !usage && !overview) {
        replFormatEnd(out);
    } else {
        replFormatOpen(out);
        if (hasQuota)
            replFormatAmounts(out, "quota", quota);
        if (usage)
            replFormatAmounts(out, "usage", usage);
        if (overview)
            g_string_append(out, overview);
        replFormatClose(out, 2, "region");
    }
    g_string_append(out, "  </metadata>\n");
    return g_string_free(out, FALSE);
}

char *
replXmlInsert(const char *stockXml, const char *root, const char *fragment)
{
    g_autofree char *tag = g_strdup_printf("</%s>", root);
    const char *at = g_strrstr(stockXml, tag);
    const char *line = at;
    GString *out;

    if (!at)
        return g_strdup(stockXml);
    /* Before the indentation of the tag, when it has a line of its own. */
    while (line > stockXml && (line[-1] == ' ' || line[-1] == '\t'))
        line--;
    if (line > stockXml && line[-1] == '\n')
        at = line;
    out = g_string_sized_new(strlen(stockXml) + strlen(fragment) + 1);
    g_string_append_len(out, stockXml, at - stockXml);
    g_string_append(out, fragment);
    g_string_append(out, at);
    return g_string_free(out, FALSE);
}

static void
replFormatNode(GString *out, const xmlNode *node)
{
    const xmlNode *child;
    const xmlAttr *attr;

    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) {
        g_autofree char *text = g_markup_escape_text((const char *)node->content, -1);

        g_string_append(out, text);
    }
    if (node->type != XML_ELEMENT_NODE)
        return;
    g_string_append_printf(out, "<%s", (const char *)node->name);
    for (attr = node->properties; attr; attr = attr->next) {
        g_autofree char *value = replElementAttr(node, (const char *)attr->name);

        replFormatAttr(out, (const char *)attr->name, value);
    }
    g_string_append(out, node->children ? ">" : "/>");
    for (child = node->children; child; child = child->next)
        replFormatNode(out, child);
    if (node->children)
        g_string_append_printf(out, "</%s>", (const char *)node->name);
}

char *
replFormatTree(const xmlNode *root)
{
    GString *out = g_string_new(NULL);

    replFormatNode(out, root);
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}
