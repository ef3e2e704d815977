/*
 * mem_endpoint.h: images in memory as source and target of a replication, with faults on demand
 *
 * A world is a source image and a place for replicas. It outlives jobs and endpoints, as disks and peers do: a test that
 * "restarts" makes new jobs on the same world.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "endpoint/open.h"

typedef enum {
    MEM_FAIL,  /* the call fails: a disk's error */
    MEM_SHORT, /* a read ends before it should */
    MEM_GONE, /* the peer has disappeared: this call fails, and all later ones of the same end until memWorldBack() */
    MEM_STALL, /* the call waits until its endpoint is cancelled or memWorldBack() is called */
} MemFaultKind;

/* The @nth call (from 1) of @op, such as "source.hold", "reader.pread", "target.publish" (once for each volume). */
typedef struct {
    const char *op; /* NULL: no fault */
    guint nth;
    MemFaultKind kind;
} MemFault;

/* What a target has of a layer. */
typedef struct {
    GByteArray *data;
    guint64 safe_bytes; /* noted: there after a crash */
    gboolean done;
    gboolean inPlace;
    ReplFileIdentity source;
} MemLayer;

typedef struct {
    /* Fixed after creation. */
    char *sourceUuid;
    char *targetUuid;
    char *sourceVolume;
    GPtrArray *names;  /* of char *: the source's layers, top first */
    GPtrArray *layers; /* of GBytes, the same */
    gboolean raw;      /* they are raw, else taken for qcow2 */

    ReplLock lock;

    /* Guarded by lock. */
    MemFault fault;
    guint calls;         /* of fault.op so far */
    gboolean fired;      /* the fault has come */
    gboolean gone;       /* the end of fault.op is away */
    gboolean stalled;    /* a call waits */
    gboolean changed;    /* the source is not what it was */
    GHashTable *volumes; /* of the target: name -> GBytes */
    GHashTable *held;    /* name -> job id */
    GHashTable *written; /* name -> MemLayer */
    guint open;          /* endpoints, readers and writers that are not freed */
    guint64 moved_bytes; /* that writers took */
    guint holds;         /* times that a source was opened */
    guint plans;         /* times that the target was asked for its facts and present layers */
} MemWorld;

/* @sourceUuid and @targetUuid are those of pools; @sizes, ended by 0, of the source's layers, top first. */
MemWorld *
memWorldNew(const char *sourceUuid, const char *targetUuid, const guint64 *sizes);

void
memWorldFree(MemWorld *world);

/* The world that replEndpointSource() and replEndpointTarget() find from now on; NULL: none. */
void
memWorldUse(MemWorld *world);

void
memWorldFault(MemWorld *world, const char *op, guint nth, MemFaultKind kind);

/* No fault any more, what was away is back, what waits goes on. */
void
memWorldBack(MemWorld *world);

/* As a crash leaves it: what was not noted is lost, nothing else is. */
void
memWorldCrash(MemWorld *world);

/* Waits for a call to stall; FALSE after half a minute. */
gboolean
memWorldStalled(MemWorld *world);

/* The target holds @names (top first, the replica's first) with the contents of the source, and nothing of any job. */
void
memWorldCheckReplica(MemWorld *world, const char *replica);

/* The target holds nothing but the volumes that were there: @count of them. */
void
memWorldCheckNothing(MemWorld *world, guint count);
