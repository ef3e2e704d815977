/*
 * life.c: a replication as a job: the operations of its life
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/life.h"

#include <glib-object.h>

#include "base/lock.h"
#include "job/pins.h"
#include "replicate/ending.h"
#include "replicate/keys.h"
#include "replicate/plannote.h"
#include "replicate/prepare.h"
#include "replicate/publish.h"
#include "replicate/transfer.h"
#include "service/claims.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/record.h"
#include "virt/events.h"
#include "virt/report.h"

/* Compares the plan that was shown with the one that would be made now. */
static int
replReplicationComparePlan(ReplReplication *replication, const ReplPrepared *now, GError **err)
{
    g_autoptr(ReplJobRecord) record = replReplicationCopyRecord(replication);
    const GPtrArray *layers = record->layers;
    guint i;

    for (i = 0; i < MAX(layers->len, now->plan->steps->len); i++) {
        const ReplJobLayer *was = i < layers->len ? g_ptr_array_index(layers, i) : NULL;
        const ReplPlanStep *step = i < now->plan->steps->len ? g_ptr_array_index(now->plan->steps, i) : NULL;
        const ReplLayer *source = step ? replChainLayer(now->chain, step->layer) : NULL;

        if (!was || !step || !g_str_equal(was->sourceVolume, source->volume) ||
            !replFileIdentityEqual(&was->source, &source->identity)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("The source of planned job '%s' has changed: layer '%s' is not what it was"),
                         replication->id, was ? was->sourceVolume : source->volume);
            return -1;
        }
        if (was->action != step->action || !g_str_equal(was->volume, step->volume)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("The target of planned job '%s' has changed: layer '%s' was to be made as '%s' "
                           "by %s, and now as '%s' by %s"),
                         replication->id, was->sourceVolume, was->volume, replStepActionToString(was->action),
                         step->volume, replStepActionToString(step->action));
            return -1;
        }
    }
    return 0;
}

int
replReplicationCheckStart(ReplJob *job, GError **err)
{
    ReplReplication *replication = replJobOpaque(job);
    g_autoptr(ReplPrepared) now = NULL;

    if (replJobState(job) != REPL_JOB_PLANNED)
        return 0;
    if (!(now = replPrepare(replication, NULL, NULL, err)))
        return -1;
    if (replReplicationComparePlan(replication, now, err) < 0)
        return -1;
    replKeysKeep(replication, now);
    return 0;
}

/* The thread acts as the requester, or as the daemon where nobody is there to ask. */
static void
replReplicationBecome(ReplReplication *replication)
{
    g_autoptr(GObject) system = NULL;

    replication->before = replVirt.IdentityGetCurrent();
    replication->became = TRUE;
    if (replication->identity)
        replVirt.IdentitySetCurrent(replication->identity);
    else if ((system = (GObject *)replVirt.IdentityGetSystem()))
        replVirt.IdentitySetCurrent((ReplVirtIdentity *)system);
}

/* Plans; while others copy layers of the same chain, waits without a slot and with nothing open. */
static ReplPrepared *
replReplicationPrepareInTurn(ReplJob *job, ReplReplication *replication, GError **err)
{
    for (;;) {
        gboolean busy = FALSE;
        ReplPrepared *prepared = replPrepare(replication, job, &busy, err);

        if (!busy)
            return prepared;
        if (replJobRequeue(job, err) < 0)
            return NULL;
    }
}

static int
replReplicationPrepare(ReplJob *job, void *opaque, GError **err)
{
    ReplReplication *replication = opaque;
    g_autoptr(ReplPrepared) prepared = NULL;
    g_autoptr(GPtrArray) steps = NULL;

    replReplicationBecome(replication);
    if (!(prepared = replReplicationPrepareInTurn(job, replication, err)))
        return -1;
    if (replPinsClaim(replServicePins(), replication->id, replication->sourceUuidstr,
                      replication->record->sourceVolume, replication->record->targetRegion, err) < 0)
        return -1;
    /* A retry has let go of it. */
    if (replReplicationLease(replication, prepared->staging, TRUE, err) < 0)
        return -1;
    replication->prepared = g_steal_pointer(&prepared);
    replPlanNote(replication, replication->prepared);
    steps = replPreparedSteps(replication->prepared);
    replJobSetSteps(job, steps, replication->prepared->plan->peakSpace_bytes);
    return replPublishHold(replication, replication->prepared, err);
}

static int
replReplicationRun(ReplJob *job, void *opaque, GError **err)
{
    return replTransferRun(job, opaque, err);
}

static int
replReplicationVerify(ReplJob *job, void *opaque, GError **err)
{
    return replTransferVerify(job, opaque, err);
}

static int
replReplicationPublish(ReplJob *job, void *opaque, GError **err)
{
    return replPublishCommit(job, opaque, err);
}

/* A request that somebody waits for leaves nothing behind when it fails: the error says it all. One
 * that nobody waits for stays listed, to be retried or deleted; what is written already stays for
 * that. */
static int
replReplicationAbort(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials, GError **err)
{
    ReplReplication *replication = opaque;
    gboolean interrupted = keepPartials && replJobIsInterrupted(job);

    (void)why;
    (void)err;
    if (interrupted)
        return 0;
    if (keepPartials && (replication->resumed || replication->record->request->async))
        replPublishMakeRoom(replication);
    else
        replPublishUndo(replication, TRUE);
    return 0;
}

static void
replReplicationClean(ReplJob *job, void *opaque)
{
    ReplReplication *replication = opaque;
    ReplPrepared *prepared = g_steal_pointer(&replication->prepared);

    replClaimsDrop(job);
    replKeysForget(replication);
    replPinsDropJob(replServicePins(), replication->id);
    if (replication->became) {
        replVirt.IdentitySetCurrent(replication->before);
        if (replication->before)
            g_object_unref(replication->before);
        replication->became = FALSE;
        replication->before = NULL;
    }
    replPreparedFree(prepared);
}

/* The replica's own record shows how its job ended, for good. */
static void
replReplicationRecordImage(ReplReplication *replication, ReplStaging *staging, const ReplJobInfo *info)
{
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (!(image = replRecordLoad(staging, replication->replica, NULL)))
        return;
    replJobInfoFree(image->job);
    image->job = replJobInfoCopy(info);
    if (info->state == REPL_JOB_FAILED)
        image->status = REPL_IMAGE_ERROR;
    if (replRecordSave(staging, replication->replica, image, &err) < 0)
        replWarn("The record of '%s' cannot be written: %s", replication->replica, err->message);
}

static void
replReplicationRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplReplication *replication = opaque;
    g_autoptr(ReplRegion) target = replRegionOfUuid(replication->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GError) err = NULL;
    ReplPhase phase;
    gboolean listed;
    gboolean same;

    replLockTake(&replication->lock);
    replJobInfoFree(replication->record->info);
    replication->record->info = replJobInfoCopy(info);
    listed = replication->listed;
    phase = replPhaseOfRecord(replication->record);
    same = phase != REPL_PHASE_ENDED && phase == (ReplPhase)replication->persisted;
    replLockDrop(&replication->lock);

    /* A pause may last for days. */
    if (phase == REPL_PHASE_PAUSED || phase == REPL_PHASE_ENDED)
        replKeysForget(replication);
    /* Waiting, copying and verifying are the same to a restart: no disk is asked to tell them
     * apart. */
    if (same)
        return;
    if (target && (staging = replRegionStaging(target, FALSE, NULL)) &&
        replReplicationSave(replication, staging, &err) < 0)
        replWarn("The record of job %s cannot be written: %s", replication->id, err->message);
    if (phase == REPL_PHASE_PLANNED || phase == REPL_PHASE_ENDED)
        replReplicationLease(replication, NULL, FALSE, NULL);
    if (phase != REPL_PHASE_ENDED)
        return;
    if (staging && (listed || info->state == REPL_JOB_COMPLETED))
        replReplicationRecordImage(replication, staging, info);
    if (info->state != REPL_JOB_FAILED || !listed)
        replMakersRemove(replication->targetUuidstr, replication->replica, job);
    if (info->state == REPL_JOB_COMPLETED)
        replServiceLearnRate(info);
}

static void
replReplicationEnded(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplReplication *replication = opaque;
    g_autoptr(ReplRegion) target = replRegionOfUuid(replication->targetUuid);

    (void)job;
    (void)info;
    replEndingTell(replication, info);
    if (target)
        replEventsRefresh(target->name, target->uuid);
}

static char *
replReplicationDescribe(ReplJob *job, void *opaque)
{
    ReplReplication *replication = opaque;

    (void)job;
    return g_strdup_printf("image '%s' of pool '%s' to volume '%s' in region '%s'",
                           replication->record->sourceVolume, replication->record->sourcePool,
                           replication->replica, replication->record->targetRegion);
}

static void
replReplicationRelease(void *opaque)
{
    replReplicationFree(opaque);
}

static const ReplJobOps replReplicationOps = {
    .prepare = replReplicationPrepare,
    .run = replReplicationRun,
    .verify = replReplicationVerify,
    .publish = replReplicationPublish,
    .abort = replReplicationAbort,
    .clean = replReplicationClean,
    .record = replReplicationRecord,
    .ended = replReplicationEnded,
    .describe = replReplicationDescribe,
    .release = replReplicationRelease,
};

ReplJob *
replReplicationToJob(ReplReplication *replication)
{
    g_autofree char *waitKey = replClaimsWaitKey(replication->id);
    ReplJob *job = replJobNew(replication->id, replication->record->targetRegion, &replReplicationOps,
                              replication, replication->record->request->bandwidth_bytesPerSec);

    replJobAddKey(job, replication->targetUuidstr);
    replJobAddKey(job, replication->sourceUuidstr);
    replJobAddKey(job, waitKey);
    replMakersAdd(replication->targetUuidstr, replication->replica, job, replication->holding);
    return job;
}
