/*
 * replication.h: what a job makes: one replica
 *
 * submission (stack/) -> life.h -> prepare.h -> transfer.h -> publish.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "region/region.h"
#include "service/holding.h"
#include "store/jobrecord.h"
#include "virt/access.h"

typedef struct _ReplPrepared ReplPrepared;
typedef struct _ReplReplication ReplReplication;

/* What a restart must tell apart: whatever waits or works goes on in the same way. */
typedef enum {
    REPL_PHASE_UNKNOWN,
    REPL_PHASE_PLANNED, /* waits for its start */
    REPL_PHASE_GOING,
    REPL_PHASE_PAUSED,
    REPL_PHASE_PUBLISHING,
    REPL_PHASE_ENDED,
} ReplPhase;

struct _ReplReplication {
    /* Fixed after creation. */
    char *id;
    unsigned char targetUuid[VIR_UUID_BUFLEN];
    char *targetUuidstr;
    char *sourceUuidstr;
    char *replica;              /* volume in the target */
    gboolean resumed;           /* taken up from a record: nobody waits for it */
    ReplHolding *holding;       /* what others see of it; a reference */
    ReplVirtIdentity *identity; /* the requester's, a reference; NULL: the daemon's */

    /* Guarded by lock. */
    ReplLock lock;
    ReplJobRecord *record;
    gboolean listed;       /* the replica's name is held in the pool */
    gint persisted;        /* ReplPhase of the record on disk */
    gboolean leased;       /* this host holds the target's staging folder for it */
    guint64 unsaved_bytes; /* written since the record was saved */
    GPtrArray *opened;     /* keys for the next attempt, see keys.h; NULL: none */

    /* The attempt's thread alone. */
    ReplPrepared *prepared;
    gboolean became;     /* the thread acts as the requester until clean */
    ReplIdentity before; /* who it was, NULL: nobody */
};

/* Takes @record and @image over. @asRequester: works with the rights of the current identity, else
 * with those of the daemon. (The requester's connection is not kept: when the client leaves, it
 * must close.) */
ReplReplication *
replReplicationNew(const ReplRegion *target, ReplJobRecord *record, ReplImage *image, gboolean asRequester);

/* Nothing may be prepared any more. */
void
replReplicationFree(ReplReplication *replication);

/* The phase of a record. */
ReplPhase
replPhaseOfRecord(const ReplJobRecord *record);

/* Tells others which names the job holds now, as the record and listed have it. Called with the
 * lock held. */
void
replReplicationShowNames(ReplReplication *replication);

/* A copy of the record. */
ReplJobRecord *
replReplicationCopyRecord(ReplReplication *replication);

/* Holds the target's staging folder for this host, or lets go of it. Returns 0, or -1 with @err
 * set. */
int
replReplicationLease(ReplReplication *replication, ReplStaging *staging, gboolean on, GError **err);

/* Writes the record as it is now. Returns 0, or -1 with @err set. */
int
replReplicationSave(ReplReplication *replication, ReplStaging *staging, GError **err);
