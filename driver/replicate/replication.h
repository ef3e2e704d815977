/*
 * replication.h: what a job makes: one replica
 *
 * The room replicate/ in five lines:
 * In:    a record of what is asked for (new from stack/submission.c, or loaded by stack/resume.c), and the two endpoints
 *        that endpoint/open.h finds for it. Only their tables are used: nothing here knows what is behind them.
 * Out:   a job (life.h) for the queue: prepare.h -> transfer.h -> publish.h; what it holds is shown in service/holding.h.
 * Owner: the job owns the replication, the replication its journal; what is opened belongs to one attempt (prepared.h).
 * Lock:  lock below and the journal's, never both at once; neither is held while anything is read or written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "endpoint/journal.h"
#include "service/holding.h"
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
    const char *id;      /* of the journal's record, which says what is fixed in it; these three, too */
    const char *replica; /* volume in the target */
    const char *sourceUuidstr;
    ReplJournal *journal;
    ReplHolding *holding; /* what others see of it; a reference */
    GPtrArray *members; /* of ReplHolding: the same of a full machine's data disks, as the record has them */
    gboolean resumed;   /* taken up from a record: no client waits for it */
    ReplVirtIdentity *identity; /* the requester's, a reference; NULL: the daemon's */

    ReplLock lock;

    /* Guarded by lock. */
    ReplPhase persisted; /* phase of the record on disk */
    gboolean leased;     /* this host holds the job's home for it */
    GPtrArray *opened;   /* keys for the next attempt, see keys.h; NULL: none */
    ReplPrepared *ready; /* for the next attempt, see prepared.h; NULL: nothing */
    gboolean stopping;   /* what is prepared is to wait for nothing any more */

    /* The attempt's thread alone, but that others, with the lock held, end its endpoints' waits. */
    ReplPrepared *prepared;

    /* The attempt's thread alone. */
    gboolean became;     /* the thread acts as the requester until clean */
    ReplIdentity before; /* who it was, NULL: it had no identity */
};

/* Takes @record and @image over. @asRequester: works with the rights of the current identity, else with
 * those of the daemon. (The requester's connection is not kept: when the client leaves, it must close.) */
ReplReplication *
replReplicationNew(const unsigned char *targetUuid, ReplJobRecord *record, ReplImage *image,
                   gboolean asRequester);

/* The replica of the record's next member: its record, taken over. Before the replication becomes a job. */
void
replReplicationAddMember(ReplReplication *replication, ReplImage *image);

/* What others see of disk @disk; borrowed. */
ReplHolding *
replReplicationHolding(const ReplReplication *replication, guint disk);

/* Whether this daemon has a replication with this @id, queued or just being submitted: no other code may act
 * on its record. By any thread. */
gboolean
replReplicationIsAlive(const char *id);

/* What was prepared, or ready for an attempt, has to be freed before. */
void
replReplicationFree(ReplReplication *replication);

/* The phase of a record. */
ReplPhase
replPhaseOfRecord(const ReplJobRecord *record);

/* Holds the job's home for this host, or lets go of it. Returns 0, or -1 with @err set. */
int
replReplicationLease(ReplReplication *replication, gboolean on, GError **err);
