/*
 * plan.h: what a job will do, before it does: facts in, steps or a typed refusal out
 *
 * Planning is pure: no I/O, no clock, no chance. The same facts give the same plan, so a job that was
 * interrupted plans again from new facts and finds its finished layers among those the target has.
 *
 * Checks come in this order, and the first one that fails makes the refusal: the two ends, the source, what
 * the request asks for, the name, the quota, and last the space.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/jobinfo.h"
#include "plan/facts.h"

/* Why there is no plan; behind each the code of its error. */
typedef enum {
    REPL_REFUSE_NONE,
    REPL_REFUSE_NOT_SHARED, /* of another project (text), without an accepted share: OPERATION_DENIED */
    REPL_REFUSE_STATUS,     /* the source is not available: OPERATION_INVALID */
    REPL_REFUSE_TYPE,       /* iso and full-machine within a region: OPERATION_INVALID */
    REPL_REFUSE_SIZE,       /* virtual size within a region (have, limit): OPERATION_INVALID */
    REPL_REFUSE_FORMAT,     /* a format that no replica has (text): NO_SUPPORT */
    REPL_REFUSE_BUNDLE,     /* a layer (text) in a format that no bundle holds: NO_SUPPORT */
    REPL_REFUSE_RAW_CHAIN,  /* raw asked for, which has no layers or snapshots: INVALID_ARG */
    REPL_REFUSE_SLOT,       /* rekey='slot', but no new key, no old one, or other layers: INVALID_ARG */
    REPL_REFUSE_MEMBER, /* two disks of a full machine are one file, or stand on one another (text): INVALID */
    REPL_REFUSE_NAME_INVALID,    /* no volume can be called that (text): INVALID_ARG */
    REPL_REFUSE_NAME_TAKEN,      /* text: STORAGE_VOL_EXIST */
    REPL_REFUSE_QUOTA_IMAGES,    /* limit, have, need: OPERATION_DENIED */
    REPL_REFUSE_QUOTA_SNAPSHOTS, /* the same */
    REPL_REFUSE_QUOTA_BYTES,     /* the same */
    REPL_REFUSE_SPACE,           /* have, need: OPERATION_FAILED */
    REPL_REFUSE_ABSENT,          /* a layer (text) that its bundle leaves out is not there: NO_STORAGE_VOL */
    REPL_REFUSE_LAST,
} ReplRefusalKind;

typedef struct {
    ReplRefusalKind kind;
    guint64 limit, have, need; /* bytes or counts, as the kind says */
    char *text;                /* owned */
    guint disk;                /* of a full machine that it is about */
} ReplRefusal;

void
replRefusalClear(ReplRefusal *refusal);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplRefusal, replRefusalClear)

/* Turns @refusal into the one message there is for it. */
void
replRefusalSetError(const ReplRefusal *refusal, const ReplPlanFacts *facts, GError **err);

/* How a layer is written in another form. All FALSE: only the format changes. */
typedef struct {
    ReplFormat fromFormat, toFormat;
    gboolean fromEncrypted, toEncrypted;
    ReplRekeyMode rekey; /* when both are: SLOT keeps the ciphertext and the volume key */
    gboolean flatten;    /* the guest's view of this layer and all below becomes one layer */
    gboolean overlay;    /* an empty layer on top of the source itself: an instance of a fast-create image */
    gboolean bundle;     /* all layers as they are, packed into one file (bundle/bundle.h) */
    gboolean contiguous; /* fast-create: uncompressed, in guest order, metadata in front */
    guint snapshotsLost; /* internal snapshots that the new form cannot keep */
    guint bitmapsLost;   /* persistent dirty bitmaps, the same */
} ReplConvert;

/* The making of one layer of the target. */
typedef struct {
    guint layer;      /* index in the facts: 0 is the image itself */
    guint disk;       /* of a full machine, 0: the system disk */
    gboolean isImage; /* it makes the replica, or that of a data disk: not a layer below one */
    ReplStepAction action;
    char *volume;        /* its name in the target */
    ReplFormat format;   /* it gets */
    char *backingVolume; /* volume of the target below it, NULL: none */
    char *backing;       /* how its header names that one, NULL: none */
    ReplFormat backingFormat;
    guint64 bytes;       /* data to move: 0 for reuse and clone */
    guint64 added_bytes; /* allocated bytes that the target's usage grows by */
    ReplConvert convert; /* for REPL_STEP_CONVERT */
} ReplPlanStep;

typedef struct {
    char *volume;            /* the replica's */
    GPtrArray *steps;        /* of ReplPlanStep, bases first; the last one makes the replica */
    ReplAmounts adds;        /* what the target's usage grows by */
    guint freshImages;       /* images of them whose names are not held by placeholders yet */
    guint64 total_bytes;     /* data to move */
    guint64 peakSpace_bytes; /* free space needed at most */
    guint snapshotsLost;     /* internal snapshots that the replica will not have */
} ReplPlan;

/* Returns the plan, or NULL with @refusal set. The disks of a full machine are planned one by one into one plan, the
 * system disk last; a layer that several of them stand on is made once. */
ReplPlan *
replPlanMake(const ReplPlanFacts *facts, ReplRefusal *refusal);

/* Whether the quota of the target holds @adds more, given the usage in @facts. At commit it is asked again
 * with the usage of that moment and what is still to be added to it. Returns 0, or -1 with @refusal set. */
int
replPlanCheckQuota(const ReplPlanFacts *facts, const ReplAmounts *adds, ReplRefusal *refusal);

void
replPlanFree(ReplPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPlan, replPlanFree)

/* The default name of what @request makes of @volume: its own across regions, "copy_<region>_<volume>" within @region; of a
 * bundle "<volume>.bundle", of an inventory "<volume>.inventory". */
char *
replPlanDefaultName(const ReplRequest *request, const char *region, const char *volume, gboolean inRegion);
