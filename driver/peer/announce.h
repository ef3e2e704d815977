/*
 * announce.h: what `virsh pool-capabilities` says about the module, of this daemon and of others
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    char *daemonId;
    char *wireVersions;   /* that it speaks, separated by blanks; NULL: none */
    gboolean servesHosts; /* whether it opens sessions for other hosts */
} ReplAnnounced;

void
replAnnouncedClear(ReplAnnounced *announced);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplAnnounced, replAnnouncedClear)

/* @stockXml, the stock driver's capabilities, with the pool type "region" and what this daemon announces. */
char *
replAnnounceInsert(const char *stockXml, const ReplAnnounced *announced);

/* What another daemon announces; all zero when it has no module. Cleared with replAnnouncedClear(). */
void
replAnnounceRead(const char *xml, ReplAnnounced *announced);
