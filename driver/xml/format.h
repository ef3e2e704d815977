/*
 * format.h: writing XML as libvirt formats it: two spaces, single quotes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

#include "model/jobinfo.h"

/* Starts "<replication:NAME" at the depth; attributes and replFormatEnd or replFormatOpen follow. */
void
replFormatBegin(GString *out, guint depth, const char *name);

/* Attributes: escaped text (NULL: left out) and numbers. */
void
replFormatAttr(GString *out, const char *name, const char *value);
void
replFormatAttrNumber(GString *out, const char *name, guint64 value);

/* "/>", ">" and "</replication:NAME>", each with a line break. */
void
replFormatEnd(GString *out);
void
replFormatOpen(GString *out);
void
replFormatClose(GString *out, guint depth, const char *name);

/* <replication:NAME>escaped text</replication:NAME>; nothing when @text is NULL. */
void
replFormatElement(GString *out, guint depth, const char *name, const char *text);

/* Our namespace, as an attribute. */
void
replFormatNamespace(GString *out);

/* A parsed element of libvirt's, without namespaces, with a line break at the end. What libvirt formatted comes out byte for
 * byte as it was. */
char *
replFormatTree(const xmlNode *root);

/* The attributes of <replication:job>, all but its steps. */
void
replFormatJobAttrs(GString *out, const ReplJobInfo *job);
