/*
 * facts.h: what is known before a job is planned
 *
 * Both ends of a replication tell all of this first, from wherever they are; planning itself does no I/O, and knows no
 * descriptors. Only names are asked for one by one, since a pool has very many of them. Everything is borrowed and must outlive
 * the call that gets it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "model/label.h"
#include "model/request.h"
#include "qcow2/format.h"

/* 128 GiB: the largest virtual size within a region, unless the configuration says otherwise. */
#define REPL_PLAN_IN_REGION_MAX_BYTES (128 * 1024 * G_GUINT64_CONSTANT(1048576))

/* A layer of the source. */
typedef struct {
    const char *volume; /* in its pool */
    const char *pool;   /* the pool of this layer, name: a chain may pass through several of a region */
    const char *poolUuid;
    ReplFileIdentity identity;
    ReplFormat format;
    gboolean encrypted;  /* LUKS: inside qcow2, or the format itself */
    gboolean compressed; /* holds compressed clusters, or might */
    guint snapshotCount; /* internal snapshots */
    guint bitmapCount;   /* persistent dirty bitmaps */
    guint64 size_bytes;  /* of its file */
    guint64 allocated_bytes;
    guint64 virtualSize_bytes;
    gboolean byQemu; /* a change of its encryption is qemu-img's work, which keeps no internal snapshots */
    guint64 written_bytes; /* what a converted layer will allocate, 0: take allocated_bytes for it */
    gboolean absent;       /* a bundle leaves it out: what the target has is all there is of it */
    const char *
        secretUsage; /* of the secret that opens it, where its end tells only that; NULL: not known, or plain */
    gboolean canClone; /* the target's file system can share this file's blocks */
    const char *
        onDemand; /* its source makes it when it is asked for, by this action of ReplConversion: until then its
                           * sizes are guesses; NULL: it is there */
    guint lostSnapshots; /* that it does not have then, and its source did */
    guint lostBitmaps;
    guint disk;              /* of a full machine that it belongs to, 0: the system disk */
    const char *presentAs;   /* volume of the target that is this layer already, NULL: none */
    gboolean presentIsImage; /* nothing in the target needs presentAs as backing so far */
} ReplPlanLayer;

/* One end of the replication. */
typedef struct {
    const char *pool; /* name */
    const char *poolUuid;
    const ReplLabel *label; /* never NULL: both ends are regions */
} ReplPlanEnd;

typedef struct {
    const ReplRequest *request;

    ReplPlanEnd source;
    const char *volume;          /* the source volume */
    const ReplImage *image;      /* its record */
    const ReplPlanLayer *layers; /* top first; those of disk 0, 1, ... */
    guint layerCount;            /* at least 1 for each disk */
    const ReplImage *const
        *members; /* records of the images of disks 1, 2, ...: the full machine's data disks */
    guint memberCount;

    ReplPlanEnd target;
    /* Whether something in the target that is not this job's has the name @volume. NULL: nothing has any. */
    gboolean (*taken)(gpointer names, const char *volume);
    gpointer names;        /* for taken */
    ReplAmounts usage;     /* of the target now, and what other jobs will add to it */
    guint64 free_bytes;    /* on the target's file system */
    guint64 fetched_bytes; /* of a source elsewhere: what is brought there in whole before it is converted */
    guint64 partial_bytes; /* allocated by unfinished files of this very job (one that plans again) */
    gboolean begun;        /* this very job has copied its first byte: a share that ends does not end it */
    /* The replica of this very job is held by its placeholder already (a job that plans again): its name
     * is not refused, and it is counted in the usage. */
    const char *placeholder; /* name, NULL: none */

    guint64 inRegionMax_bytes; /* virtual size, 0: no limit; configured */
} ReplPlanFacts;
