/*
 * submission.c: vol-create-from with <replication:replicate>: checks, then a job
 *
 * The order: who may, what is there, is it on its way already, can it be done; then the replica's
 * name is taken, and the job goes to the queue. Nothing is written before the last check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/submission.h"

#include "base/lock.h"
#include "image/share.h"
#include "image/view.h"
#include "job/pins.h"
#include "replicate/keys.h"
#include "replicate/life.h"
#include "replicate/plannote.h"
#include "replicate/prepare.h"
#include "replicate/publish.h"
#include "service/makers.h"
#include "service/service.h"
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
    char *volume;      /* the source's */
    char *replica;     /* the replica's */
    char *placeholder; /* XML of an empty volume of that name */
    ReplImage *image;  /* of the source */
    ReplStaging *staging;
    gboolean
        shared; /* the source is another project's, and an accepted share stands for the right to read it */
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
    const ReplRequest *a = r->request;
    const ReplRequest *b = record->request;

    return b && g_strcmp0(a->image, b->image) == 0 &&
           g_str_equal(record->sourcePoolUuid, r->source->uuidstr) &&
           g_str_equal(record->sourceVolume, r->volume) && g_strcmp0(a->name, b->name) == 0 &&
           g_strcmp0(a->format, b->format) == 0 && a->snapshots == b->snapshots &&
           a->encryption == b->encryption && a->rekey == b->rekey && a->fastCreate == b->fastCreate &&
           g_strcmp0(a->description, b->description) == 0 && g_strcmp0(a->cipherName, b->cipherName) == 0 &&
           a->cipherSize_bits == b->cipherSize_bits && g_strcmp0(a->cipherMode, b->cipherMode) == 0 &&
           g_strcmp0(a->cipherHash, b->cipherHash) == 0 && g_strcmp0(a->ivgenName, b->ivgenName) == 0 &&
           g_strcmp0(a->ivgenHash, b->ivgenHash) == 0 && g_strcmp0(a->secret.uuid, b->secret.uuid) == 0 &&
           g_strcmp0(a->secret.usage, b->secret.usage) == 0;
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
    if (!(record = replJobRecordFindToken(r->staging, r->request->token, &err))) {
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
replSubmissionCheckLayers(const ReplSubmission *r, const ReplChain *chain)
{
    guint i;

    if (r->shared)
        return 0;
    for (i = 1; i < chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(chain, i);
        unsigned char uuid[VIR_UUID_BUFLEN];

        if (replUuidParse(layer->pool->uuid, uuid) &&
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

/* Takes the replica's name in the pool; of two clients that race, one gets it. */
static int
replSubmissionTakeName(const ReplSubmission *r, ReplReplication *replication, GError **err)
{
    g_autoptr(ReplVol) vol = replBelowPool(r->pool)->storageVolCreateXML(r->pool, r->placeholder, 0);

    if (!vol) {
        replTakeError(err);
        return -1;
    }
    replLockTake(&replication->lock);
    replication->listed = TRUE;
    replReplicationShowNames(replication);
    replLockDrop(&replication->lock);
    return 0;
}

static int
replSubmissionSubmit(const ReplSubmission *r, ReplReplication *replication, const ReplPrepared *plan,
                     ReplJob **job, GError **err)
{
    ReplPins *pins = replServicePins();
    g_autoptr(ReplImage) image = replHoldingImage(replication->holding);

    if (replPinsClaim(pins, replication->id, r->source->uuidstr, r->volume, r->target->label->name, err) < 0)
        return -1;
    replPinsAdd(pins, r->source->uuidstr, r->source->name, r->volume, replication->id, REPL_PIN_SOURCE, NULL);
    replPlanNote(replication, plan);
    /* The job is on record before its first file is there, so that nothing of it is ever left
     * behind. */
    replication->record->holdsPlaceholder = TRUE;
    if (replReplicationLease(replication, r->staging, TRUE, err) < 0 ||
        replSubmissionKeepSource(r, err) < 0 || replReplicationSave(replication, r->staging, err) < 0)
        return -1;
    if (replSubmissionTakeName(r, replication, err) < 0 ||
        replRecordSave(r->staging, r->replica, image, err) < 0)
        return -1;
    *job = replReplicationToJob(replication);
    return 0;
}

/* Takes back what submitting did. */
static void
replSubmissionUndo(const ReplSubmission *r, ReplReplication *replication)
{
    replPublishUndo(replication, TRUE);
    replJobRecordDrop(r->staging, replication->id, NULL);
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

/* Plans, takes the name and puts the job in the queue. NULL with the error reported. */
static ReplJob *
replSubmissionQueue(const ReplSubmission *r)
{
    g_autofree char *imageId = g_uuid_string_random();
    ReplReplication *replication = replReplicationNew(r->target, replSubmissionRecord(r, imageId),
                                                      replSubmissionImage(r, imageId), TRUE);
    /* A first plan tells at once what is wrong; the job plans again when its turn has come. */
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPrepared) plan = replPrepare(replication, NULL, NULL, &err);
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GPtrArray) steps = NULL;

    if (!plan || replSubmissionCheckLayers(r, plan->chain) < 0 ||
        replSubmissionCheckMaking(r, plan->plan) < 0) {
        replReplicationFree(replication);
        if (err)
            replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionSubmit(r, replication, plan, &job, &err) < 0) {
        replSubmissionUndo(r, replication);
        replReplicationFree(replication);
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    steps = replPreparedSteps(plan);
    replJobSetSteps(job, steps, plan->plan->peakSpace_bytes);
    /* What only somebody's word starts may wait for days: no keys are kept for it. */
    if (r->request->start)
        replKeysKeep(replication, plan);
    /* The source is locked by the job's own attempt from here on. */
    g_clear_pointer(&plan, replPreparedFree);
    if (replQueueSubmit(replServiceQueue(), job, r->request->start, &err) < 0) {
        replMakersRemove(r->target->uuidstr, r->replica, job);
        replSubmissionUndo(r, replication);
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (!r->request->start)
        replReplicationLease(replication, NULL, FALSE, NULL);
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
        !(r.staging = replRegionStaging(region, TRUE, &err))) {
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
