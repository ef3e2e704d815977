/*
 * jobrecord.h: the records of jobs, in the staging folder of their target
 *
 * A record is enough to plan and go on with a job after a restart. Ended ones are kept for the
 * look-up of tokens, the newest 1000.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "model/jobinfo.h"
#include "model/request.h"
#include "store/staging.h"

/* A chain has at most 200 layers; those of all disks of a full machine are at most so many. */
#define REPL_JOB_LAYERS_MAX 500

/* Ended jobs that are kept, for the look-up of their tokens. */
#define REPL_JOB_ENDED_KEPT 1000

/* Those of them without a token: they are never looked up, and the replica's record says how they ended. */
#define REPL_JOB_PLAIN_KEPT 50

typedef struct {
    char *sourceVolume;
    char *sourcePoolUuid; /* the chain may lead through several pools of the source's region */
    char *volume;         /* in this pool */
    ReplStepAction action;
    gboolean placeholder;    /* an empty file of ours holds the name */
    gboolean published;      /* renamed into place */
    gboolean done;           /* written and synced */
    ReplFileIdentity source; /* the source's file when it was planned */
    guint partial;           /* number of its partial file */
    guint64 making;          /* of a source that makes the layer on demand: which making it is; 0: none yet */
    guint64 ino;             /* inode of the partial file, before and after it is in place; 0: none yet */
    gint64 born_ns;          /* when that file was made (base/fd.h), 0: not known */
    guint64 holder;          /* inode of the empty file that holds the name; 0: not known */
    gint64 holderBorn_ns;    /* when that file was made, 0: not known */
    guint64 checkpoint_bytes; /* everything below is on disk */
} ReplJobLayer;

/* A data disk of a full machine. */
typedef struct {
    char *sourceVolume;
    char *sourceId;
    char *volume;           /* its replica's name */
    char *imageId;          /* of its replica */
    guint64 capacity_bytes; /* as those of the record */
    char *format;
} ReplJobMember;

typedef struct {
    char *id;         /* UUID */
    char *token;      /* NULL: none */
    char *requester;  /* user name, NULL: not known */
    char *sourcePool; /* name */
    char *sourcePoolUuid;
    char *sourceRegion;
    char *sourceVolume;
    char *sourceId; /* of the source image */
    char *targetRegion;
    gboolean sourceIsHere;  /* the source is a volume of a region pool of this host, and no bundle */
    char *targetPool;       /* name, of a pool on another host; NULL else */
    char *requestXml;       /* the same: the request as it came, for that host */
    char *targetPoolUuid;   /* NULL: the pool in whose staging folder the record lies */
    char *volume;           /* the replica's name in this pool */
    char *imageId;          /* of the replica */
    guint64 capacity_bytes; /* virtual size that it will have; 0: not known */
    char *format;           /* that it will have, as libvirt calls it; NULL: not known */
    ReplRequest *request;   /* NULL: none kept */
    ReplVerb
        check; /* verify or heal: the job makes nothing, @volume is what it looks at; NONE: a replication */
    ReplJobInfo *info;         /* never NULL; its id is that of the record */
    GPtrArray *layers;         /* of ReplJobLayer, bases first */
    GPtrArray *members;        /* of ReplJobMember, never NULL: the disks of a full machine but the first */
    gint64 created_s;          /* UNIX time */
    gboolean holdsPlaceholder; /* some name in the pool is held by an empty file of this job */
    gboolean refused;          /* the client was told so: the job is undone, and never goes on */
    guint64 sequence;          /* order of the queue over restarts */
} ReplJobRecord;

/* With an info in state planned and no layers. */
ReplJobRecord *
replJobRecordNew(const char *id);

ReplJobRecord *
replJobRecordCopy(const ReplJobRecord *record);

void
replJobRecordFree(ReplJobRecord *record);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplJobRecord, replJobRecordFree)

ReplJobLayer *
replJobLayerNew(const char *sourceVolume, const char *sourcePoolUuid, const char *volume,
                ReplStepAction action);

void
replJobLayerFree(ReplJobLayer *layer);

/* Whether the layer's file in the folder @dirFd, which has the inode @ino, is the empty file that holds the name for the
 * job. TRUE also when the record does not note which file that is. */
gboolean
replJobLayerIsHeldBy(const ReplJobLayer *layer, int dirFd, guint64 ino);

/* Whether it is the file that the job has written. */
gboolean
replJobLayerIsPlacedAs(const ReplJobLayer *layer, int dirFd, guint64 ino);

ReplJobMember *
replJobMemberNew(const char *sourceVolume, const char *sourceId, const char *volume, const char *imageId);

/* Copies the array of ReplJobMember. */
GPtrArray *
replJobMembersCopy(const GPtrArray *members);

GPtrArray *
replJobMembersNew(void);

/* Whether @volume is an image that the job makes: the replica, or that of a member. */
gboolean
replJobRecordMakesImage(const ReplJobRecord *record, const char *volume);

/* Whether @volume is an image that the job reads: the source, or that of a member. */
gboolean
replJobRecordReadsImage(const ReplJobRecord *record, const char *volume);

/* Writes the record durably, and when it is one of an ended job, prunes. VIR_ERR_INVALID_ARG, and
 * the old record stays, when it could not be loaded again: see the rules at replRecordSave; @volume
 * and those of the layers are needed. Returns 0 or -1. */
int
replJobRecordSave(ReplStaging *staging, const ReplJobRecord *record, GError **err);

/* As replRecordLoad; @id that is not a UUID has no record. */
ReplJobRecord *
replJobRecordLoad(ReplStaging *staging, const char *id, GError **err);

/* All readable records (of ReplJobRecord, the caller's), oldest created first, equal ones by
 * sequence.
 * @unread (may be NULL) is the number of those that are there but cannot be read now. */
GPtrArray *
replJobRecordList(ReplStaging *staging, guint *unread, GError **err);

int
replJobRecordDrop(ReplStaging *staging, const char *id, GError **err);

/* The job of @token, the newest if there are several; NULL without @err when there is none. */
ReplJobRecord *
replJobRecordFindToken(ReplStaging *staging, const char *token, GError **err);

/* Drops the records of ended jobs beyond the newest @keep, and of those without a token beyond the newest
 * REPL_JOB_PLAIN_KEPT, but none that still holds a placeholder.
 */
int
replJobRecordPrune(ReplStaging *staging, guint keep, GError **err);

/* Returns 0, or -1 with VIR_ERR_OPERATION_INVALID that names a job that has not ended or says that
 * there are records that cannot be read. */
int
replJobRecordsRefuseUnfinished(ReplStaging *staging, GError **err);
