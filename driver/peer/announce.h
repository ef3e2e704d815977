/*
 * announce.h: what `virsh pool-capabilities` says about the module, of this daemon and of others
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* @stockXml, the stock driver's capabilities, with the pool type "region": the id of this daemon and the versions
 * of the wire format that it speaks, separated by blanks. */
char *
replAnnounceInsert(const char *stockXml, const char *daemonId, const char *wireVersions);

/* The same of another daemon; both are NULL when it has no module. */
void
replAnnounceRead(const char *xml, char **daemonId, char **wireVersions);
