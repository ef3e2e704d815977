/*
 * schema.h: the schemas of xml/, embedded
 *
 * The text of our elements is read by the code beside, which names what is wrong; the schema is asked
 * behind it, so that what users can check with the installed files is what the daemon takes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>

/* libxml2 made the argument of its handlers const in 2.12. */
#if LIBXML_VERSION >= 21200
typedef const xmlError *ReplXmlError;
#else
typedef xmlError *ReplXmlError;
#endif

/* Made from xml/NAME.rng by xml/embed.py, with what they include. */
extern const char replSchemaRegion[];
extern const char replSchemaUsage[];
extern const char replSchemaReplicate[];
extern const char replSchemaUpdate[];
extern const char replSchemaImage[];
extern const char replSchemaOverview[];
extern const char replSchemaRegionpool[];

typedef enum {
    REPL_SCHEMA_REGION,
    REPL_SCHEMA_USAGE,
    REPL_SCHEMA_REPLICATE,
    REPL_SCHEMA_UPDATE,
    REPL_SCHEMA_IMAGE,
    REPL_SCHEMA_OVERVIEW,
    REPL_SCHEMA_REGION_POOL,
    REPL_SCHEMA_LAST,
} ReplSchema;

/* Returns 0 when the element @node, or the pool of type region, is valid, -1 with @err (VIR_ERR_XML_ERROR) set when it is not. */
int
replSchemaCheck(ReplSchema schema, const xmlNode *node, GError **err);
