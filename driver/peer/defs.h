/*
 * defs.h: definitions of pools of type region, on disk
 *
 * Persistent ones lie in one directory (NAME.xml, and "autostart/NAME.xml" for those that start with the daemon), the
 * definitions of running pools, transient ones among them, in another one below /run: what runs outlives the daemon. Every
 * change is durable when the call returns. Not thread-safe: pools.h serialises.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "xml/regionpool.h"

typedef struct _ReplDefs ReplDefs;

/* The directories are made when they are first written to. */
ReplDefs *
replDefsNew(const char *persistentDir, const char *runningDir);

void
replDefsFree(ReplDefs *defs);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplDefs, replDefsFree)

/* All definitions of one kind, by name; one that cannot be read costs a log line and is skipped. An array of ReplRegionPool,
 * or NULL with @err set when the directory is there and cannot be read. */
GPtrArray *
replDefsLoad(ReplDefs *defs, gboolean persistent, GError **err);

/* Whether a pool of this name can have a file. 0, or -1 with @err (VIR_ERR_INVALID_ARG) set. */
int
replDefsCheckName(const char *name, GError **err);

/* Each returns 0, or -1 with @err set. What is not there can be removed. */
int
replDefsSave(ReplDefs *defs, gboolean persistent, const ReplRegionPool *pool, GError **err);
int
replDefsRemove(ReplDefs *defs, gboolean persistent, const char *name, GError **err);
int
replDefsSetAutostart(ReplDefs *defs, const char *name, gboolean on, GError **err);

gboolean
replDefsAutostart(ReplDefs *defs, const char *name);
