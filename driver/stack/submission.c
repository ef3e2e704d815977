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
#include "peer/remote.h"
#include "region/home.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "service/service.h"
#include "stack/resume.h"
#include "stack/submissionpriv.h"
#include "store/jobrecord.h"
#include "store/jobtext.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static void
replSubmissionClear(ReplSubmission *r)
{
    g_free(r->volume);
    g_free(r->replica);
    g_free(r->placeholder);
    replImageFree(r->image);
    g_clear_pointer(&r->members, g_ptr_array_unref);
    replRegionFree(r->transit);
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
    if (r->shared || r->distant)
        return 0;
    if (r->source)
        return replAccessVol(r->conn, r->source->uuid, r->volume, replVirt.StorageVolDownloadEnsureACL);
    /* It will be refused, since its pool is no region; but only who may read it learns that. */
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
replSubmissionCheckRegion(const ReplRegion *region, const char *pool, gboolean bundle, const char *role)
{
    gboolean fits = replRegionIsRegion(region) || (region && bundle);

    if (fits && region->dir)
        return 0;
    if (fits)
        replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
    else
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The %s pool '%s' is not a region pool: it has no <replication:region> label"),
                        role, pool);
    return -1;
}

/* A bundle may go to any pool of files. */
static int
replSubmissionCheckTarget(ReplSubmission *r)
{
    gboolean bundle = r->request->bundle != REPL_BUNDLE_NONE;
    g_autoptr(GError) err = NULL;

    if (bundle && !r->target) {
        if (replRegionTransit(r->pool, &err) < 0) {
            replReport(g_steal_pointer(&err));
            return -1;
        }
        r->target = r->transit = replRegionOfPool(r->pool);
    }
    return replSubmissionCheckRegion(r->target, virStoragePoolGetName(r->pool), bundle, _("target"));
}

static int
replSubmissionCheckSource(const ReplSubmission *r, virStorageVolPtr source)
{
    g_autoptr(ReplPool) pool = replRegionIsRegion(r->source) ? NULL : replPoolOfVol(source);

    return replSubmissionCheckRegion(r->source, pool ? virStoragePoolGetName(pool) : r->volume, FALSE,
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
    g_autoptr(ReplImage) image = r->staging ? replRecordLoad(r->staging, record->volume, NULL) : NULL;
    g_autoptr(ReplJobRecord) overdue = replOverdueFind(record->id);
    g_autoptr(ReplVol) vol = NULL;

    if ((overdue ? overdue : record)->info->state != REPL_JOB_COMPLETED ||
        (r->staging && (!image || !g_str_equal(image->id, record->imageId))))
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
    if (!(record = replJobRecordFindToken(r->home, r->request->token, &err))) {
        if (!err)
            return 0;
        replReport(g_steal_pointer(&err));
        return 1;
    }
    /* The earlier job was cancelled, or failed and was cleaned up, or its replica was deleted since: there is
     * no volume to return, and the request is a new one. */
    job = replQueueFind(replServiceQueue(), record->id);
    if (!job && !replSubmissionIsThere(r, record))
        return 0;
    if (!replSubmissionIsSame(r, record)) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The token of this request was used for another one, that of job %s"), record->id);
        return 1;
    }
    /* The client repeats a request whose job has failed: try the job again. */
    if (job && r->request->start && replJobState(job) == REPL_JOB_FAILED &&
        replJobDo(job, REPL_VERB_RETRY, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return 1;
    }
    *vol = job && r->request->start ? replSubmissionFinish(r, job, record->volume)
                                    : replSubmissionVol(r, record->volume);
    return 1;
}

/* --- waiting --- */

/* Counts this worker of the daemon among those that block for a job, or refuses when max_waiting of them
 * do. */
static int
replSubmissionEnter(const ReplSubmission *r, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    return replQueueEnterWait(replServiceQueue(), config->maxWaiting, err);
}

/* Called for a failed request whose client waited. If its undo failed because a host without the module is
 * away, leaves the rest to be undone when that host can be reached again: the client need not cancel the
 * job. */
static void
replSubmissionLeave(const ReplSubmission *r, ReplJob *job)
{
    if (!r->far || r->request->async || !replMakersHas(job))
        return;
    replResumeRefused(replJobOpaque(job));
    replMakersRemove(r->target->uuidstr, r->replica, job);
    replPinsDropJob(replServicePins(), replJobId(job));
}

/* Waits for the end of a job. The caller has counted itself with replSubmissionEnter. */
static virStorageVolPtr
replSubmissionWait(const ReplSubmission *r, ReplJob *job, const char *replica)
{
    g_autoptr(GError) err = NULL;

    if (replJobWait(job, &err) < 0) {
        /* A failed synchronous request leaves nothing that could be retried. */
        if (replJobState(job) == REPL_JOB_FAILED)
            replSubmissionLeave(r, job);
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

    /* Do not block on a job that only another request can move. */
    if (r->request->async || !r->request->start || state == REPL_JOB_PLANNED || state == REPL_JOB_PAUSED ||
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

static virStorageVolPtr
replSubmissionRun(const ReplSubmission *r)
{
    gboolean blocks = !r->request->async && r->request->start;
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
                    : replPlanDefaultName(xml->request, sourceRegion ? sourceRegion->label->name : "",
                                          r.volume, inRegion);
    r.placeholder = replVolXmlComplete(xml, r.replica, &err);
    if (!r.placeholder) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replSubmissionCheckFlags(flags) < 0 || replSubmissionCheckAccess(&r, source, flags) < 0 ||
        replSubmissionCheckTarget(&r) < 0 || replSubmissionCheckSource(&r, source) < 0)
        return NULL;
    if (!(r.image = replViewImage(sourceRegion, r.volume, &err)) ||
        !(r.staging = replRegionStaging(r.target, TRUE, &err))) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    r.home = replStagingRef(r.staging);
    if (r.image->members->len > 0 && replSubmissionAddMembers(&r, xml, NULL, flags) < 0)
        return NULL;
    if (r.request->token && replSubmissionByToken(&r, &vol))
        return vol;
    if (r.image->status != REPL_IMAGE_AVAILABLE) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), r.volume,
                        sourceRegion->name, replImageStatusToString(r.image->status));
        return NULL;
    }
    return replSubmissionRun(&r);
}

/* The pool of the source as a region, though no pool of this host is behind it. */
static ReplRegion *
replSubmissionRegion(const ReplSubmitFrom *from)
{
    ReplRegion *source = g_new0(ReplRegion, 1);

    g_strlcpy(source->uuidstr, from->poolUuid, sizeof(source->uuidstr));
    replUuidParse(from->poolUuid, source->uuid);
    source->name = g_strdup(from->facts->pool);
    source->label = replLabelCopy(from->facts->label);
    return source;
}

/* As the head of replSubmit. 0, or -1 with the error reported. */
static int
replSubmissionBegin(ReplSubmission *r, const ReplVolXml *xml, const ReplSubmitFrom *from, unsigned int flags)
{
    gboolean inRegion = r->target && g_str_equal(r->target->label->name, r->source->label->name);
    g_autoptr(GError) err = NULL;

    r->volume = g_strdup(from->bundle ? from->bundle : from->facts->volume);
    r->image = replImageCopy(from->facts->image);
    r->replica = xml->request->name ? g_strdup(xml->request->name)
                                    : replPlanDefaultName(xml->request, r->source->label->name,
                                                          from->facts->volume, inRegion);
    if (!(r->placeholder = replVolXmlComplete(xml, r->replica, &err))) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (replSubmissionCheckFlags(flags) < 0 || replSubmissionCheckAccess(r, NULL, flags) < 0 ||
        replSubmissionCheckTarget(r) < 0 || replSubmissionAddMembers(r, xml, from->facts, flags) < 0)
        return -1;
    if (!(r->staging = replRegionStaging(r->target, TRUE, &err))) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    r->home = replStagingRef(r->staging);
    return 0;
}

virStorageVolPtr
replSubmitDistant(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
                  const ReplSubmitFrom *from, ReplJob **job, unsigned int flags)
{
    g_autoptr(ReplRegion) source = replSubmissionRegion(from);
    g_auto(ReplSubmission) r = {.pool = pool,
                                .conn = virStoragePoolGetConnect(pool),
                                .target = region,
                                .source = source,
                                .request = xml->request,
                                .jobId = from->jobId,
                                .distant = TRUE,
                                .bundled = from->bundle != NULL};
    virStorageVolPtr vol = NULL;
    int rc = replSubmissionBegin(&r, xml, from, flags);

    /* The job opens the source again for itself. */
    replSourceFree(from->source);
    if (rc < 0 || (!job && r.request->token && replSubmissionByToken(&r, &vol)))
        return vol;
    if (r.image->status != REPL_IMAGE_AVAILABLE) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), r.volume,
                        source->name, replImageStatusToString(r.image->status));
        return NULL;
    }
    if (!job)
        return replSubmissionRun(&r);
    if ((*job = replSubmissionQueue(&r)))
        vol = replSubmissionVol(&r, r.replica);
    return vol;
}

/* What is known of a place on a host without the module. */
static ReplRegion *
replSubmissionFarPlace(const ReplPeerPoolEntry *far)
{
    const ReplRegionPool *def = far->pool->def;
    ReplRegion *place = g_new0(ReplRegion, 1);
    g_autofree char *region = NULL;
    g_autofree char *project = NULL;

    replPeerPoolSeen(far->pool, &region, &project, NULL);
    g_strlcpy(place->uuidstr, def->uuid, sizeof(place->uuidstr));
    replUuidParse(def->uuid, place->uuid);
    place->name = g_strdup(def->name);
    place->label = g_new0(ReplLabel, 1);
    place->label->name = g_strdup(region ? region : def->source);
    place->label->project = g_strdup(project ? project : REPL_PROJECT_DEFAULT);
    place->label->quota = (ReplAmounts){-1, -1, -1};
    return place;
}

/* As replSubmissionBegin, for a target on a host without the module: checks the caller's rights, and fills in
 * source, names and home. 0, or -1 with the error reported. */
static int
replSubmissionBeginFar(ReplSubmission *r, const ReplVolXml *xml, virStorageVolPtr source,
                       const ReplSubmitFrom *from, unsigned int flags)
{
    gboolean inRegion = r->source && g_str_equal(r->target->label->name, r->source->label->name);
    g_autoptr(GError) err = NULL;

    r->volume = g_strdup(virStorageVolGetName(source));
    r->replica =
        xml->request->name
            ? g_strdup(xml->request->name)
            : replPlanDefaultName(xml->request, r->source ? r->source->label->name : "", r->volume, inRegion);
    if (replSubmissionCheckFlags(flags) < 0 ||
        replRemoteMayVol(r->conn, r->far, r->replica, replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
        return -1;
    if (!from &&
        (replSubmissionCheckRegion(r->source, r->volume, FALSE, _("source")) < 0 ||
         replAccessVol(r->conn, r->source->uuid, r->volume, replVirt.StorageVolDownloadEnsureACL) < 0))
        return -1;
    if ((r->image = from ? replImageCopy(from->facts->image) : replViewImage(r->source, r->volume, &err)) &&
        (r->placeholder = replVolXmlComplete(xml, r->replica, &err)) && (r->home = replHomeOwn(TRUE, &err)) &&
        r->image->members->len == 0)
        return 0;
    if (err)
        replReport(g_steal_pointer(&err));
    else
        replReportError(
            VIR_ERR_NO_SUPPORT,
            _("Full machine '%s' of pool '%s' does not go to a host without the module: replicate its "
              "disks one by one"),
            r->volume, r->source->name);
    return -1;
}

virStorageVolPtr
replSubmitFar(virStoragePoolPtr pool, const ReplPeerPoolEntry *far, const ReplVolXml *xml,
              virStorageVolPtr source, const ReplRegion *sourceRegion, const ReplSubmitFrom *from,
              unsigned int flags)
{
    g_autoptr(ReplRegion) target = replSubmissionFarPlace(far);
    g_autoptr(ReplRegion) place = from ? replSubmissionRegion(from) : NULL;
    g_auto(ReplSubmission) r = {.pool = pool,
                                .conn = virStoragePoolGetConnect(pool),
                                .target = target,
                                .source = place ? place : sourceRegion,
                                .request = xml->request,
                                .distant = from != NULL,
                                .far = far};
    virStorageVolPtr vol = NULL;
    int rc = replSubmissionBeginFar(&r, xml, source, from, flags);

    if (from)
        replSourceFree(from->source);
    if (rc < 0 || (r.request->token && replSubmissionByToken(&r, &vol)))
        return vol;
    if (r.image->status != REPL_IMAGE_AVAILABLE) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), r.volume,
                        r.source->name, replImageStatusToString(r.image->status));
        return NULL;
    }
    return replSubmissionRun(&r);
}
