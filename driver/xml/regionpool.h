/*
 * regionpool.h: XML of storage pools of type region, which are on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/label.h"

#define REPL_REGION_POOL_TYPE "region"

/* A definition. Immutable once it is shared. */
typedef struct {
    char *name;
    char *uuid;    /* canonical; NULL: none given */
    char *host;    /* <source><host name=>, NULL: none; then there is a URI */
    guint port;    /* 0: none */
    char *source;  /* name of the pool there */
    char *uri;     /* of <replication:peer>, NULL: of the host */
    char *region;  /* that it must be; NULL: whatever the peer says */
    char *project; /* the same */
} ReplRegionPool;

ReplRegionPool *
replRegionPoolCopy(const ReplRegionPool *pool);

void
replRegionPoolFree(ReplRegionPool *pool);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplRegionPool, replRegionPoolFree)

/* NULL with @err set when anything is wrong with it, as the schema has it; the URI is not judged here. */
ReplRegionPool *
replRegionPoolParse(const char *xml, GError **err);

/* What is told beside the definition; text that is NULL is left out. */
typedef struct {
    gboolean sized; /* these three are known */
    guint64 capacity_bytes;
    guint64 allocation_bytes;
    guint64 available_bytes;
    const char *region; /* these two instead of the definition's */
    const char *project;
    const char *uri;
    const char *state;
    const char *error;
    gint64 since_s;
    const char *wire;     /* NULL: there is no module */
    gboolean servesHosts; /* of the module */
    const char *libvirt;  /* version there; NULL: not known */
    const char *inner;    /* elements that stand in the peer's <replication:region> */
} ReplRegionPoolShown;

/* @shown NULL: the definition alone, as pool-edit needs it and as files have it. */
char *
replRegionPoolFormat(const ReplRegionPool *pool, const ReplRegionPoolShown *shown);
