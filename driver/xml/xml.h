/*
 * xml.h: our XML inside the XML of libvirt's storage pools and volumes
 *
 * In: a document of a client is split into what is ours (a label, a request, an update) and the stock
 * XML, which goes down to the stock driver. Out: fragments that are put into what the stock driver's
 * dumpxml returned. The shapes are those of the schemas in xml/, which are embedded.
 *
 * What is ours is decided on the parsed tree, read in the very way libvirt reads it, never on the text:
 * an element is ours when its namespace is REPL_NAMESPACE, however its prefix and character
 * references spell it. Entities are never expanded, so what one would bring is not ours, and such a
 * document with nothing else of ours is a stock call, which does not look into <metadata> at all:
 * what is hidden is never half understood. A document with a DOCTYPE and anything of ours is refused.
 *
 * A document without anything of ours is not our business: it comes back as it is, malformed or not.
 *
 * Errors: VIR_ERR_XML_ERROR for structure (an element or attribute that is unknown, missing, there
 * twice, or in the wrong place), VIR_ERR_INVALID_ARG for a value, VIR_ERR_NO_SUPPORT for what the
 * contract has and this version does not. Each names the element, attribute and value. All
 * functions are thread-safe; libxml2's global state is never touched.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "model/label.h"
#include "model/overview.h"
#include "model/request.h"

/* Longer documents are refused when something of ours may be in them: libvirt's own limit of a string
 * in a call (REMOTE_STRING_MAX). */
#define REPL_XML_MAX_bytes (4 * 1024 * 1024)

#define REPL_TOKEN_MAX_chars 128
#define REPL_DESCRIPTION_MAX_bytes 4096
#define REPL_DISPLAY_NAME_MAX_bytes 255

/* Parses the embedded schemas: happens by itself when they are first needed, but libxml2 sets up its
 * own tables then without a lock, so call it while the daemon still starts. FALSE with @err set
 * when libxml2 cannot parse them. */
gboolean
replXmlInit(GError **err);

typedef struct {
    char *stock; /* for the stock driver: our elements taken out, and a <metadata> that
                          is empty then; the caller's text when there was nothing of ours */
    gboolean hasOurs;
    gboolean hasMetadata; /* a <metadata>, ours in it or not: without one, a label that is there stays */
    ReplLabel *label;     /* NULL: none */
    char *name;           /* these four as libvirt reads them; NULL: absent, or the XML is malformed */
    char *uuid;
    char *type;
    char *targetPath;
} ReplPoolXml;

/* Returns NULL with @err set when what is ours is wrong. */
ReplPoolXml *
replPoolXmlParse(const char *xml, GError **err);

/* Reads what the stock driver formatted: no label is looked for and "stock" is NULL. NULL with
 * @err set when it is malformed. */
ReplPoolXml *
replPoolXmlParseStock(const char *xml, GError **err);

void
replPoolXmlFree(ReplPoolXml *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPoolXml, replPoolXmlFree)

typedef struct {
    char *stock; /* as for pools */
    gboolean hasOurs;
    char *name;           /* as libvirt reads it; NULL: absent, or the XML is malformed */
    ReplRequest *request; /* NULL: none; name, format and encryption come from the stock XML */
    ReplUpdate *update;   /* NULL: none; never both */
} ReplVolXml;

/* What we know of a volume and libvirt does not. */
typedef struct {
    const char *secret; /* UUID, for an encryption of which libvirt has forgotten it; NULL: none */
    gboolean pending;   /* what follows is there: a volume on its way is shown as it will be */
    guint64 capacity_bytes;
    guint64 allocation_bytes;
    const char *format; /* NULL: as it is */
} ReplVolXmlKnown;

/* The XML of a volume, as libvirt formats it, with what is known put in; frees @xml, which is of malloc as libvirt's
 * strings are, as is the result. */
char *
replVolXmlShow(char *xml, const ReplVolXmlKnown *known);

/* The secret that the encryption of a volume's stock XML names. FALSE when it names none; else at least one of the two
 * is set, to be freed. */
gboolean
replVolXmlSecret(const char *xml, char **uuid, char **usage);

/* What the stock elements say, as libvirt reads them. */
typedef struct {
    guint64 capacity_bytes; /* 0: absent, or not readable */
    guint64 allocation_bytes;
    gboolean hasAllocation;
    gboolean encrypted;
    char *format; /* the caller's; NULL: absent */
} ReplVolXmlSizes;

/* Returns NULL with @err set when what is ours is wrong. */
ReplVolXml *
replVolXmlParse(const char *xml, GError **err);

static inline void
replVolXmlSizesClear(ReplVolXmlSizes *sizes)
{
    g_clear_pointer(&sizes->format, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplVolXmlSizes, replVolXmlSizesClear)

ReplVolXmlSizes
replVolXmlSizes(const ReplVolXml *xml);

void
replVolXmlFree(ReplVolXml *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplVolXml, replVolXmlFree)

/* @xml, a request, with other names for the pools of its <have>: those of @pools (of char *), one for each, in order. NULL with
 * @err set when it is malformed. */
char *
replVolXmlRenameHaves(const char *xml, const GPtrArray *pools, GError **err);

/* The volume XML of the placeholder of a replica: the stock XML of a request with this name, format raw
 * and no bytes. Permissions and <nocow/> stay, and whatever is neither known nor of qcow2, so that
 * the stock driver's VALIDATE flag still finds it. NULL with @err set when it is malformed. */
char *
replVolXmlComplete(const ReplVolXml *xml, const char *volumeName, GError **err);

/* The <permissions> of the <target> in a volume's XML, as text; NULL: it has none, or is malformed. */
char *
replVolXmlPermissions(const char *xml);

/* The <metadata> of a region pool, two spaces deep and with a line break at the end. @usage and
 * @overview (of replFormatOverview) NULL: not shown. Parsing it again gives an equal label. */
char *
replFormatLabel(const ReplLabel *label, const ReplAmounts *usage, const char *overview);

/* The elements of @overview, for replFormatLabel. With images, only part overview->part of them,
 * and the others stand in the first part alone. */
char *
replFormatOverview(const ReplOverview *overview);

/* The <metadata> of a volume of a region pool. @project and @displayName stand where the image has none
 * of its own; @snapshotVolumes are the layers below it, nearest first, NULL-terminated, NULL: none.
 * Without @withJob the job is left out. Characters that XML cannot hold are replaced by U+FFFD. */
char *
replFormatImage(const ReplImage *image, const char *project, const char *displayName,
                const char *const *snapshotVolumes, gboolean withJob);

/* @stockXml with @fragment before the last closing tag of @root ("pool", "volume"): text work, nothing is
 * parsed. @stockXml must be formatted by libvirt or by us. Without such a tag: a plain copy. */
char *
replXmlInsert(const char *stockXml, const char *root, const char *fragment);
