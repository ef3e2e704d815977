/*
 * peerxml.h: XML that a peer's daemon formatted, as it is shown here
 *
 * A peer is believed no more than a client: what it sends is parsed with libxml2's limits, and what is not understood
 * is passed on as text or left out, never acted on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* What the XML of a pool on the peer says. */
typedef struct {
    char *type;
    char *path; /* of its target; NULL: none */
    guint64 capacity_bytes;
    guint64 allocation_bytes;
    guint64 available_bytes;
    char *region;  /* of its label; NULL: it has none */
    char *project; /* the same */
    char *inner;   /* what else stands in the label, as text without tokens; NULL: nothing */
} ReplPeerPoolXml;

void
replPeerPoolXmlFree(ReplPeerPoolXml *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerPoolXml, replPeerPoolXmlFree)

/* Whether whoever asks may see @volume, as the rules of this host say. */
typedef gboolean (*ReplPeerVolShown)(const char *volume, void *opaque);

/* What the peer tells of volumes that @shown hides (images and jobs of them) is left out; NULL: nothing is hidden. NULL with
 * @err set when it is malformed. */
ReplPeerPoolXml *
replPeerPoolXmlParse(const char *xml, ReplPeerVolShown shown, void *opaque, GError **err);

/* The XML of a volume there as that of a volume of the region pool @poolName with @poolUuid here: its key, and the paths
 * of its target and its backing store, which lie below @peerPath (NULL: not known) there, become ours; tokens are left out.
 * NULL with @err set when it is malformed. */
char *
replPeerVolXml(const char *xml, const char *poolName, const char *poolUuid, const char *peerPath,
               GError **err);

/* Keys and paths of volumes on other hosts, which can be mixed up with no local one: "replication:POOLUUID/NAME" and
 * "replication://POOL/NAME". */
char *
replPeerVolKey(const char *poolUuid, const char *volume);
char *
replPeerVolPath(const char *poolName, const char *volume);

/* Whether @text is a key (*pool: UUID) or a path (*pool: name) of that form. What the name may be is not judged. */
gboolean
replPeerVolKeyParse(const char *text, char **pool, char **volume);
gboolean
replPeerVolPathParse(const char *text, char **pool, char **volume);
