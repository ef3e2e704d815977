/*
 * peers.h: starting what concerns other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Pools of type region as they were when the daemon ended, and those that start with it; after the stock driver has started
 * its own, and after the configuration is read. Waits for no peer. */
void
replStackPeersStart(const char *configDir, const char *runDir, const char *ownDir);

/* The configuration was read anew. */
void
replStackPeersReload(void);

/* The id of this daemon, and NULL before replStackPeersStart(). */
const char *
replStackDaemonId(void);
