/*
 * localpriv.h: what the files of the local target share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/basis.h"
#include "endpoint/local_target.h"
#include "probe/present.h"
#include "virt/access.h"

typedef struct {
    ReplTarget base;
    ReplJournal *journal;
    ReplHolding *holding;

    /* From the first call on that needs them. */
    ReplRegion *region;
    ReplPoolSet *set;
    const ReplPoolDir *dir; /* of the set */
    ReplStaging *staging;

    /* From begin on; borrowed. */
    const ReplPlan *plan;
    const ReplSourceFacts *source;
    const ReplPresent *present;
    GArray *held; /* int: descriptors of locked placeholders */

    /* The layer that is open. */
    guint open; /* step */
    int fd;     /* its partial file, -1: none */

    ReplBasis *basis;  /* blocks that are here; NULL: not yet looked at, or there are none */
    gboolean hasBasis; /* it was looked at */
} ReplLocalTarget;

/* local_own.c. Opens the pool. Returns 0, or -1 with @err set. */
int
replLocalTargetOpen(ReplLocalTarget *target, GError **err);

static inline const ReplPlanStep *
replLocalStep(const ReplLocalTarget *target, guint index)
{
    return g_ptr_array_index(target->plan->steps, index);
}

/* The journal's layer of step @index. Called with the journal's lock held. */
static inline ReplJobLayer *
replLocalLayer(const ReplLocalTarget *target, guint index)
{
    return g_ptr_array_index(target->journal->record->layers, index);
}

/* Tells others which names the job holds now. Called with the journal's lock held. */
void
replLocalShowNames(ReplLocalTarget *target);

/* Whether the layer's name is still held by the empty file that this job has made for it. */
gboolean
replLocalIsPlaceholder(const ReplLocalTarget *target, const ReplJobLayer *layer);

/* Whether the file that the journal calls finished is in place under the layer's name. */
gboolean
replLocalIsInPlace(const ReplLocalTarget *target, const ReplJobLayer *layer);

/* local_facts.c */
int
replLocalFacts(ReplTarget *base, ReplTargetFacts *facts, GError **err);
gboolean
replLocalTaken(ReplTarget *base, const char *volume);
int
replLocalPresent(ReplTarget *base, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                 gboolean *closely, GError **err);

/* local_content.c. As replLocalFindPresent() of local_facts.c, for a source that tells digests of contents. @closely: contents are
 * looked at. Returns 0, or -1 with @err set. */
int
replLocalFindContent(ReplLocalTarget *target, ReplSource *source, const ReplPresentAsk *ask, gboolean closely,
                     ReplPresent *present, GError **err);

/* local_facts.c */
gboolean
replLocalCanClone(ReplTarget *base, ReplSource *source);

/* Whether a plan may reuse @volume: no job makes it, and the requester may read it. *conn is opened when
 * access control has to be asked. */
gboolean
replLocalMayUse(const ReplLocalTarget *target, const GPtrArray *own, const char *volume, ReplConn **conn);

/* Copies of the journal's layers that are the job's in the pool: held names and files in place. */
GPtrArray *
replLocalOwn(ReplLocalTarget *target);

gboolean
replLocalStops(void *opaque);

/* local_basis.c. Has @writer (taken over, of the open layer) take blocks that the pool has already, where @source is on another host and
 * tells digests. Returns the writer to use. */
ReplWriter *
replLocalOnBasis(ReplLocalTarget *target, ReplSource *source, guint layer, ReplWriter *writer,
                 gboolean dirty);

/* local_names.c */
int
replLocalAccept(ReplTarget *base, virStoragePoolPtr pool, const char *volume, const char *xml,
                const ReplImage *image, GError **err);
int
replLocalBegin(ReplTarget *base, const ReplPlan *plan, const ReplSourceFacts *facts,
               const ReplPresent *present, GError **err);

/* local_write.c */
int
replLocalOpenLayer(ReplTarget *base, guint index, ReplSource *source, ReplWriter **writer,
                   ReplLayerProgress *progress, GError **err);
int
replLocalNote(ReplTarget *base, guint64 offset_bytes, GError **err);
int
replLocalFinishLayer(ReplTarget *base, guint index, ReplWriter *writer, GError **err);
int
replLocalVerify(ReplTarget *base, guint index, GError **err);
guint64
replLocalWritten(ReplTarget *base);

/* local_publish.c */
int
replLocalPublish(ReplTarget *base, ReplImage *const *records, GError **err);

/* local_undo.c */
int
replLocalLook(ReplTarget *base, GError **err);
int
replLocalUndo(ReplTarget *base, ReplUndo what, GError **err);
