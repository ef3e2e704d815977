/*
 * submission.c: vol-create-from with <replication:replicate>: checks, then a job
 *
 * The order: who may, what is there, is it on its way already, can it be done; then the replica's
 * name is taken, and the job goes to the queue. Nothing is written before the last check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/submission.h"

#include "image/share.h"
#include "image/view.h"
#include "job/pins.h"
#include "region/home.h"
#include "replicate/keys.h"
#include "replicate/life.h"
#include "replicate/pinning.h"
#include "replicate/prepare.h"
#include "replicate/undo.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/jobtext.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

/* One request on its way to a job. */
typedef struct {
    virStoragePoolPtr pool;
    virConnectPtr conn;
    const ReplRegion *target;
    const ReplRegion *source;
    const ReplRequest *request;
    char *volume;         /* the source's */
    char *replica;        /* the replica's */
    char *placeholder;    /* XML of an empty volume of that name */
    ReplImage *image;     /* of the source */
    ReplStaging *staging; /* the target's */
    ReplStaging *home;    /* of the job */
    /* The source is another project's, and an accepted share stands for the right to read it. */
    gboolean shared;
} ReplSubmission;

static void
replSubmissionClear(ReplSubmission *r)
{
    g_free(r->volume);
    g_free(r->replica);
    g_free(r->placeholder);
    replImageFree(r->image);
    if (r->staging)
        replStagingUnref(r->staging);
    if (r->home)
        replStagingUnref(r->home);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplSubmission, replSubmissionClear)

static int
replSubmissionCheckFlags(unsigned int flags)
{
    /* Cloning is what we do anyway where the file system can. */
    const unsigned int known = VIR_STORAGE_VOL_CREATE_REFLINK | VIR_STORAGE_VOL_CREATE_VALIDATE;

    if (!(flags & ~known))
        return 0;
    replReportError(VIR_ERR_INVALID_ARG, _("Unsupported flags (0x%x) for a replication"), flags & ~known);
    return -1;
}

/* The requester may make the replica and read the source's data. */
static int
replSubmissionCheckAccess(const ReplSubmission *r, virStorageVolPtr source, unsigned int flags)
{
    g_autoptr(ReplPool) sourcePool = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (virStoragePoolGetUUID(r->pool, uuid) < 0 ||
        replAccessNewVol(r->conn, uuid, r->placeholder, flags & VIR_STORAGE_VOL_CREATE_VALIDATE,
                         replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
        return -1;
    if (r->shared)
        return 0;
    if (!(sourcePool = replPoolOfVol(source))) {
        replReportError(VIR_ERR_NO_STORAGE_POOL, _("There is no storage pool for source volume '%s'"),
                        r->volume);
        return -1;
    }
    if (virStoragePoolGetUUID(sourcePool, uuid) < 0)
        return -1;
    return replAccessVol(r->conn, uuid, r->volume, replVirt.StorageVolDownloadEnsureACL);
}

static int
replSubmissionCheckRegion(const char *pool, const ReplRegion *region, const char *role)
{
    if (region && region->dir)
        return 0;
    if (region)
        replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
    else
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The %s pool '%s' is not a region pool: it has no <replication:region> label"),
                        role, pool);
    return -1;
}

static int
replSubmissionCheckRegions(const ReplSubmission *r, virStorageVolPtr source)
{
    g_autoptr(ReplPool) sourcePool = replPoolOfVol(source);

    if (replSubmissionCheckRegion(virStoragePoolGetName(r->pool), r->target, _("target")) < 0)
        return -1;
    return replSubmissionCheckRegion(sourcePool ? virStoragePoolGetName(sourcePool) : r->volume, r->source,
                                     _("source"));
}

/* --- idempotency --- */

/* Whether the record is of the same request: the same source and the same wishes. */
static gboolean
replSubmissionIsSame(const ReplSubmission *r, const ReplJobRecord *record)
{
    return record->request && g_strcmp0(record->sourcePoolUuid, r->source->uuidstr) == 0 &&
           g_strcmp0(record->sourceVolume, r->volume) == 0 && replRequestIsSame(r->request, record->request);
}

/* The replica as a volume of this connection. */
static virStorageVolPtr
replSubmissionVol(const ReplSubmission *r, const char *replica)
{
    return replBelowPool(r->pool)->storageVolLookupByName(r->pool, replica);
}

static virStorageVolPtr
replSubmissionFinish(const ReplSubmission *r, ReplJob *job, const char *replica);

/* Whether the replica of a completed job is still that replica. */
static gboolean
replSubmissionIsThere(const ReplSubmission *r, const ReplJobRecord *record)
{
    g_autoptr(ReplImage) image = replRecordLoad(r->staging, record->volume, NULL);
    g_autoptr(ReplVol) vol = NULL;

    if (record->info->state != REPL_JOB_COMPLETED || !image || !g_str_equal(image->id, record->imageId))
        return FALSE;
    if (!(vol = replSubmissionVol(r, record->volume)))
        virResetLastError();
    return vol != NULL;
}

/* Returns 1 with *vol set (NULL: the error is reported) when the token names an earlier request. */
static int
replSubmissionByToken(const ReplSubmission *r, virStorageVolPtr *vol)
{
    g_autoptr(ReplJobRecord) record = NULL;
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;

    *vol = NULL;
    if (!r->request->token)
        return 0;
    if (!(record = replJobRecordFindToken(r->home, r->request->token, &err))) {
        if (!err)
            return 0;
        replReport(g_steal_pointer(&err));
        return 1;
    }
    /* What was cancelled, failed and was cleaned up, or was deleted since has left nothing to
     * return. */
    job = replQueueFind(replServiceQueue(), record->id);
    if (!job && !replSubmissionIsThere(r, record))
        return 0;
    if (!replSubmissionIsSame(r, record)) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The token of this request was used for another one, that of job %s"), record->id);
        return 1;
    }
    /* Who asks again for what failed wants it tried again. */
    if (job && r->request->start && replJobState(job) == REPL_JOB_FAILED &&
        replJobDo(job, REPL_VERB_RETRY, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return 1;
    }
    *vol = job && r->request->start ? replSubmissionFinish(r, job, record->volume)
                                    : replSubmissionVol(r, record->volume);
    return 1;
}

/* --- submitting --- */

/* The job will make the layers, too; the requester must be allowed to. */
static int
replSubmissionCheckMaking(const ReplSubmission *r, const ReplPlan *plan)
{
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *xml =
            g_markup_printf_escaped("<volume><name>%s</name><capacity>0</capacity></volume>", step->volume);

        if (step->layer > 0 && step->action != REPL_STEP_REUSE &&
            replAccessNewVol(r->conn, r->target->uuid, xml, FALSE, replVirt.StorageVolCreateXMLEnsureACL) < 0)
            return -1;
    }
    return 0;
}

/* The replica shows what every layer holds, and the layers may lie in several pools. */
static int
replSubmissionCheckLayers(const ReplSubmission *r, const ReplSourceFacts *source)
{
    guint i;

    if (r->shared)
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

static char *
replSubmissionDescription(const ReplSubmission *r)
{
    if (r->request->description)
        return g_strdup(r->request->description);
    return g_strdup_printf(_("Replicated from region %s, image %s"), r->source->label->name, r->image->id);
}

/* The replica's record as it will be once it is available. */
static ReplImage *
replSubmissionImage(const ReplSubmission *r, const char *id)
{
    ReplImage *image = replImageNew(id);

    image->status = REPL_IMAGE_PENDING;
    image->type = r->image->type;
    image->typeIsSet = r->image->typeIsSet;
    image->name = g_strdup(r->image->name ? r->image->name : r->volume);
    image->description = replSubmissionDescription(r);
    image->fastCreate = r->request->fastCreate;
    image->source.region = g_strdup(r->source->label->name);
    image->source.id = g_strdup(r->image->id);
    image->source.pool = g_strdup(r->source->name);
    image->source.volume = g_strdup(r->volume);
    return image;
}

static ReplJobRecord *
replSubmissionRecord(const ReplSubmission *r, const char *imageId)
{
    g_autofree char *id = g_uuid_string_random();
    ReplJobRecord *record = replJobRecordNew(id);

    record->token = g_strdup(r->request->token);
    record->requester = replIdentityName();
    record->sourcePool = g_strdup(r->source->name);
    record->sourcePoolUuid = g_strdup(r->source->uuidstr);
    record->sourceRegion = g_strdup(r->source->label->name);
    record->sourceVolume = g_strdup(r->volume);
    record->sourceId = g_strdup(r->image->id);
    record->targetRegion = g_strdup(r->target->label->name);
    record->targetPoolUuid = g_strdup(r->target->uuidstr);
    record->volume = g_strdup(r->replica);
    record->imageId = g_strdup(imageId);
    record->request = replRequestCopy(r->request);
    record->created_s = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = g_get_real_time();
    return record;
}

/* An id that another image refers to must not change any more. */
static int
replSubmissionKeepSource(const ReplSubmission *r, GError **err)
{
    g_autoptr(ReplStaging) staging = replRegionStaging(r->source, TRUE, err);
    g_autoptr(ReplImage) known = NULL;
    g_autoptr(ReplImage) image = NULL;

    if (!staging)
        return -1;
    if ((known = replRecordLoad(staging, r->volume, NULL)))
        return 0;
    image = replImageNew(r->image->id);
    return replRecordSave(staging, r->volume, image, err);
}

/* The plan as it will be compared when a planned job is started. Not yet anybody else's to see. */
static void
replSubmissionNotePlan(ReplReplication *replication, const ReplPrepared *prepared)
{
    ReplJobRecord *record = replication->journal->record;
    g_autoptr(GPtrArray) steps = replPreparedSteps(prepared);
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
    /* The job is on record before its first file is there, so that nothing of it is ever left behind. */
    record->holdsPlaceholder = TRUE;
    replication->persisted = replPhaseOfRecord(record);
}

/* The job comes to be: pinned, recorded, and then its replica's name taken. */
static int
replSubmissionAccept(const ReplSubmission *r, ReplReplication *replication, const ReplPrepared *prepared,
                     ReplJob **job, GError **err)
{
    g_autoptr(ReplImage) image = replHoldingImage(replication->holding);
    g_autoptr(GPtrArray) steps = replPreparedSteps(prepared);

    if (replPinningClaim(replication, err) < 0)
        return -1;
    replPinningPlan(replication, prepared);
    replSubmissionNotePlan(replication, prepared);
    replHoldingSetPlan(replication->holding, prepared->facts->layers[0].virtualSize_bytes,
                       &prepared->plan->adds);
    if (replReplicationLease(replication, TRUE, err) < 0 || replSubmissionKeepSource(r, err) < 0 ||
        replJournalSave(replication->journal, err) < 0 ||
        replTargetAccept(prepared->target, r->pool, r->placeholder, image, err) < 0)
        return -1;
    *job = replReplicationToJob(replication);
    replJobSetSteps(*job, steps, prepared->plan->peakSpace_bytes);
    return 0;
}

/* Takes back what submitting did. */
static void
replSubmissionUndo(const ReplSubmission *r, ReplReplication *replication)
{
    g_autoptr(GError) err = NULL;

    if (replUndo(replication, REPL_UNDO_ALL, &err) < 0)
        replWarn("A refused request has left something in pool '%s': %s", r->target->name, err->message);
    else
        replJobRecordDrop(r->home, replication->id, NULL);
    replPinsDropJob(replServicePins(), replication->id);
}

/* --- waiting --- */

/* A worker of the daemon is going to block: only so many may. */
static int
replSubmissionEnter(const ReplSubmission *r, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    return replQueueEnterWait(replServiceQueue(), config->maxWaiting, err);
}

static gboolean
replSubmissionBlocks(const ReplSubmission *r)
{
    return !r->request->async && r->request->start;
}

/* Waits for the end of a job; the caller has entered. */
static virStorageVolPtr
replSubmissionWait(const ReplSubmission *r, ReplJob *job, const char *replica)
{
    g_autoptr(GError) err = NULL;

    if (replJobWaitOrShutdown(job, &err) < 0) {
        /* What failed has been cleaned up; nobody is going to retry it. */
        if (replJobState(job) == REPL_JOB_FAILED && !replMakersHas(job))
            replQueueForget(replServiceQueue(), replJobId(job));
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    return replSubmissionVol(r, replica);
}

static virStorageVolPtr
replSubmissionFinish(const ReplSubmission *r, ReplJob *job, const char *replica)
{
    ReplJobState state = replJobState(job);
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol;

    /* What waits for somebody else's word is not waited for. */
    if (!replSubmissionBlocks(r) || state == REPL_JOB_PLANNED || state == REPL_JOB_PAUSED ||
        state == REPL_JOB_FAILED)
        return replSubmissionVol(r, replica);
    if (replSubmissionEnter(r, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    vol = replSubmissionWait(r, job, replica);
    replQueueLeaveWait(replServiceQueue());
    return vol;
}

/* A first plan tells at once what is wrong. Slow checks last; a default key that is missing is made only after them, so
 * that a refusal leaves none. */
static ReplPrepared *
replSubmissionPrepare(const ReplSubmission *r, ReplReplication *replication)
{
    const ReplPresentLook quick = {0};
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPrepared) prepared = replPrepareNew(replication);

    if (replPrepareOpen(replication, prepared, &err) < 0 || replPreparePlan(replication, prepared, &quick, &err) < 0) {
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

/* Puts the job in the queue. Its attempt goes on with what is prepared if it starts at once. Returns 0, or -1 with the
 * error reported. */
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
    replMakersRemove(r->target->uuidstr, r->replica, job);
    replSubmissionUndo(r, replication);
    replReport(g_steal_pointer(&err));
    return -1;
}

/* Plans, takes the name and puts the job in the queue. NULL with the error reported. */
static ReplJob *
replSubmissionQueue(const ReplSubmission *r)
{
    g_autofree char *imageId = g_uuid_string_random();
    ReplReplication *replication = replReplicationNew(r->target->uuid, replSubmissionRecord(r, imageId),
                                                      replSubmissionImage(r, imageId), TRUE);
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

static virStorageVolPtr
replSubmissionRun(const ReplSubmission *r)
{
    gboolean blocks = replSubmissionBlocks(r);
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol = NULL;

    if (blocks && replSubmissionEnter(r, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if ((job = replSubmissionQueue(r)))
        vol = blocks ? replSubmissionWait(r, job, r->replica) : replSubmissionVol(r, r->replica);
    if (blocks)
        replQueueLeaveWait(replServiceQueue());
    return vol;
}

virStorageVolPtr
replSubmit(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml, virStorageVolPtr source,
           const ReplRegion *sourceRegion, unsigned int flags)
{
    g_auto(ReplSubmission) r = {.pool = pool,
                                .conn = virStoragePoolGetConnect(pool),
                                .target = region,
                                .source = sourceRegion,
                                .request = xml->request};
    gboolean inRegion = region && sourceRegion && g_str_equal(region->label->name, sourceRegion->label->name);
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol;

    r.volume = g_strdup(virStorageVolGetName(source));
    r.shared = r.request->image && region && sourceRegion &&
               replShareCovers(sourceRegion, r.volume, region->label->project);
    r.replica = xml->request->name
                    ? g_strdup(xml->request->name)
                    : replPlanDefaultName(sourceRegion ? sourceRegion->label->name : "", r.volume, inRegion);
    r.placeholder = replVolXmlComplete(xml, r.replica, &err);
    if (!r.placeholder) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionCheckFlags(flags) < 0 || replSubmissionCheckAccess(&r, source, flags) < 0 ||
        replSubmissionCheckRegions(&r, source) < 0)
        return NULL;
    if (!(r.image = replViewImage(sourceRegion, r.volume, &err)) ||
        !(r.staging = replRegionStaging(region, TRUE, &err)) || !(r.home = replHomeOf(region, TRUE, &err))) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionByToken(&r, &vol))
        return vol;
    if (r.image->status != REPL_IMAGE_AVAILABLE) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), r.volume,
                        sourceRegion->name, replImageStatusToString(r.image->status));
        return NULL;
    }
    return replSubmissionRun(&r);
}
