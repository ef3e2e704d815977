/*
 * checkpriv.h: the inside of a check, for check.c, checklayer.c and heal.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "copy/scrub.h"
#include "endpoint/source.h"
#include "model/verified.h"
#include "probe/chain.h"
#include "replicate/check.h"
#include "replicate/replication.h"
#include "store/jobrecord.h"

typedef struct {
    /* Fixed after creation. */
    unsigned char poolUuid[VIR_UUID_BUFLEN];
    char poolUuidstr[VIR_UUID_STRING_BUFLEN];
    char *volume;
    gboolean heal;
    GHashTable *donors;    /* that the requester may read (donors.h); NULL: any, after a restart */
    ReplJobRecord *record; /* as it was made; for a restart */

    gint leased;    /* atomic: this host holds the pool's lease for the job */
    gint persisted; /* atomic: the ReplPhase of the record on disk */

    ReplLock lock;     /* guards these, for stop */
    ReplSource *asked; /* that the attempt may wait for; NULL: none */
    gboolean stopping; /* the attempt is to wait for none any more */

    /* The attempt's thread alone. */
    ReplPoolSet *set;
    ReplChain *chain;       /* opened and locked; NULL: let go of */
    gboolean needed;        /* the image itself is the backing file of others */
    gboolean changed;       /* the image was written to since its digests were made */
    ReplVerified *verified; /* what was found so far */
    GPtrArray *broken;      /* of ReplBrokenLayer */
} ReplCheck;

/* A layer with damage. */
typedef struct {
    ReplPoolDir *pool; /* a reference */
    char *volume;
    ReplScrub scrub;
} ReplBrokenLayer;

void
replBrokenLayerFree(ReplBrokenLayer *layer);

/* The attempt may wait for @source from here on; NULL: for none any more. */
void
replCheckAsks(ReplCheck *check, ReplSource *source);

/* Ends what the attempt waits for, now and as long as it goes on; FALSE: it is over, and the next one may wait again. By any
 * thread. */
void
replCheckStopWaits(ReplCheck *check, gboolean stop);

/* The staging folder of a pool of the region; NULL with @err set. */
ReplStaging *
replCheckStaging(const ReplPoolDir *pool, GError **err);

/* Holds layer @index of the chain against its digests, makes them where there are none (verify), and adds to what was found. */
int
replCheckLayer(ReplJob *job, ReplCheck *check, guint index, GError **err);

/* Mends the layers in check->broken; the chain has to be let go of before. Returns 0 when all of them are
 * good again, or -1 with @err set. Either way what was mended is taken off what was found. */
int
replHealRun(ReplJob *job, ReplCheck *check, GError **err);
