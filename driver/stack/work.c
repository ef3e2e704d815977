/*
 * work.c: the work of one replication job: the operations of its life
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/work.h"

#include <glib-object.h>
#include <string.h>

#include "job/pins.h"
#include "stack/claims.h"
#include "stack/events.h"
#include "stack/keys.h"
#include "stack/lease.h"
#include "stack/report.h"
#include "stack/service.h"
#include "store/record.h"

ReplWork *
replWorkNew(const ReplRegion *target, ReplJobRecord *record, ReplImage *image, gboolean asRequester)
{
    ReplWork *work = g_new0(ReplWork, 1);

    g_mutex_init(&work->lock);
    work->id = g_strdup(record->id);
    memcpy(work->targetUuid, target->uuid, sizeof(work->targetUuid));
    work->targetUuidstr = g_strdup(target->uuidstr);
    work->sourceUuidstr = g_strdup(record->sourcePoolUuid);
    work->replica = g_strdup(record->volume);
    work->record = record;
    work->image = image;
    if (asRequester)
        work->identity = replVirt.IdentityGetCurrent();
    return work;
}

void
replWorkFree(ReplWork *work)
{
    if (!work)
        return;
    replAttemptFree(work->attempt);
    g_clear_pointer(&work->opened, g_ptr_array_unref);
    replWorkLease(work, NULL, FALSE, NULL);
    replJobRecordFree(work->record);
    replImageFree(work->image);
    if (work->identity)
        g_object_unref(work->identity);
    g_free(work->id);
    g_free(work->targetUuidstr);
    g_free(work->sourceUuidstr);
    g_free(work->replica);
    g_mutex_clear(&work->lock);
    g_free(work);
}

ReplJob *
replWorkToJob(ReplWork *work)
{
    g_autofree char *waitKey = replClaimsWaitKey(work->id);
    ReplJob *job = replJobNew(work->id, work->record->targetRegion, &replWorkOps, work,
                              work->record->request->bandwidth_bytesPerSec);

    replJobAddKey(job, work->targetUuidstr);
    replJobAddKey(job, work->sourceUuidstr);
    replJobAddKey(job, waitKey);
    replServiceAddJob(work->targetUuidstr, work->replica, job);
    return job;
}

ReplWorkPhase
replWorkPhase(const ReplJobRecord *record)
{
    switch (record->info->state) {
    case REPL_JOB_PLANNED:
        /* A request that starts at once is recorded before it is queued. */
        return record->request && !record->request->start ? REPL_WORK_PLANNED : REPL_WORK_GOING;
    case REPL_JOB_QUEUED:
    case REPL_JOB_RUNNING:
    case REPL_JOB_VERIFYING:
        return REPL_WORK_GOING;
    case REPL_JOB_PAUSED:
        return REPL_WORK_PAUSED;
    case REPL_JOB_PUBLISHING:
        return REPL_WORK_PUBLISHING;
    case REPL_JOB_COMPLETED:
    case REPL_JOB_FAILED:
    case REPL_JOB_CANCELLED:
    case REPL_JOB_STATE_LAST:
        break;
    }
    return REPL_WORK_ENDED;
}

int
replWorkLease(ReplWork *work, ReplStaging *staging, gboolean on, GError **err)
{
    gboolean was;

    g_mutex_lock(&work->lock);
    was = work->leased;
    work->leased = on;
    g_mutex_unlock(&work->lock);
    if (was == on)
        return 0;
    if (!on) {
        replLeasesDrop(work->targetUuidstr);
        return 0;
    }
    if (replLeasesHold(work->targetUuidstr, staging, err) == 0)
        return 0;
    g_mutex_lock(&work->lock);
    work->leased = FALSE;
    g_mutex_unlock(&work->lock);
    return -1;
}

int
replWorkSave(ReplWork *work, ReplStaging *staging, GError **err)
{
    g_autoptr(ReplJobRecord) copy = NULL;

    g_mutex_lock(&work->lock);
    copy = replJobRecordCopy(work->record);
    work->persisted = replWorkPhase(copy);
    work->unsaved_bytes = 0;
    g_mutex_unlock(&work->lock);
    return replJobRecordSave(staging, copy, err);
}

void
replWorkUpdateImage(ReplJob *job, void (*change)(ReplImage *image, const ReplUpdate *update),
                    const ReplUpdate *update)
{
    ReplWork *work = replJobOpaque(job);

    g_mutex_lock(&work->lock);
    change(work->image, update);
    g_mutex_unlock(&work->lock);
}

/* Called with the work's lock held. */
static guint
replWorkLayerPlaceholders(const ReplWork *work)
{
    guint count = 0;
    guint i;

    for (i = 0; i < work->record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(work->record->layers, i);

        if (layer->placeholder && !layer->published && !g_str_equal(layer->volume, work->replica))
            count++;
    }
    return count;
}

void
replWorkCorrectUsage(const char *poolUuid, const ReplJob *except, gboolean reserve, ReplAmounts *usage)
{
    g_autoptr(GPtrArray) jobs = replServiceJobsOf(poolUuid);
    guint i;

    for (i = 0; i < jobs->len; i++) {
        ReplJob *job = g_ptr_array_index(jobs, i);
        ReplWork *work = replJobOpaque(job);

        g_mutex_lock(&work->lock);
        usage->images -= replWorkLayerPlaceholders(work);
        /* The replica itself is there as a placeholder already; what is published is counted. */
        if (reserve && job != except && work->listed) {
            usage->snapshots += work->adds.snapshots;
            usage->bytes += work->adds.bytes;
        }
        g_mutex_unlock(&work->lock);
    }
}

/* Called with the work's lock held. */
static gboolean
replWorkMakesLayer(const ReplWork *work, const char *volume)
{
    guint i;

    for (i = 0; i < work->record->layers->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(work->record->layers, i);

        if (layer->placeholder && !layer->published && g_str_equal(layer->volume, volume))
            return TRUE;
    }
    return FALSE;
}

ReplJob *
replWorkFindMaker(const char *poolUuid, const char *volume)
{
    g_autoptr(GPtrArray) jobs = replServiceJobsOf(poolUuid);
    guint i;

    for (i = 0; i < jobs->len; i++) {
        ReplJob *job = g_ptr_array_index(jobs, i);
        ReplWork *work = replJobOpaque(job);
        gboolean makes;

        g_mutex_lock(&work->lock);
        makes = g_str_equal(work->replica, volume) || replWorkMakesLayer(work, volume);
        g_mutex_unlock(&work->lock);
        if (makes)
            return replJobRef(job);
    }
    return NULL;
}

ReplAmounts
replWorkAdds(ReplJob *job)
{
    ReplWork *work = replJobOpaque(job);
    ReplAmounts adds;

    g_mutex_lock(&work->lock);
    adds = work->adds;
    g_mutex_unlock(&work->lock);
    return adds;
}

static ReplJobRecord *
replWorkCopyRecord(ReplWork *work)
{
    ReplJobRecord *copy;

    g_mutex_lock(&work->lock);
    copy = replJobRecordCopy(work->record);
    g_mutex_unlock(&work->lock);
    return copy;
}

/* Compares the plan that was shown with the one that would be made now. */
static int
replWorkComparePlan(ReplWork *work, const ReplAttempt *now, GError **err)
{
    g_autoptr(ReplJobRecord) record = replWorkCopyRecord(work);
    const GPtrArray *layers = record->layers;
    guint i;

    for (i = 0; i < MAX(layers->len, now->plan->steps->len); i++) {
        const ReplJobLayer *was = i < layers->len ? g_ptr_array_index(layers, i) : NULL;
        const ReplPlanStep *step = i < now->plan->steps->len
                                       ? g_ptr_array_index(now->plan->steps, i) : NULL;
        const ReplLayer *source = step ? replChainLayer(now->chain, step->layer) : NULL;

        if (!was || !step || !g_str_equal(was->sourceVolume, source->volume) ||
            !replFileIdentityEqual(&was->source, &source->identity)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("The source of planned job '%s' has changed: layer '%s' is not what it was"),
                         work->id, was ? was->sourceVolume : source->volume);
            return -1;
        }
        if (was->action != step->action || !g_str_equal(was->volume, step->volume)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                         _("The target of planned job '%s' has changed: layer '%s' was to be made as '%s' "
                           "by %s, and now as '%s' by %s"),
                         work->id, was->sourceVolume, was->volume,
                         replStepActionToString(was->action), step->volume,
                         replStepActionToString(step->action));
            return -1;
        }
    }
    return 0;
}

int
replWorkCheckStart(ReplJob *job, GError **err)
{
    ReplWork *work = replJobOpaque(job);
    g_autoptr(ReplAttempt) now = NULL;

    if (replJobState(job) != REPL_JOB_PLANNED)
        return 0;
    if (!(now = replAttemptNew(work, NULL, NULL, err)))
        return -1;
    if (replWorkComparePlan(work, now, err) < 0)
        return -1;
    replKeysKeep(work, now);
    return 0;
}

/* The thread acts as the requester, or as the daemon where nobody is there to ask. */
static void
replWorkBecome(ReplWork *work)
{
    g_autoptr(GObject) system = NULL;

    work->before = replVirt.IdentityGetCurrent();
    work->became = TRUE;
    if (work->identity)
        replVirt.IdentitySetCurrent(work->identity);
    else if ((system = (GObject *)replVirt.IdentityGetSystem()))
        replVirt.IdentitySetCurrent((ReplVirtIdentity *)system);
}

/* Plans; while others copy layers of the same chain, waits without a slot and with nothing open. */
static ReplAttempt *
replWorkAttempt(ReplJob *job, ReplWork *work, GError **err)
{
    for (;;) {
        gboolean busy = FALSE;
        ReplAttempt *attempt = replAttemptNew(work, job, &busy, err);

        if (!busy)
            return attempt;
        if (replJobRequeue(job, err) < 0)
            return NULL;
    }
}

static int
replWorkPrepare(ReplJob *job, void *opaque, GError **err)
{
    ReplWork *work = opaque;
    g_autoptr(ReplAttempt) attempt = NULL;
    g_autoptr(GPtrArray) steps = NULL;

    replWorkBecome(work);
    if (!(attempt = replWorkAttempt(job, work, err)))
        return -1;
    if (replPinsClaim(replServicePins(), work->id, work->sourceUuidstr, work->record->sourceVolume,
                      work->record->targetRegion, err) < 0)
        return -1;
    /* A retry has let go of it. */
    if (replWorkLease(work, attempt->staging, TRUE, err) < 0)
        return -1;
    work->attempt = g_steal_pointer(&attempt);
    replAttemptRecord(work, work->attempt);
    steps = replAttemptSteps(work->attempt);
    replJobSetSteps(job, steps, work->attempt->plan->peakSpace_bytes);
    return replPublishHold(work, work->attempt, err);
}

static int
replWorkRun(ReplJob *job, void *opaque, GError **err)
{
    return replTransferRun(job, opaque, err);
}

static int
replWorkVerify(ReplJob *job, void *opaque, GError **err)
{
    return replTransferVerify(job, opaque, err);
}

static int
replWorkPublish(ReplJob *job, void *opaque, GError **err)
{
    return replPublishCommit(job, opaque, err);
}

/* A request that somebody waits for leaves nothing behind when it fails: the error says it all. One that
 * nobody waits for stays listed, to be retried or deleted; what is written already stays for that. */
static void
replWorkAbort(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials)
{
    ReplWork *work = opaque;
    gboolean interrupted = keepPartials && replJobIsInterrupted(job);

    (void)why;
    if (interrupted)
        return;
    if (keepPartials && (work->resumed || work->record->request->async))
        replPublishMakeRoom(work);
    else
        replPublishUndo(work, TRUE);
}

static void
replWorkClean(ReplJob *job, void *opaque)
{
    ReplWork *work = opaque;
    ReplAttempt *attempt = g_steal_pointer(&work->attempt);

    replClaimsDrop(job);
    replKeysForget(work);
    replPinsDropJob(replServicePins(), work->id);
    if (work->became) {
        replVirt.IdentitySetCurrent(work->before);
        if (work->before)
            g_object_unref(work->before);
        work->became = FALSE;
        work->before = NULL;
    }
    replAttemptFree(attempt);
}

/* The replica's own record shows how its job ended, for good. */
static void
replWorkRecordImage(ReplWork *work, ReplStaging *staging, const ReplJobInfo *info)
{
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (!(image = replRecordLoad(staging, work->replica, NULL)))
        return;
    replJobInfoFree(image->job);
    image->job = replJobInfoCopy(info);
    if (info->state == REPL_JOB_FAILED)
        image->status = REPL_IMAGE_ERROR;
    if (replRecordSave(staging, work->replica, image, &err) < 0)
        replWarn("The record of '%s' cannot be written: %s", work->replica, err->message);
}

static void
replWorkRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplWork *work = opaque;
    g_autoptr(ReplRegion) target = replRegionOfUuid(work->targetUuid);
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GError) err = NULL;
    ReplWorkPhase phase;
    gboolean listed;
    gboolean same;

    g_mutex_lock(&work->lock);
    replJobInfoFree(work->record->info);
    work->record->info = replJobInfoCopy(info);
    listed = work->listed;
    phase = replWorkPhase(work->record);
    same = phase != REPL_WORK_ENDED && phase == (ReplWorkPhase)work->persisted;
    g_mutex_unlock(&work->lock);

    /* A pause may last for days. */
    if (phase == REPL_WORK_PAUSED || phase == REPL_WORK_ENDED)
        replKeysForget(work);
    /* Waiting, copying and verifying are the same to a restart: no disk is asked to tell them apart. */
    if (same)
        return;
    if (target && (staging = replRegionStaging(target, FALSE, NULL)) &&
        replWorkSave(work, staging, &err) < 0)
        replWarn("The record of job %s cannot be written: %s", work->id, err->message);
    if (phase == REPL_WORK_PLANNED || phase == REPL_WORK_ENDED)
        replWorkLease(work, NULL, FALSE, NULL);
    if (phase != REPL_WORK_ENDED)
        return;
    if (staging && (listed || info->state == REPL_JOB_COMPLETED))
        replWorkRecordImage(work, staging, info);
    if (info->state != REPL_JOB_FAILED || !listed)
        replServiceRemoveJob(work->targetUuidstr, work->replica, job);
    if (info->state == REPL_JOB_COMPLETED)
        replServiceLearnRate(info);
    if (target)
        replEventsRefresh(target->name, target->uuid);
}

static char *
replWorkDescribe(ReplJob *job, void *opaque)
{
    ReplWork *work = opaque;

    (void)job;
    return g_strdup_printf("image '%s' of pool '%s' to volume '%s' in region '%s'",
                           work->record->sourceVolume, work->record->sourcePool, work->replica,
                           work->record->targetRegion);
}

static void
replWorkRelease(void *opaque)
{
    replWorkFree(opaque);
}

const ReplJobOps replWorkOps = {
    .prepare = replWorkPrepare,
    .run = replWorkRun,
    .verify = replWorkVerify,
    .publish = replWorkPublish,
    .abort = replWorkAbort,
    .clean = replWorkClean,
    .record = replWorkRecord,
    .describe = replWorkDescribe,
    .release = replWorkRelease,
};
