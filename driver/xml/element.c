/*
 * element.c: one element of ours: what may stand in it, and its values
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/element.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/words.h"
#include "model/label.h"
#include "xml/doc.h"

/* How much of a wrong value is worth repeating. */
#define REPL_SHOWN_MAX_bytes 128

static gboolean
replIsListed(const char *const *names, const xmlChar *name)
{
    return names && g_strv_contains(names, (const char *)name);
}

static int
replElementCheckAttrs(const xmlNode *node, const ReplShape *shape, GError **err)
{
    const xmlAttr *attr;

    for (attr = node->properties; attr; attr = attr->next) {
        if (!attr->ns && replIsListed(shape->attrs, attr->name))
            continue;
        replErrorSet(err, VIR_ERR_XML_ERROR, _("Unknown attribute '%s%s%s' of <%s:%s>"),
                     attr->ns && attr->ns->prefix ? (const char *)attr->ns->prefix : "",
                     attr->ns && attr->ns->prefix ? ":" : "", (const char *)attr->name, REPL_PREFIX,
                     (const char *)node->name);
        return -1;
    }
    return 0;
}

static int
replElementCheckChild(const xmlNode *node, const xmlNode *child, const ReplShape *shape, GError **err)
{
    const char *prefix = replDocIsOurs(child) ? REPL_PREFIX ":" : "";

    if (replDocIsOurs(child) &&
        (replIsListed(shape->ignored, child->name) || replIsListed(shape->many, child->name)))
        return 0;
    if (!replDocIsOurs(child) || !replIsListed(shape->children, child->name)) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("Unknown element <%s%s> in <%s:%s>"), prefix,
                     (const char *)child->name, REPL_PREFIX, (const char *)node->name);
        return -1;
    }
    if (replElementChild(node, (const char *)child->name) != child) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("<%s:%s> stands more than once in <%s:%s>"), REPL_PREFIX,
                     (const char *)child->name, REPL_PREFIX, (const char *)node->name);
        return -1;
    }
    return 0;
}

static gboolean
replIsSilent(const xmlNode *node)
{
    return node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE || xmlIsBlankNode(node);
}

int
replElementCheck(const xmlNode *node, const ReplShape *shape, GError **err)
{
    const xmlNode *child;

    if (replElementCheckAttrs(node, shape, err) < 0)
        return -1;
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) {
            if (replElementCheckChild(node, child, shape, err) < 0)
                return -1;
        } else if (!shape->text && !replIsSilent(child)) {
            replErrorSet(err, VIR_ERR_XML_ERROR, _("Text has no place in <%s:%s>"), REPL_PREFIX,
                         (const char *)node->name);
            return -1;
        }
    }
    return 0;
}

xmlNode *
replElementChild(const xmlNode *node, const char *name)
{
    xmlNode *child;

    for (child = node->children; child; child = child->next) {
        if (replDocIsOurs(child) && g_str_equal((const char *)child->name, name))
            return child;
    }
    return NULL;
}

char *
replElementAttr(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

char *
replElementNeedAttr(const xmlNode *node, const char *name, GError **err)
{
    char *value = replElementAttr(node, name);

    if (!value)
        replErrorSet(err, VIR_ERR_XML_ERROR, _("<%s:%s> needs the attribute '%s'"), REPL_PREFIX,
                     (const char *)node->name, name);
    return value;
}

char *
replElementText(const xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent((xmlNode *)node);
    char *text = g_strdup(content ? (const char *)content : "");

    xmlFree(content);
    return text;
}

void
replElementBadValue(const xmlNode *node, const char *attr, const char *value, GError **err)
{
    gsize len = strlen(value);
    g_autofree char *cut = g_strndup(value, MIN(len, REPL_SHOWN_MAX_bytes));
    g_autofree char *shown = g_utf8_make_valid(cut, -1);
    const char *dots = len > REPL_SHOWN_MAX_bytes ? "..." : "";

    if (attr)
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("Value '%s%s' of attribute '%s' of <%s:%s> is not valid"),
                     shown, dots, attr, REPL_PREFIX, (const char *)node->name);
    else
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("Value '%s%s' of <%s:%s> is not valid"), shown, dots,
                     REPL_PREFIX, (const char *)node->name);
}

int
replElementWord(const xmlNode *node, const char *name, int (*fromString)(const char *), int *value,
                GError **err)
{
    g_autofree char *text = replElementAttr(node, name);
    int parsed;

    if (!text)
        return 0;
    if ((parsed = fromString(text)) < 0) {
        replElementBadValue(node, name, text, err);
        return -1;
    }
    *value = parsed;
    return 0;
}

static int
replYesNoFromString(const char *str)
{
    static const char *const words[] = {"no", "yes"};

    return replWordValue(words, G_N_ELEMENTS(words), str);
}

int
replElementYesNo(const xmlNode *node, const char *name, gboolean *value, GError **err)
{
    return replElementWord(node, name, replYesNoFromString, value, err);
}

gboolean
replParseDigits(const char *text, guint64 max, guint64 *value)
{
    guint64 parsed = 0;
    const char *p;

    for (p = text; g_ascii_isdigit(*p); p++) {
        guint digit = *p - '0';

        if (digit > max || parsed > (max - digit) / 10)
            return FALSE;
        parsed = parsed * 10 + digit;
    }
    if (p == text || *p)
        return FALSE;
    *value = parsed;
    return TRUE;
}

int
replElementAmount(const xmlNode *node, const char *name, gint64 *value, GError **err)
{
    g_autofree char *text = replElementAttr(node, name);
    guint64 parsed;

    if (!text)
        return 0;
    if (!replParseDigits(text, G_MAXINT64, &parsed)) {
        replElementBadValue(node, name, text, err);
        return -1;
    }
    *value = (gint64)parsed;
    return 0;
}

static gboolean
replIsLabel(const char *text)
{
    const char *p;

    if (!g_ascii_isalnum(*text) || strlen(text) > 63)
        return FALSE;
    for (p = text; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("._-", *p))
            return FALSE;
    }
    return TRUE;
}

int
replElementLabel(const xmlNode *node, const char *name, char **value, GError **err)
{
    g_autofree char *text = replElementAttr(node, name);

    if (!text)
        return 0;
    if (!replIsLabel(text)) {
        replElementBadValue(node, name, text, err);
        return -1;
    }
    g_free(*value);
    *value = g_steal_pointer(&text);
    return 0;
}

int
replElementUuid(const xmlNode *node, const char *name, char **value, GError **err)
{
    g_autofree char *text = replElementAttr(node, name);
    char *uuid;

    if (!text)
        return 0;
    if (!(uuid = replUuidCanonical(text))) {
        replElementBadValue(node, name, text, err);
        return -1;
    }
    g_free(*value);
    *value = uuid;
    return 0;
}

int
replElementVolume(const xmlNode *node, const char *name, char **value, GError **err)
{
    g_autofree char *text = replElementAttr(node, name);

    if (!text)
        return 0;
    if (!replIsEntryName(text)) {
        replElementBadValue(node, name, text, err);
        return -1;
    }
    g_free(*value);
    *value = g_steal_pointer(&text);
    return 0;
}

/* libvirt's scaled units with "/s" behind: the letter alone and with "iB" are powers of 1024, with "B"
 * of 1000. 0 for an unknown unit. */
static guint64
replBandwidthScale(const char *unit)
{
    static const char letters[] = "kmgtpe";
    g_autofree char *lower = g_ascii_strdown(unit, -1);
    const char *letter;
    guint64 base = 1024;
    guint64 scale = 1;

    if (!g_str_has_suffix(unit, "/s"))
        return 0;
    lower[strlen(lower) - 2] = '\0';
    if (g_str_equal(lower, "b") || g_str_equal(lower, "byte") || g_str_equal(lower, "bytes"))
        return 1;
    if (!*lower || !(letter = strchr(letters, *lower)))
        return 0;
    if (g_str_equal(lower + 1, "b"))
        base = 1000;
    else if (lower[1] && !g_str_equal(lower + 1, "ib"))
        return 0;
    for (; letter >= letters; letter--)
        scale *= base;
    return scale;
}

int
replElementBandwidth(const xmlNode *node, guint64 *bytesPerSec, GError **err)
{
    static const char *const attrs[] = {"unit", NULL};
    static const ReplShape shape = {.attrs = attrs, .text = TRUE};
    g_autofree char *unit = NULL;
    g_autofree char *text = NULL;
    guint64 scale;

    if (replElementCheck(node, &shape, err) < 0)
        return -1;
    unit = replElementAttr(node, "unit");
    if (!(scale = replBandwidthScale(unit ? unit : "MiB/s"))) {
        replElementBadValue(node, "unit", unit, err);
        return -1;
    }
    text = g_strstrip(replElementText(node));
    if (!replParseDigits(text, G_MAXINT64 / scale, bytesPerSec)) {
        replElementBadValue(node, NULL, text, err);
        return -1;
    }
    *bytesPerSec *= scale;
    return 0;
}

char *
replElementLimitedText(const xmlNode *node, gsize max_bytes, GError **err)
{
    static const ReplShape shape = {.text = TRUE};
    g_autofree char *text = NULL;

    if (replElementCheck(node, &shape, err) < 0)
        return NULL;
    text = replElementText(node);
    if (strlen(text) > max_bytes) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The text of <%s:%s> is longer than %zu bytes"), REPL_PREFIX,
                     (const char *)node->name, max_bytes);
        return NULL;
    }
    return g_steal_pointer(&text);
}

char *
replUuidCanonical(const char *text)
{
    const gboolean dashes = strlen(text) == 36;
    GString *out = g_string_new(NULL);
    const char *p = text;

    while (out->len < 36) {
        if (out->len == 8 || out->len == 13 || out->len == 18 || out->len == 23) {
            g_string_append_c(out, '-');
            if (dashes && *p++ != '-')
                break;
        }
        if (!g_ascii_isxdigit(*p))
            break;
        g_string_append_c(out, g_ascii_tolower(*p++));
    }
    return g_string_free(out, out->len != 36 || *p);
}
