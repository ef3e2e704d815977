/*
 * peerfacts.h: what the XML of a volume on a stock peer tells of its file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    char *format; /* as that libvirt calls it; NULL: it does not say */
    gint64 mtime_ns;
    gint64 ctime_ns;
    guint64 allocation_bytes;
    char *
        secretUuid; /* of the secret that opens the volume, which that libvirt forgets with a refresh; NULL: it does not say */
    char *secretUsage;
} ReplPeerVolFacts;

void
replPeerVolFactsClear(ReplPeerVolFacts *facts);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplPeerVolFacts, replPeerVolFactsClear)

/* Returns 0, or -1 with @err set when it is malformed, or tells no times: a change of the file could not be seen. */
int
replPeerVolFactsParse(const char *xml, ReplPeerVolFacts *facts, GError **err);
