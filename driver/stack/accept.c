/*
 * accept.c: a request becomes a job: planned, recorded, its name taken, queued
 *
 * Nothing is written before the last check; what was written is taken back when a later step fails.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/submissionpriv.h"

#include "image/quota.h"
#include "peer/remote.h"
#include "replicate/bundling.h"
#include "replicate/keys.h"
#include "replicate/life.h"
#include "replicate/pinning.h"
#include "replicate/prepare.h"
#include "replicate/undo.h"
#include "service/makers.h"
#include "service/service.h"
#include "stack/resume.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/events.h"
#include "virt/report.h"

/* The job will make the layers, too: the requester must be allowed to. */
static int
replSubmissionCheckMaking(const ReplSubmission *r, const ReplPlan *plan)
{
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *xml =
            g_markup_printf_escaped("<volume><name>%s</name><capacity>0</capacity></volume>", step->volume);

        /* What is pushed has its form already: nothing is to be written here that came in another one. */
        if (r->jobId && step->action == REPL_STEP_CONVERT && !step->convert.bundle) {
            replReportError(
                VIR_ERR_NO_SUPPORT,
                _("Image '%s' is on another host, which has not brought it into the form that was "
                  "asked for"),
                r->volume);
            return -1;
        }
        if (step->isImage || step->action == REPL_STEP_REUSE)
            continue;
        if ((r->far ? replRemoteMayVol(r->conn, r->far, step->volume, replVirt.StorageVolCreateXMLEnsureACL)
                    : replAccessNewVol(r->conn, r->target->uuid, xml, FALSE,
                                       replVirt.StorageVolCreateXMLEnsureACL)) < 0)
            return -1;
    }
    return 0;
}

/* The replica shows what every layer holds, and the layers may lie in several pools. */
static int
replSubmissionCheckLayers(const ReplSubmission *r, const ReplSourceFacts *source)
{
    guint i;

    if (r->shared || r->distant)
        return 0;
    for (i = 1; i < source->layerCount; i++) {
        const ReplPlanLayer *layer = &source->layers[i];
        unsigned char uuid[VIR_UUID_BUFLEN];

        if (replUuidParse(layer->poolUuid, uuid) &&
            replAccessVol(r->conn, uuid, layer->volume, replVirt.StorageVolDownloadEnsureACL) < 0)
            return -1;
    }
    return 0;
}

/* The source's, if it has one beside its volume's; else what the replica is called. */
static const char *
replSubmissionDisplayName(const ReplSubmission *r, const char *volume, const ReplImage *of)
{
    if (of->name && !g_str_equal(of->name, volume))
        return of->name;
    return r->request->name && g_str_equal(volume, r->volume) ? r->request->name : volume;
}

/* The record that the replica of @volume, whose record is @of, will have once it is available. */
static ReplImage *
replSubmissionImage(const ReplSubmission *r, const char *id, const char *volume, const ReplImage *of)
{
    ReplImage *image = replImageNew(id);

    image->status = REPL_IMAGE_PENDING;
    image->type = of->type;
    image->typeIsSet = of->typeIsSet;
    image->name = g_strdup(replSubmissionDisplayName(r, volume, of));
    if (r->request->description)
        image->description = g_strdup(r->request->description);
    else if (r->request->bundle == REPL_BUNDLE_YES)
        image->description =
            g_strdup_printf(_("Bundle of image %s of region %s"), r->image->id, r->source->label->name);
    else if (r->request->bundle == REPL_BUNDLE_INVENTORY)
        image->description =
            g_strdup_printf(_("Inventory of image %s of region %s"), r->image->id, r->source->label->name);
    else
        image->description =
            g_strdup_printf(_("Replicated from region %s, image %s"), r->source->label->name, of->id);
    image->fastCreate = r->request->fastCreate;
    image->source.region = g_strdup(r->source->label->name);
    image->source.id = g_strdup(of->id);
    image->source.pool = g_strdup(r->source->name);
    image->source.volume = g_strdup(volume);
    return image;
}

static ReplJobRecord *
replSubmissionRecord(const ReplSubmission *r, const char *imageId)
{
    g_autofree char *id = r->jobId ? g_strdup(r->jobId) : g_uuid_string_random();
    ReplJobRecord *record = replJobRecordNew(id);
    guint i;

    record->token = g_strdup(r->request->token);
    record->requester = replIdentityName();
    record->sourcePool = g_strdup(r->source->name);
    record->sourcePoolUuid = g_strdup(r->source->uuidstr);
    record->sourceRegion = g_strdup(r->source->label->name);
    record->sourceVolume = g_strdup(r->volume);
    record->sourceId = g_strdup(r->image->id);
    record->targetRegion = g_strdup(r->target->label->name);
    record->targetPoolUuid = g_strdup(r->target->uuidstr);
    record->sourceIsHere = !r->distant;
    record->targetPool = r->far ? g_strdup(r->target->name) : NULL;
    record->volume = g_strdup(r->replica);
    record->imageId = g_strdup(imageId);
    record->request = replRequestCopy(r->request);
    record->request->sourceIs = r->bundled ? REPL_SOURCE_IS_BUNDLE : REPL_SOURCE_IS_IMAGE;
    record->created_s = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = g_get_real_time();
    for (i = 0; r->members && i < r->members->len; i++) {
        const ReplSubmissionMember *member = g_ptr_array_index(r->members, i);
        g_autofree char *memberId = g_uuid_string_random();

        g_ptr_array_add(record->members,
                        replJobMemberNew(member->volume, member->image->id, member->volume, memberId));
    }
    return record;
}

/* What the job makes; nothing of it is known to others yet. */
static ReplReplication *
replSubmissionReplication(const ReplSubmission *r)
{
    g_autofree char *imageId = g_uuid_string_random();
    ReplJobRecord *record = replSubmissionRecord(r, imageId);
    ReplImage *image = replSubmissionImage(r, imageId, r->volume, r->image);
    ReplReplication *replication = replReplicationNew(r->target->uuid, record, image, TRUE);
    guint i;

    for (i = 0; r->members && i < r->members->len; i++) {
        const ReplSubmissionMember *member = g_ptr_array_index(r->members, i);
        const ReplJobMember *made = g_ptr_array_index(record->members, i);

        g_ptr_array_add(image->members, g_strdup(made->volume));
        replReplicationAddMember(replication,
                                 replSubmissionImage(r, made->imageId, member->volume, member->image));
    }
    return replication;
}

/* The replica refers to its source by the source's id. An image without a record has an id made from its
 * file, which may change: so such a source gets a record with the id. */
static int
replSubmissionKeepSource(const ReplSubmission *r, GError **err)
{
    g_autoptr(ReplStaging) staging = r->distant ? NULL : replRegionStaging(r->source, TRUE, err);
    guint i;

    if (r->distant)
        return 0;
    if (!staging || replRecordNoteId(staging, r->source->dir->dirFd, r->volume, r->image->id, err) < 0)
        return -1;
    for (i = 0; r->members && i < r->members->len; i++) {
        const ReplSubmissionMember *member = g_ptr_array_index(r->members, i);

        if (replRecordNoteId(staging, r->source->dir->dirFd, member->volume, member->image->id, err) < 0)
            return -1;
    }
    return 0;
}

/* Notes the plan in the job's record, so that the start of a planned job can compare it with a new plan.
 * Needs no lock: no other thread knows the replication yet. */
static void
replSubmissionNotePlan(ReplReplication *replication, const ReplPrepared *prepared, const GPtrArray *steps)
{
    ReplJobRecord *record = replication->journal->record;
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        const ReplPlanLayer *from = replPreparedLayer(prepared, step);
        ReplJobLayer *layer = replJobLayerNew(from->volume, from->poolUuid, step->volume, step->action);

        layer->source = from->identity;
        g_ptr_array_add(record->layers, layer);
        g_ptr_array_add(record->info->steps, replStepCopy(g_ptr_array_index(steps, i)));
        record->info->total_bytes += step->bytes;
    }
    record->info->peakSpace_bytes = prepared->plan->peakSpace_bytes;
    record->info->without = g_strdup(replPreparedWithout(prepared));
    /* The record says so before the first placeholder is made: whatever files a crash leaves, a restart finds
     * them by the record. */
    record->holdsPlaceholder = TRUE;
    replication->persisted = replPhaseOfRecord(record);
}

/* Makes the job: pins its volumes, writes its record, then takes the replica's name in the target. */
static int
replSubmissionAccept(const ReplSubmission *r, ReplReplication *replication, const ReplPrepared *prepared,
                     ReplJob **job, GError **err)
{
    g_autoptr(GPtrArray) steps = replPreparedSteps(prepared);
    g_autoptr(ReplImage) image = replHoldingImage(replication->holding);
    int rc = 0;
    guint i;

    if (replPinningTakeRoute(replication, err) < 0)
        return -1;
    replPinningPlan(replication, prepared);
    replSubmissionNotePlan(replication, prepared, steps);
    replPreparedShow(replication, prepared);
    if (replReplicationLease(replication, TRUE, err) < 0 || replSubmissionKeepSource(r, err) < 0 ||
        replJournalSave(replication->journal, err) < 0 ||
        replQuotaBegin(r->target, r->volume, &prepared->plan->adds, err) < 0)
        return -1;
    /* The replica's own name is taken last. */
    for (i = 0; i < replication->members->len && rc == 0; i++) {
        const ReplSubmissionMember *member = g_ptr_array_index(r->members, i);
        g_autoptr(ReplImage) of = replHoldingImage(g_ptr_array_index(replication->members, i));

        rc = replTargetAccept(prepared->target, r->pool, member->volume, member->placeholder, of, err);
    }
    if (rc == 0 && replTargetAccept(prepared->target, r->pool, r->replica, r->placeholder, image, err) == 0)
        *job = replReplicationToJob(replication);
    replQuotaEnd(r->target);
    if (!*job)
        return -1;
    replSourceWatch(prepared->source, replJobTraffic(*job));
    replTargetWatch(prepared->target, replJobTraffic(*job));
    replJobSetSteps(*job, steps, prepared->plan->peakSpace_bytes);
    replJobSetWithout(*job, replPreparedWithout(prepared));
    replEventsRefresh(r->target->name, r->target->uuid);
    return 0;
}

/* Takes back what submitting did. */
static void
replSubmissionUndo(const ReplSubmission *r, ReplReplication *replication)
{
    g_autoptr(GError) err = NULL;

    if (replUndo(replication, REPL_UNDO_ALL, &err) < 0 ||
        replJobRecordDrop(r->home, replication->id, &err) < 0) {
        replWarn("A refused request has left something in pool '%s': %s", r->target->name, err->message);
        replResumeRefused(replication);
    }
    replPinsDropJob(replServicePins(), replication->id);
}

/* Makes a first plan, so that the client learns at once what is wrong with the request. Slow checks last; a
 * default key that is missing is made only after them, so that a refusal leaves none. */
static ReplPrepared *
replSubmissionPrepare(const ReplSubmission *r, ReplReplication *replication)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPrepared) prepared = replPrepareNew(replication);

    if (replPrepareFirst(replication, prepared, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (r->request->have->len > 0 && replBundlingCheckHave(r->request, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionCheckLayers(r, prepared->facts) < 0 || replSubmissionCheckMaking(r, prepared->plan) < 0)
        return NULL;
    if (replKeysLoad(replication, prepared, REPL_KEYS_TRY, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    return g_steal_pointer(&prepared);
}

/* Puts the job in the queue. If the job is to start, @prepared is handed to its attempt; when the job has to
 * wait in the queue, it is dropped. A planned job keeps neither @prepared nor the lease. Returns 0, or -1
 * with the error reported. */
static int
replSubmissionEnqueue(const ReplSubmission *r, ReplReplication *replication, ReplPrepared *prepared,
                      ReplJob *job)
{
    g_autoptr(GError) err = NULL;

    if (r->request->start) {
        replPreparedHandOver(replication, prepared);
    } else {
        replPreparedFree(prepared);
        replReplicationLease(replication, FALSE, NULL);
    }
    if (replQueueSubmit(replServiceQueue(), job, r->request->start, &err) == 0) {
        replReplicationSettle(job);
        return 0;
    }
    replPreparedFree(replPreparedTake(replication));
    replReplicationForget(replication, job);
    replSubmissionUndo(r, replication);
    replReport(g_steal_pointer(&err));
    return -1;
}

ReplJob *
replSubmissionQueue(const ReplSubmission *r)
{
    ReplReplication *replication = replSubmissionReplication(r);
    g_autoptr(ReplPrepared) prepared = replSubmissionPrepare(r, replication);
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;

    if (!prepared) {
        replReplicationFree(replication);
        return NULL;
    }
    if (replSubmissionAccept(r, replication, prepared, &job, &err) < 0) {
        replSubmissionUndo(r, replication);
        g_clear_pointer(&prepared, replPreparedFree);
        replReplicationFree(replication);
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionEnqueue(r, replication, g_steal_pointer(&prepared), job) < 0)
        return NULL;
    return g_steal_pointer(&job);
}
