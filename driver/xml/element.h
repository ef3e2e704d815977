/*
 * element.h: one element of ours: what may stand in it, and its values
 *
 * Elements are called <replication:NAME> in messages, whatever prefix the document uses.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* What an element may hold. Children of ours stand once each, but for those in "ignored", which may
 * stand any number of times with any content, and those in "many", which may be repeated. */
typedef struct {
    const char *const *attrs;    /* NULL-terminated; NULL: none */
    const char *const *children; /* the same */
    const char *const *ignored;  /* the same */
    const char *const *many;     /* the same */
    gboolean text;
} ReplShape;

/* Returns 0, or -1 with @err (VIR_ERR_XML_ERROR) naming what should not be there. */
int
replElementCheck(const xmlNode *node, const ReplShape *shape, GError **err);

/* The child of ours called @name, or NULL. */
xmlNode *
replElementChild(const xmlNode *node, const char *name);

/* The value of an attribute without namespace; NULL when absent. */
char *
replElementAttr(const xmlNode *node, const char *name);

/* The same for an attribute that has to be there: NULL with @err (VIR_ERR_XML_ERROR) set. */
char *
replElementNeedAttr(const xmlNode *node, const char *name, GError **err);

/* The text of an element; never NULL. */
char *
replElementText(const xmlNode *node);

/* Each of the following leaves *value as it is when the attribute is absent, and returns 0, or -1 with
 * @err (VIR_ERR_INVALID_ARG) naming attribute and value. */

/* @fromString: the value, or -1 for an unknown word. */
int
replElementWord(const xmlNode *node, const char *name, int (*fromString)(const char *), int *value,
                GError **err);

int
replElementYesNo(const xmlNode *node, const char *name, gboolean *value, GError **err);

/* Decimal digits, 0 to 2^63 - 1. */
int
replElementAmount(const xmlNode *node, const char *name, gint64 *value, GError **err);

/* The name of a region or project: letters, digits, ".", "_", "-", at most 63. Frees and replaces *value. */
int
replElementLabel(const xmlNode *node, const char *name, char **value, GError **err);

/* A UUID, in any form that replUuidCanonical takes; and the name of a volume. Both free and replace
 * *value. */
int
replElementUuid(const xmlNode *node, const char *name, char **value, GError **err);
int
replElementVolume(const xmlNode *node, const char *name, char **value, GError **err);

/* <replication:bandwidth unit=>N</>: bytes a second, at most 2^63 - 1. Returns 0 or -1. */
int
replElementBandwidth(const xmlNode *node, guint64 *bytesPerSec, GError **err);

/* The text, at most @max_bytes of it; NULL with @err (VIR_ERR_INVALID_ARG) set. */
char *
replElementLimitedText(const xmlNode *node, gsize max_bytes, GError **err);

/* "A value is wrong" for an attribute (NULL: for the text) of an element. */
void
replElementBadValue(const xmlNode *node, const char *attr, const char *value, GError **err);

/* Decimal digits and nothing else, up to @max. FALSE when it is something else. */
gboolean
replParseDigits(const char *text, guint64 max, guint64 *value);

/* The canonical lower-case form of a UUID, which may come with or without its dashes; NULL when @text is
 * none. */
char *
replUuidCanonical(const char *text);
