/*
 * check.c: an image and its layers are held against their digests: the job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/check.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "image/guard.h"
#include "image/view.h"
#include "region/lease.h"
#include "replicate/checkpriv.h"
#include "replicate/donors.h"
#include "replicate/ending.h"
#include "service/checks.h"
#include "service/service.h"
#include "store/record.h"
#include "virt/events.h"

/* --- the record, for a restart --- */

static void
checkUnlease(ReplCheck *check)
{
    if (g_atomic_int_compare_and_exchange(&check->leased, 1, 0))
        replLeasesDrop(check->poolUuidstr);
}

/* One host at a time works in a pool. Returns 0, or -1 with @err set. */
static int
checkLease(ReplCheck *check, const ReplRegion *region, GError **err)
{
    g_autoptr(ReplStaging) staging = NULL;

    if (g_atomic_int_get(&check->leased))
        return 0;
    if (!(staging = replRegionStaging(region, TRUE, err)) ||
        replLeasesHold(check->poolUuidstr, staging, err) < 0)
        return -1;
    g_atomic_int_set(&check->leased, 1);
    return 0;
}

/* What a restart has to know; an ended job leaves none. Returns 0, or -1 with @err set. */
static int
checkPersist(ReplCheck *check, const ReplRegion *region, const ReplJobInfo *info, GError **err)
{
    g_autoptr(ReplStaging) staging = replRegionStaging(region, TRUE, err);
    g_autoptr(ReplJobRecord) record = replJobRecordCopy(check->record);

    if (!staging)
        return -1;
    if (replJobStateIsEnded(info->state))
        return replJobRecordDrop(staging, record->id, err);
    replJobInfoFree(record->info);
    record->info = replJobInfoCopy(info);
    return replJobRecordSave(staging, record, err);
}

static ReplPhase
checkPhase(const ReplJobInfo *info)
{
    if (replJobStateIsEnded(info->state))
        return REPL_PHASE_ENDED;
    return info->state == REPL_JOB_PAUSED ? REPL_PHASE_PAUSED : REPL_PHASE_GOING;
}

/* --- the job's operations --- */

static void
checkLetGo(ReplCheck *check)
{
    g_clear_pointer(&check->chain, replChainFree);
    g_clear_pointer(&check->set, replPoolSetFree);
}

static void
checkPin(ReplJob *job, const ReplCheck *check)
{
    guint i;

    for (i = 0; i < check->chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(check->chain, i);
        ReplPinKind kind =
            check->heal ? (i ? REPL_PIN_LAYER : REPL_PIN_TARGET) : (i ? REPL_PIN_BASE : REPL_PIN_SOURCE);

        replPinsAdd(replServicePins(), layer->pool->uuid, layer->pool->name, layer->volume, replJobId(job),
                    kind, i ? check->volume : NULL);
    }
}

/* Refuses to heal an image while other jobs use one of its layers. */
static int
checkUnused(const ReplCheck *check, GError **err)
{
    guint i;

    for (i = 0; check->heal && i < check->chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(check->chain, i);

        if (replPinsCheck(replServicePins(), layer->pool->uuid, layer->volume, err) < 0)
            return -1;
    }
    return 0;
}

static void
checkSteps(ReplJob *job, const ReplCheck *check)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    guint i;

    for (i = check->chain->layers->len; i > 0; i--) {
        const ReplLayer *layer = replChainLayer(check->chain, i - 1);

        g_ptr_array_add(steps, replStepNew(layer->volume, layer->volume, REPL_STEP_VERIFY,
                                           MIN(layer->allocated_bytes, layer->identity.size_bytes)));
    }
    replJobSetSteps(job, steps, 0);
}

static int
checkPrepare(ReplJob *job, void *opaque, GError **err)
{
    ReplCheck *check = opaque;
    g_autoptr(ReplRegion) region = replRegionOfUuid(check->poolUuid);
    g_autoptr(GError) needed = NULL;
    const ReplPoolDir *dir;

    checkLetGo(check);
    replVerifiedFree(check->verified);
    check->verified = replVerifiedNew();
    check->changed = FALSE;
    g_ptr_array_set_size(check->broken, 0);
    if (!region || !region->dir) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("The pool of volume '%s' is not active"),
                     check->volume);
        return -1;
    }
    if (checkLease(check, region, err) < 0)
        return -1;
    check->set = replRegionsSet(region->label->name);
    if (!(dir = replPoolSetFindUuid(check->set, region->uuidstr)) ||
        !(check->chain = replChainOpen(check->set, dir, check->volume, err)) ||
        replChainLock(check->chain, err) < 0 || checkUnused(check, err) < 0)
        return -1;
    check->needed = replGuardDependents(region, check->volume, &needed) < 0;
    checkPin(job, check);
    checkSteps(job, check);
    return 0;
}

static int
checkRun(ReplJob *job, void *opaque, GError **err)
{
    ReplCheck *check = opaque;
    guint count = check->chain->layers->len;
    guint i;

    for (i = 0; i < count; i++) {
        replJobSetStepState(job, i, REPL_STEP_RUNNING);
        if (replCheckLayer(job, check, count - 1 - i, err) < 0) {
            replJobSetStepState(job, i, REPL_STEP_FAILED);
            return -1;
        }
        replJobSetStepState(job, i, REPL_STEP_DONE);
    }
    return replChainChanged(check->chain, err);
}

static gboolean
checkNote(ReplImage **image, void *opaque, GError **err)
{
    const ReplCheck *check = opaque;

    (void)err;
    if (!*image)
        return TRUE;
    replVerifiedFree((*image)->verified);
    (*image)->verified = replVerifiedCopy(check->verified);
    return TRUE;
}

static gboolean
checkNoteJob(ReplImage **image, void *opaque, GError **err)
{
    (void)err;
    if (!*image)
        return TRUE;
    replJobInfoFree((*image)->job);
    (*image)->job = replJobInfoCopy(opaque);
    return TRUE;
}

/* Makes the record of an image that has none yet. */
static int
checkEnsureRecord(const ReplRegion *region, ReplStaging *staging, const char *volume, GError **err)
{
    g_autoptr(GError) unread = NULL;
    g_autoptr(ReplImage) known = replRecordLoad(staging, volume, &unread);
    g_autoptr(ReplImage) image = NULL;

    if (known)
        return 0;
    if (unread) { /* not to be written over */
        g_propagate_error(err, g_steal_pointer(&unread));
        return -1;
    }
    if (!(image = replViewImageQuick(region, volume, err)))
        return -1;
    image->type = REPL_IMAGE_TYPE_UNKNOWN; /* a record keeps no type that was only probed */
    g_clear_pointer(&image->job, replJobInfoFree);
    return replRecordSave(staging, volume, image, err);
}

static int
checkSave(const ReplCheck *check, gboolean (*change)(ReplImage **image, void *opaque, GError **err),
          void *opaque, GError **err)
{
    g_autoptr(ReplRegion) region = replRegionOfUuid(check->poolUuid);
    g_autoptr(ReplStaging) staging = region && region->dir ? replRegionStaging(region, TRUE, err) : NULL;

    if (!staging) {
        if (err && !*err)
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("The pool of volume '%s' is not active"),
                         check->volume);
        return -1;
    }
    if (checkEnsureRecord(region, staging, check->volume, err) < 0)
        return -1;
    return replRecordUpdate(staging, check->volume, change, opaque, err);
}

static int
checkRefuseChanged(const ReplCheck *check, GError **err)
{
    replErrorSet(
        err, VIR_ERR_OPERATION_INVALID,
        _("Volume '%s' was written to since its digests were made: it is changed, not damaged, and there is "
          "nothing to heal it by. Verify it to make digests of what it is now"),
        check->volume);
    return -1;
}

/* Mends what is broken, and notes in the image's record what was found, also when mending has failed. */
static int
checkPublish(ReplJob *job, void *opaque, GError **err)
{
    ReplCheck *check = opaque;
    int rc = 0;

    checkLetGo(check); /* writing needs the locks that reading holds */
    if (check->heal && check->broken->len > 0)
        rc = replHealRun(job, check, err);
    else if (check->heal && check->changed)
        rc = checkRefuseChanged(check, err);
    if (check->changed && check->verified->state == REPL_VERIFIED_GOOD)
        check->verified->state = REPL_VERIFIED_CHANGED;
    check->verified->when_s = g_get_real_time() / G_USEC_PER_SEC;
    if (checkSave(check, checkNote, check, rc < 0 ? NULL : err) < 0)
        return -1;
    return rc;
}

static void
checkStop(ReplJob *job, void *opaque)
{
    (void)job;
    replCheckStopWaits(opaque, TRUE);
}

static void
checkClean(ReplJob *job, void *opaque)
{
    checkLetGo(opaque);
    replCheckStopWaits(opaque, FALSE);
    replPinsDropJob(replServicePins(), replJobId(job));
}

static void
checkRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplCheck *check = opaque;
    g_autoptr(ReplRegion) region = replRegionOfUuid(check->poolUuid);
    g_autoptr(GError) err = NULL;
    ReplPhase phase = checkPhase(info);

    if (region && region->dir && g_atomic_int_get(&check->persisted) != (gint)phase) {
        g_atomic_int_set(&check->persisted, phase);
        if (checkPersist(check, region, info, &err) < 0)
            replWarn("The record of job %s cannot be written: %s", replJobId(job), err->message);
        g_clear_error(&err);
    }
    if (phase != REPL_PHASE_ENDED)
        return;
    checkUnlease(check);
    if (checkSave(check, checkNoteJob, (void *)info, &err) < 0)
        replWarn("The record of '%s' cannot be written: %s", check->volume, err->message);
    if (info->state != REPL_JOB_FAILED)
        replChecksRemove(check->poolUuidstr, check->volume, job);
}

static void
checkEnded(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    const ReplCheck *check = opaque;
    g_autoptr(ReplRegion) region = replRegionOfUuid(check->poolUuid);

    (void)job;
    if (!region)
        return;
    if (region->dir)
        replEndingTellCheck(region, check->volume, info);
    replEventsRefresh(region->name, region->uuid);
}

static char *
checkDescribe(ReplJob *job, void *opaque)
{
    const ReplCheck *check = opaque;

    (void)job;
    return g_strdup_printf("%s of volume '%s'", check->heal ? "healing" : "verification", check->volume);
}

static void
checkRelease(void *opaque)
{
    ReplCheck *check = opaque;

    checkLetGo(check);
    checkUnlease(check);
    replJobRecordFree(check->record);
    g_clear_pointer(&check->donors, g_hash_table_unref);
    replVerifiedFree(check->verified);
    g_ptr_array_unref(check->broken);
    replLockClear(&check->lock);
    g_free(check->volume);
    g_free(check);
}

static const ReplJobOps checkOps = {
    .prepare = checkPrepare,
    .run = checkRun,
    .publish = checkPublish,
    .stop = checkStop,
    .clean = checkClean,
    .record = checkRecord,
    .ended = checkEnded,
    .describe = checkDescribe,
    .release = checkRelease,
};

/* Forgets a failed job of the volume, so that another one can be asked for. */
static void
checkReplaceFailed(const char *poolUuid, const char *volume)
{
    g_autoptr(ReplJob) before = replChecksFind(poolUuid, volume);

    if (before && replJobState(before) == REPL_JOB_FAILED &&
        replQueueForget(replServiceQueue(), replJobId(before)))
        replChecksRemove(poolUuid, volume, before);
}

static ReplJobRecord *
checkRecordNew(const ReplRegion *region, const char *volume, GPtrArray *heal)
{
    g_autofree char *id = g_uuid_string_random();
    ReplJobRecord *record = replJobRecordNew(id);

    record->check = heal ? REPL_VERB_HEAL : REPL_VERB_VERIFY;
    for (guint i = 0; heal && i < heal->len; i++) {
        const ReplJobLayer *donor = g_ptr_array_index(heal, i);

        g_ptr_array_add(record->layers, replJobLayerNew(donor->sourceVolume, donor->sourcePoolUuid,
                                                        donor->volume, donor->action));
    }
    record->requester = replIdentityName();
    record->targetRegion = g_strdup(region->label->name);
    record->targetPoolUuid = g_strdup(region->uuidstr);
    record->volume = g_strdup(volume);
    record->created_s = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = g_get_real_time();
    return record;
}

/* A job around a check of @record, which is taken. */
static ReplJob *
checkJobNew(const ReplRegion *region, ReplJobRecord *record, guint64 bandwidth_bytesPerSec)
{
    ReplCheck *check = g_new0(ReplCheck, 1);
    ReplJob *job;

    memcpy(check->poolUuid, region->uuid, sizeof(check->poolUuid));
    memcpy(check->poolUuidstr, region->uuidstr, sizeof(check->poolUuidstr));
    check->volume = g_strdup(record->volume);
    check->heal = record->check == REPL_VERB_HEAL;
    check->record = record;
    replLockInit(&check->lock);
    check->broken = g_ptr_array_new_with_free_func((GDestroyNotify)replBrokenLayerFree);
    job = replJobNew(record->id, region->label->name, &checkOps, check, bandwidth_bytesPerSec);
    replJobAddKey(job, region->uuidstr);
    return job;
}

int
replCheckStart(const ReplRegion *region, const char *volume, GPtrArray *heal, guint64 bandwidth_bytesPerSec,
               GError **err)
{
    g_autoptr(ReplJob) job = checkJobNew(region, checkRecordNew(region, volume, heal), bandwidth_bytesPerSec);
    ReplCheck *check = replJobOpaque(job);

    if (heal && !(check->donors = replDonorsFind(region, volume, err)))
        return -1;
    checkReplaceFailed(region->uuidstr, volume);
    if (!replChecksAdd(region->uuidstr, volume, job)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' is being verified or healed already"), volume, region->name);
        return -1;
    }
    if (checkLease(check, region, err) == 0 && replQueueSubmit(replServiceQueue(), job, TRUE, err) == 0)
        return 0;
    replChecksRemove(region->uuidstr, volume, job);
    return -1;
}

void
replCheckResume(const ReplRegion *region, const ReplJobRecord *record)
{
    g_autoptr(ReplJob) job = checkJobNew(region, replJobRecordCopy(record), 0);
    ReplCheck *check = replJobOpaque(job);
    g_autoptr(GError) err = NULL;

    replJobRestore(job, record->info);
    if (!replChecksAdd(region->uuidstr, check->volume, job))
        return;
    if (checkLease(check, region, &err) == 0 && replQueueSubmit(replServiceQueue(), job, FALSE, &err) == 0)
        return;
    replChecksRemove(region->uuidstr, check->volume, job);
    replWarn("Job %s does not go on: %s", record->id, err->message);
}
