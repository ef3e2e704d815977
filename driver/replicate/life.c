/*
 * life.c: a replication as a job: the operations of its life
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/life.h"

#include <glib-object.h>

#include "base/lock.h"
#include "region/home.h"
#include "region/lease.h"
#include "replicate/ending.h"
#include "replicate/keys.h"
#include "replicate/pinning.h"
#include "replicate/prepare.h"
#include "replicate/publish.h"
#include "replicate/transfer.h"
#include "replicate/undo.h"
#include "service/claims.h"
#include "service/ended.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "service/service.h"
#include "virt/events.h"
#include "virt/report.h"

/* --- a planned job starts --- */

/* Compares the plan that was shown with the one that would be made now. */
static int
replReplicationComparePlan(ReplReplication *replication, const ReplPrepared *now, GError **err)
{
    g_autoptr(ReplJobRecord) record = replJournalCopy(replication->journal);
    const GPtrArray *layers = record->layers;
    guint i;

    for (i = 0; i < MAX(layers->len, now->plan->steps->len); i++) {
        const ReplJobLayer *was = i < layers->len ? g_ptr_array_index(layers, i) : NULL;
        const ReplPlanStep *step = i < now->plan->steps->len ? replPreparedStep(now, i) : NULL;
        const ReplPlanLayer *source = step ? replPreparedLayer(now, step) : NULL;

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
    now = replPrepareNew(replication);
    if (replPrepareFirst(replication, now, err) < 0 ||
        replReplicationComparePlan(replication, now, err) < 0 ||
        replKeysLoad(replication, now, REPL_KEYS_TRY, err) < 0)
        return -1;
    replPreparedHandOver(replication, g_steal_pointer(&now));
    return 0;
}

void
replReplicationSettle(ReplJob *job)
{
    ReplReplication *replication = replJobOpaque(job);
    g_autoptr(ReplPrepared) ready = NULL;

    /* An attempt that is under way takes what is ready in prepare, or drops it in clean if it is cancelled
     * before. */
    if (replJobIsToGoOn(job) || !(ready = replPreparedTake(replication)))
        return;
    /* A planned job may sit for days: keep no keys in memory for it. */
    if (replJobState(job) == REPL_JOB_QUEUED)
        replKeysKeep(replication, ready);
}

/* --- prepare --- */

/* The thread acts as the requester, or as the daemon when the requester is not known any more. */
static void
replReplicationBecome(ReplReplication *replication)
{
    replication->before = replVirt.IdentityGetCurrent();
    replication->became = TRUE;
    replIdentityAct(replication->identity);
}

/* Claims what the plan makes. FALSE: other jobs make some of it now. */
static gboolean
replReplicationClaim(ReplJob *job, const ReplReplication *replication, const ReplPrepared *prepared,
                     guint64 *era)
{
    g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(g_free);
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        const ReplPlanLayer *layer = replPreparedLayer(prepared, step);

        if (step->action != REPL_STEP_REUSE)
            g_ptr_array_add(layers, replClaimsLayer(layer->poolUuid, layer->volume));
    }
    return replClaimsTake(job, replication->journal->targetUuidstr, layers, era);
}

static int
replReplicationProceed(void *opaque, guint64 bytes, GError **err)
{
    (void)bytes;
    return replJobCheck(opaque, err);
}

/* Opens and plans, or takes what was handed over when the job was started, and claims what is to be made. Returns 0, or
 * -1 with @err set, or with *busy set when the layers are being made by another job. */
static int
replReplicationTry(ReplJob *job, ReplReplication *replication, gboolean *busy, GError **err)
{
    const ReplPresentLook look = {TRUE, replReplicationProceed, job};
    ReplPrepared *prepared = replPreparedTake(replication);
    guint64 era;

    if (!prepared) {
        prepared = replPrepareNew(replication);
        replSourceBePatient(prepared->source);
    }
    replPreparedUse(replication, prepared);
    replSourceWatch(prepared->source, replJobTraffic(job));
    replTargetWatch(prepared->target, replJobTraffic(job));
    if (replPrepareOpen(replication, prepared, err) < 0 ||
        (!prepared->plan && replPreparePlan(replication, prepared, &look, err) < 0))
        return -1;
    *busy = !replReplicationClaim(job, replication, prepared, &era);
    /* Plan again if other jobs have taken or dropped claims in the target since this plan was made, or if
     * comparing contents can find more layers there. */
    if (!*busy && (era != prepared->era || prepared->closely)) {
        if (replPreparePlan(replication, prepared, &look, err) < 0)
            return -1;
        *busy = !replReplicationClaim(job, replication, prepared, &era);
    }
    if (!*busy)
        return 0;
    replKeysKeep(replication, prepared);
    replPreparedUse(replication, NULL);
    return -1;
}

/* Prepares. While other jobs make layers of the same chain, waits without a turn in the queue and with
 * nothing open, and then tries again. */
static int
replReplicationTryInTurn(ReplJob *job, ReplReplication *replication, GError **err)
{
    for (;;) {
        gboolean busy = FALSE;
        int rc = replReplicationTry(job, replication, &busy, err);

        if (!busy)
            return rc;
        if (replJobRequeue(job, err) < 0)
            return -1;
    }
}

static void
replReplicationTellPool(const ReplReplication *replication)
{
    const ReplJournal *journal = replication->journal;
    g_autoptr(ReplRegion) target = replRegionOfUuid(journal->targetUuid);

    if (target)
        replEventsRefresh(target->name, target->uuid);
    else if (journal->record->targetPool)
        replEventsRefresh(journal->record->targetPool, journal->targetUuid);
}

static int
replReplicationPrepare(ReplJob *job, void *opaque, GError **err)
{
    ReplReplication *replication = opaque;
    g_autoptr(GPtrArray) steps = NULL;
    ReplPrepared *prepared;

    replReplicationBecome(replication);
    if (replReplicationTryInTurn(job, replication, err) < 0)
        return -1;
    prepared = replication->prepared;
    if (replKeysLoad(replication, prepared, REPL_KEYS_KEPT, err) < 0 ||
        replPinningTakeRoute(replication, err) < 0)
        return -1;
    /* The job let go of the lease when its last attempt failed: a retry takes it again. */
    if (replReplicationLease(replication, TRUE, err) < 0)
        return -1;
    replPinningPlan(replication, prepared);
    replPreparedShow(replication, prepared);
    steps = replPreparedSteps(prepared);
    replJobSetSteps(job, steps, prepared->plan->peakSpace_bytes);
    replJobSetWithout(job, replPreparedWithout(prepared));
    if (replTargetBegin(prepared->target, prepared->plan, prepared->facts, prepared->present, err) < 0)
        return -1;
    /* Layers on their way are listed now. */
    replReplicationTellPool(replication);
    return 0;
}

/* --- the rest of an attempt --- */

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
    (void)job;
    return replPublishCommit(opaque, err);
}

/* A request that a client waits for leaves nothing behind when it fails: the error says it all. Any other (a planned one, too) stays
 * listed, to be retried or deleted; what is written already stays for that. */
static int
replReplicationAbort(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials, GError **err)
{
    ReplReplication *replication = opaque;
    gboolean interrupted = keepPartials && replJobIsInterrupted(job);
    const ReplRequest *request = replication->journal->record->request;
    gboolean stays = replication->resumed || request->async || !request->start;

    (void)why;
    /* Free the attempt's endpoints: they may have been cancelled, and cannot be used any more. */
    replPreparedUse(replication, NULL);
    if (interrupted)
        return 0;
    return replUndo(replication, keepPartials && stays ? REPL_UNDO_PARTIALS : REPL_UNDO_ALL, err);
}

static void
replReplicationClean(ReplJob *job, void *opaque)
{
    ReplReplication *replication = opaque;

    replPreparedFree(replPreparedTake(replication));
    replPreparedUse(replication, NULL);
    replPreparedRest(replication);
    replClaimsDrop(job, replication->journal->targetUuidstr);
    replKeysForget(replication);
    replPinsDropJob(replServicePins(), replication->id);
    if (replication->became) {
        replVirt.IdentitySetCurrent(replication->before);
        if (replication->before)
            g_object_unref(replication->before);
        replication->became = FALSE;
        replication->before = NULL;
    }
}

/* --- the record --- */

void
replReplicationForget(ReplReplication *replication, ReplJob *job)
{
    const GPtrArray *members = replication->journal->record->members;
    guint i;

    for (i = 0; i < members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(members, i);

        replMakersRemove(replication->journal->targetUuidstr, member->volume, job);
    }
    replMakersRemove(replication->journal->targetUuidstr, replication->replica, job);
}

/* Puts the end on record; what cannot be written now is written later (service/overdue.h). @stays: the job has failed and may be
 * retried; if its record says an earlier state, a restart does just that. */
static void
replReplicationSaveEnd(const ReplReplication *replication, const ReplJobInfo *info, gboolean stays)
{
    const ReplJournal *journal = replication->journal;
    g_autoptr(ReplRegion) target = replRegionOfUuid(journal->targetUuid);
    g_autoptr(ReplJobRecord) record = replJournalCopy(replication->journal);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplStaging) home = replHomeOfUuid(journal->targetUuid, FALSE, &err);
    g_autoptr(ReplStaging) images = NULL;

    if (target && target->dir && (stays || info->state == REPL_JOB_COMPLETED))
        images = replRegionStaging(target, FALSE, NULL);
    if (home ? replEndedSave(home, images, record, &err) == 0 : !err)
        return;
    replWarn("The record of job %s cannot be written: %s", replication->id, err->message);
    if (stays)
        return;
    replOverdueAdd(journal->targetUuidstr, g_steal_pointer(&record));
    replLeasesWatch(journal->targetUuidstr);
}

/* The job has ended, or failed for now. */
static void
replReplicationRecordEnd(ReplJob *job, ReplReplication *replication, const ReplJobInfo *info)
{
    gboolean stays;

    replLockTake(&replication->journal->lock);
    stays = info->state == REPL_JOB_FAILED && replication->journal->accepted;
    replLockDrop(&replication->journal->lock);
    replReplicationSaveEnd(replication, info, stays);
    if (!stays)
        replReplicationForget(replication, job);
    if (info->state == REPL_JOB_COMPLETED)
        replServiceLearnRate(info);
}

static void
replReplicationRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplReplication *replication = opaque;
    g_autoptr(ReplStaging) home = NULL;
    g_autoptr(GError) err = NULL;
    ReplPhase phase;
    gboolean same;

    replLockTake(&replication->journal->lock);
    replJobInfoFree(replication->journal->record->info);
    replication->journal->record->info = replJobInfoCopy(info);
    phase = replPhaseOfRecord(replication->journal->record);
    replLockDrop(&replication->journal->lock);
    replLockTake(&replication->lock);
    same = phase != REPL_PHASE_ENDED && phase == replication->persisted;
    replication->persisted = phase;
    replLockDrop(&replication->lock);

    /* A pause may last for days. */
    if (phase == REPL_PHASE_PAUSED || phase == REPL_PHASE_ENDED)
        replKeysForget(replication);
    /* Waiting, copying and verifying are the same to a restart: no disk is asked to tell them apart. */
    if (same)
        return;
    if (phase == REPL_PHASE_ENDED)
        replReplicationRecordEnd(job, replication, info);
    else if ((home = replHomeOfUuid(replication->journal->targetUuid, FALSE, NULL)) &&
             replJournalSave(replication->journal, &err) < 0)
        replWarn("The record of job %s cannot be written: %s", replication->id, err->message);
    if (phase == REPL_PHASE_PLANNED || phase == REPL_PHASE_ENDED)
        replReplicationLease(replication, FALSE, NULL);
}

static void
replReplicationEnded(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplReplication *replication = opaque;

    (void)job;
    replEndingTell(replication, info);
    replReplicationTellPool(replication);
}

static char *
replReplicationDescribe(ReplJob *job, void *opaque)
{
    const ReplReplication *replication = opaque;
    const ReplJobRecord *record = replication->journal->record;

    (void)job;
    return g_strdup_printf("image '%s' of pool '%s' to volume '%s' in region '%s'", record->sourceVolume,
                           record->sourcePool, replication->replica, record->targetRegion);
}

static const ReplJobOps replReplicationOps = {
    .prepare = replReplicationPrepare,
    .run = replReplicationRun,
    .verify = replReplicationVerify,
    .publish = replReplicationPublish,
    .abort = replReplicationAbort,
    .stop = replPreparedStop,
    .clean = replReplicationClean,
    .record = replReplicationRecord,
    .ended = replReplicationEnded,
    .describe = replReplicationDescribe,
    .release = (void (*)(void *))replReplicationFree,
};

/* Notes that this job makes the volume from now on. */
static void
replReplicationTakeVolume(ReplJob *job, const char *id, const char *targetUuid, const char *volume,
                          ReplHolding *holding)
{
    g_autoptr(ReplJob) before = replMakersAdd(targetUuid, volume, job, holding);

    /* The job before has lost the name, since its file was removed: it cannot make its replica any more. */
    if (before && !g_str_equal(replJobId(before), id))
        replJobDo(before, REPL_VERB_CANCEL, NULL);
}

ReplJob *
replReplicationToJob(ReplReplication *replication)
{
    const ReplJobRecord *record = replication->journal->record;
    const char *targetUuid = replication->journal->targetUuidstr;
    g_autofree char *waitKey = replClaimsWaitKey(replication->id);
    ReplJob *job = replJobNew(replication->id, record->targetRegion, &replReplicationOps, replication,
                              record->request->bandwidth_bytesPerSec);
    guint i;

    replJobAddKey(job, targetUuid);
    replJobAddKey(job, replication->sourceUuidstr);
    replJobAddKey(job, waitKey);
    for (i = 0; i < replication->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        replReplicationTakeVolume(job, replication->id, targetUuid, member->volume,
                                  g_ptr_array_index(replication->members, i));
    }
    replReplicationTakeVolume(job, replication->id, targetUuid, replication->replica, replication->holding);
    return job;
}
