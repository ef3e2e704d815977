/*
 * work.h: the work of one replication job: what it is, and one attempt at it
 *
 * submit (replicate.c, resume.c) -> attempt (attempt.c) -> transfer (transfer.c) -> publish (publish.c)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "convert/convert.h"
#include "job/job.h"
#include "plan/plan.h"
#include "probe/chain.h"
#include "stack/access.h"
#include "stack/region.h"
#include "store/jobrecord.h"

/* One try, from prepare to clean. Belongs to the thread that makes it. */
typedef struct {
    ReplRegion *source;
    ReplRegion *target;
    ReplPoolSet *set;
    const ReplPoolDir *sourceDir; /* of the set */
    const ReplPoolDir *targetDir;
    ReplStaging *staging; /* the target's */
    ReplChain *chain;
    GPtrArray *presentAs; /* an element for each layer of the chain, NULL: not there */
    GArray *presentWas;   /* ReplFileIdentity, the same: what was there when it was looked at */
    ReplPlan *plan;
    GPtrArray *sourceSecrets; /* of ReplSecretBuf, an element for each layer, NULL: not needed */
    GPtrArray *sourceKeys;    /* of ReplSecretBuf: their volume keys where they are known, the same */
    GPtrArray *sourceUuids;   /* of char *, the same */
    ReplSecretBuf *secret;    /* the target's, NULL: none */
    char *secretUuid;
    gboolean sourceIsFast;    /* the source is a fast-create image */
    ReplLuksKdf kdf;
    GArray *held;         /* int: descriptors of locked placeholders */
} ReplAttempt;

/* What a restart must tell apart: whatever waits or works goes on in the same way. */
typedef enum {
    REPL_WORK_UNKNOWN,
    REPL_WORK_PLANNED, /* waits for its start */
    REPL_WORK_GOING,
    REPL_WORK_PAUSED,
    REPL_WORK_PUBLISHING,
    REPL_WORK_ENDED,
} ReplWorkPhase;

typedef struct {
    /* Fixed after creation. */
    char *id;
    unsigned char targetUuid[VIR_UUID_BUFLEN];
    char *targetUuidstr;
    char *sourceUuidstr;
    char *replica;              /* volume in the target */
    gboolean resumed;           /* taken up from a record: nobody waits for it */
    ReplVirtIdentity *identity; /* the requester's, a reference; NULL: the daemon's */

    /* Guarded by lock. */
    GMutex lock;
    ReplJobRecord *record;
    ReplImage *image;           /* the replica's record as it will be */
    guint64 capacity_bytes;     /* virtual size of the replica */
    gboolean listed;            /* the replica's name is held in the pool */
    gint persisted;             /* ReplWorkPhase of the record on disk */
    ReplAmounts adds;           /* what the target's usage grows by, as planned */
    gboolean leased;            /* this host holds the target's staging folder for it */
    guint64 unsaved_bytes;      /* written since the record was saved */
    GPtrArray *opened;          /* keys for the next attempt, see keys.h; NULL: none */

    /* The attempt's thread alone. */
    ReplAttempt *attempt;
    gboolean became;     /* the thread acts as the requester until clean */
    ReplIdentity before; /* who it was, NULL: nobody */
} ReplWork;

extern const ReplJobOps replWorkOps;

/* Takes @record and @image over. @asRequester: works with the rights of the current identity, else with
 * those of the daemon. (The requester's connection is not kept: when the client leaves, it must close.) */
ReplWork *
replWorkNew(const ReplRegion *target, ReplJobRecord *record, ReplImage *image, gboolean asRequester);

void
replWorkFree(ReplWork *work);

/* A job around @work, which it owns from now on; known to the service, not yet queued. */
ReplJob *
replWorkToJob(ReplWork *work);

/* The phase of a record. */
ReplWorkPhase
replWorkPhase(const ReplJobRecord *record);

/* Holds the target's staging folder for this host, or lets go of it. Returns 0, or -1 with @err set. */
int
replWorkLease(ReplWork *work, ReplStaging *staging, gboolean on, GError **err);

/* Writes the record as it is now. Returns 0, or -1 with @err set. */
int
replWorkSave(ReplWork *work, ReplStaging *staging, GError **err);

/* A planned job may start: its source and its target are what they were when it was planned. Returns 0, or
 * -1 with VIR_ERR_OPERATION_INVALID that names what has changed. */
int
replWorkCheckStart(ReplJob *job, GError **err);

/* Corrects @usage, as counted from the directory, for the jobs that make volumes of the pool: placeholders
 * of layers are no images. With @reserve also what they, all but @except, are still going to add. */
void
replWorkCorrectUsage(const char *poolUuid, const ReplJob *except, gboolean reserve, ReplAmounts *usage);

/* The job that makes @volume, the replica or one of its layers: a reference, or NULL. */
ReplJob *
replWorkFindMaker(const char *poolUuid, const char *volume);

/* What the job adds to the usage of its target. */
ReplAmounts
replWorkAdds(ReplJob *job);

/* Changes the record that the replica will have. */
void
replWorkUpdateImage(ReplJob *job, void (*change)(ReplImage *image, const ReplUpdate *update),
                    const ReplUpdate *update);

/* --- attempt.c --- */

/* Opens, locks and plans for @job. Without one the plan is quick: layers in the target are found by what
 * records say, and their contents are only read before a shortage is reported. NULL with @err set, or with
 * *busy set and no error when another job is copying one of the layers (claims.h). */
ReplAttempt *
replAttemptNew(ReplWork *work, ReplJob *job, gboolean *busy, GError **err);

void
replAttemptFree(ReplAttempt *attempt);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplAttempt, replAttemptFree)

/* What qemu-img may take to look at an image, as configured. */
ReplConvertLimits
replAttemptLimits(void);

/* The steps of the plan as a job shows them. */
GPtrArray *
replAttemptSteps(const ReplAttempt *attempt);

/* Puts the plan into the record, keeping what an earlier attempt got done, and pins all volumes. */
void
replAttemptRecord(ReplWork *work, const ReplAttempt *attempt);

/* Images, snapshots and bytes in the target now; the quota against them. 0, or -1 with @err set. */
int
replAttemptCheckQuota(ReplJob *job, const ReplWork *work, const ReplAttempt *attempt, GError **err);

/* --- transfer.c --- */

/* Writes all layers into partial files. */
int
replTransferRun(ReplJob *job, ReplWork *work, GError **err);

/* Proves that sources did not change and partial files are what was planned. */
int
replTransferVerify(ReplJob *job, ReplWork *work, GError **err);

/* --- publish.c --- */

/* Makes the placeholders of the layers that are to be written, and locks all of them. */
int
replPublishHold(ReplWork *work, ReplAttempt *attempt, GError **err);

/* Puts the layers in place, bases first, the image last. Contains the commit point. */
int
replPublishCommit(ReplJob *job, ReplWork *work, GError **err);

/* Removes partial files and placeholders; with @all also layers already published. */
void
replPublishUndo(ReplWork *work, gboolean all);

/* Removes partial files that keep the target's file system full, so that nothing else suffers from a job that
 * waits for its retry. */
void
replPublishMakeRoom(ReplWork *work);

/* Removes the volume @name if it is an empty placeholder or, with @whatever, in any case. */
void
replPublishRemove(const ReplRegion *target, const char *name, gboolean whatever);
