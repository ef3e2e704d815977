/*
 * stocktargetpriv.h: what the files of the target on a stock peer share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "endpoint/stock_mark.h"
#include "endpoint/stock_target.h"
#include "endpoint/stock_writer.h"
#include "peer/pools.h"
#include "store/staging.h"

typedef struct {
    ReplTarget base;
    ReplJournal *journal;
    ReplHolding *holding;

    ReplLock lock;  /* guards these three */
    ReplLine *line; /* from the first call on */
    gboolean cancelled;
    ReplTraffic *traffic; /* NULL: nobody is told */

    /* From the first call on that needs them. */
    ReplPeerPoolEntry *entry;
    ReplStaging *home;
    ReplLabel label;
    char **taken; /* names of volumes there that are not the job's; NULL: not looked at yet */

    /* From begin on; borrowed. */
    const ReplPlan *plan;
    const ReplSourceFacts *source;

    ReplStockBacking backing; /* of the layer that is open */
} ReplStockTarget;

static inline const ReplPlanStep *
replStockStep(const ReplStockTarget *target, guint index)
{
    return g_ptr_array_index(target->plan->steps, index);
}

/* stock_own.c. Opens the line and the job's home. Returns 0, or -1 with @err set. */
int
replStockTargetOpen(ReplStockTarget *target, GError **err);

/* What the journal knows of layer @index, the caller's. */
ReplStockHeld *
replStockTargetHeld(ReplStockTarget *target, guint index);

/* Tells others which names the job holds now. Called with the journal's lock held. */
void
replStockTargetShowNames(ReplStockTarget *target);

/* stock_see.c: what there is, one after the other of the journal's layers. */
typedef struct {
    GArray *states;     /* of int, ReplStockState; NONE where no volume was ever made */
    guint64 mine_bytes; /* allocated by volumes of the job */
    char **names;       /* of all volumes there */
    guint64 available_bytes;
} ReplStockSight;

void
replStockSightFree(ReplStockSight *sight);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplStockSight, replStockSightFree)

/* NULL with @err set. */
ReplStockSight *
replStockTargetSee(ReplStockTarget *target, GError **err);

/* stock_deeds.c: one of the things that are done to a volume of the job (stock_mark.h), on the line. Each returns 0, or -1 with @err set. */
int
replStockTargetTake(ReplStockTarget *target, const ReplStockHeld *held, gboolean fresh, const char *more,
                    GError **err);
int
replStockTargetGiveBack(ReplStockTarget *target, const ReplStockHeld *held, GError **err);
int
replStockTargetPlace(ReplStockTarget *target, const ReplStockHeld *held, const ReplStockWritten *written,
                     GError **err);

/* The peer's libvirt has seen that @volume is an image of that format; waits for that for a moment, and has the pool there refreshed. */
void
replStockTargetSettle(ReplStockTarget *target, const char *volume, const char *format);

/* stock_kept.c: what this host keeps of a written layer. */
int
replStockKeep(ReplStockTarget *target, guint number, const ReplStockWritten *written, GError **err);
int
replStockKept(ReplStockTarget *target, guint number, ReplStockWritten *written, GError **err);

/* stock_names.c */
int
replStockTargetFacts(ReplTarget *base, ReplTargetFacts *facts, GError **err);
gboolean
replStockTargetTaken(ReplTarget *base, const char *volume);
int
replStockTargetAccept(ReplTarget *base, virStoragePoolPtr pool, const char *volume, const char *xml,
                      const ReplImage *image, GError **err);
int
replStockTargetBegin(ReplTarget *base, const ReplPlan *plan, const ReplSourceFacts *facts,
                     const ReplPresent *present, GError **err);

/* stock_layers.c */
int
replStockTargetOpenLayer(ReplTarget *base, guint index, ReplSource *source, ReplWriter **writer,
                         ReplLayerProgress *progress, GError **err);
gboolean
replStockTargetAgain(ReplTarget *base, const GError *why, GError **err);
int
replStockTargetFinishLayer(ReplTarget *base, guint index, ReplWriter *writer, GError **err);
int
replStockTargetVerify(ReplTarget *base, guint index, GError **err);
int
replStockTargetPublish(ReplTarget *base, ReplImage *const *records, GError **err);

/* stock_undo.c */
int
replStockTargetLook(ReplTarget *base, GError **err);
int
replStockTargetUndo(ReplTarget *base, ReplUndo what, GError **err);
