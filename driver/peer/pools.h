/*
 * pools.h: the pools of type region of this daemon
 *
 * Definitions come and go here, and a pool is started and stopped; none of it asks a peer. "Active" is what the administrator
 * wants: while a pool is, its peer is kept connected as well as it goes. Names and UUIDs are unique over these pools and the
 * stock driver's: a caller that defines a pool of either kind reserves both first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/pool.h"

/* A pool as it was when it was looked up. */
typedef struct {
    ReplPeerPool *pool; /* a reference; of the running definition when it is active */
    gboolean active;
    gboolean persistent;
    gboolean autostart;
} ReplPeerPoolEntry;

void
replPeerPoolEntryFree(ReplPeerPoolEntry *entry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPeerPoolEntry, replPeerPoolEntryFree)

/* Which pools of the stock driver there are; asked with no lock held, as the daemon itself. */
typedef struct {
    gboolean (*hasName)(const char *name);
    gboolean (*hasUuid)(const unsigned char *uuid);
} ReplPeerStock;

/* Once, when the stock driver has its pools: loads the definitions, and starts those that ran or are to. A definition whose
 * name or UUID the stock driver has is left alone, with a log line. @allowed: the URIs that the configuration lets in.
 * Returns 0, or -1 with @err set. */
int
replPeerPoolsStart(const char *configDir, const char *runDir, const char *allowed, const ReplPeerStock *stock,
                   GError **err);

/* The configuration was read anew: for definitions that come from now on. */
void
replPeerPoolsAllow(const char *allowed);

gboolean
replPeerPoolsHas(const unsigned char *uuid);

/* NULL: there is none; nothing is reported. */
ReplPeerPoolEntry *
replPeerPoolsFind(const unsigned char *uuid);
ReplPeerPoolEntry *
replPeerPoolsFindName(const char *name);

/* All of them by name, an array of ReplPeerPoolEntry. */
GPtrArray *
replPeerPoolsAll(void);

/* Those whose running definition is behind @peer, in the pool @source there (NULL: in any). */
GPtrArray *
replPeerPoolsBehind(const ReplPeer *peer, const char *source);

/* The definition for when it is started next, or now when it does not run. */
ReplRegionPool *
replPeerPoolsInactive(const unsigned char *uuid);

/* Keeps @name and @uuid (NULL: one is going to be made) for a pool that is about to be defined: 0, or -1 with
 * @err set when another pool has one of them, or is just being defined with it. @ours: it is of type region,
 * and may be there already; otherwise it is the stock driver's pool, and the stock driver itself refuses a
 * name or UUID that another of its pools has. */
int
replPeerPoolsReserve(const char *name, const unsigned char *uuid, gboolean ours, GError **err);
void
replPeerPoolsUnreserve(const char *name, const unsigned char *uuid, gboolean ours);

/* define and create of a pool of type region, which is reserved. The new entry, or NULL with @err set. @fresh: it was not
 * there before. */
ReplPeerPoolEntry *
replPeerPoolsDefine(ReplPeerPool *pool, gboolean *fresh, GError **err);
ReplPeerPoolEntry *
replPeerPoolsCreate(ReplPeerPool *pool, GError **err);

/* Each returns 0, or -1 with @err set. */
int
replPeerPoolsUndefine(const unsigned char *uuid, GError **err);
int
replPeerPoolsActivate(const unsigned char *uuid, GError **err);
int
replPeerPoolsDeactivate(const unsigned char *uuid, GError **err);
int
replPeerPoolsSetAutostart(const unsigned char *uuid, gboolean on, GError **err);

/* The URIs that are let in, the caller's. */
char *
replPeerPoolsAllowed(void);
