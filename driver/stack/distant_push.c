/*
 * distant_push.c: a replica that is to be made on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/bundle_source.h"
#include "endpoint/open.h"
#include "peer/kind.h"
#include "peer/remote.h"
#include "region/home.h"
#include "replicate/push.h"
#include "service/service.h"
#include "stack/distantpriv.h"
#include "store/jobtext.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

/* One request on its way to a job. */
typedef struct {
    virStoragePoolPtr pool;
    char *xml; /* of the request, for the other host */
    const ReplRequest *request;
    const ReplPeerPoolEntry *entry; /* the target */
    char *sourceUuid;
    gboolean relay; /* the source is on another host, too, which asks its own rules about layers */
    char *volume;   /* the source's */
    ReplStaging *home;
} ReplPushRequest;

/* Refuses a source on a host without the module: such a host gives the bytes of a layer in order, and the target's host
 * asks for them in an order of its own. Returns 0, or -1 with the error reported. */
static int
replPushCheckKind(const ReplPushRequest *r, const ReplPeerPoolEntry *source)
{
    g_autoptr(GError) err = NULL;
    int has = replPeerHasModule(source, &err);

    if (err)
        replReport(g_steal_pointer(&err));
    if (has == 0)
        replReportError(
            VIR_ERR_NO_SUPPORT,
            _("Volume '%s' is on a host without the module, and pool '%s' on another one with it: "
              "replicate it to a region of this host first, and from there"),
            r->volume, r->entry->pool->def->name);
    return has > 0 ? 0 : -1;
}

/* Checks that the caller may read the source, and notes the UUID of the source's pool in @r. Returns 0, or -1
 * with the error reported. */
static int
replPushCheckSource(ReplPushRequest *r, virStorageVolPtr source)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRegion) region = NULL;

    r->volume = g_strdup(virStorageVolGetName(source));
    if (replBelowVol(source) != &replNext) {
        if (!(entry = replRemotePoolOfVol(source, replVirt.StorageVolDownloadEnsureACL)) ||
            replPushCheckKind(r, entry) < 0)
            return -1;
        r->sourceUuid = g_strdup(entry->pool->def->uuid);
        r->relay = TRUE;
        return 0;
    }
    if (!(region = replRegionOfVol(source)) || !region->dir) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("The pool of volume '%s' is not an active region pool"),
                        r->volume);
        return -1;
    }
    r->sourceUuid = g_strdup(region->uuidstr);
    return replAccessVol(virStorageVolGetConnect(source), region->uuid, r->volume,
                         replVirt.StorageVolDownloadEnsureACL);
}

/* Checks that the caller may read the layers below (a source on another host asks that itself), and that the
 * image is available. Of a full machine, that he may make the replica of each data disk, too. Returns 0, or -1
 * with the error reported. */
static int
replPushCheckLayers(const ReplPushRequest *r, const ReplSourceFacts *facts)
{
    virConnectPtr conn = virStoragePoolGetConnect(r->pool);

    for (guint i = 1; !r->relay && i < facts->layerCount; i++) {
        unsigned char uuid[VIR_UUID_BUFLEN];

        if (replUuidParse(facts->layers[i].poolUuid, uuid) &&
            replAccessVol(conn, uuid, facts->layers[i].volume, replVirt.StorageVolDownloadEnsureACL) < 0)
            return -1;
    }
    for (guint i = 1; i < facts->layerCount; i++) {
        if (replSourceIsTop(facts, i) && replRemoteMayVol(conn, r->entry, facts->layers[i].volume,
                                                          replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
            return -1;
    }
    if (facts->image->status == REPL_IMAGE_AVAILABLE)
        return 0;
    replReportError(VIR_ERR_OPERATION_INVALID,
                    _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), facts->volume,
                    facts->pool, replImageStatusToString(facts->image->status));
    return -1;
}

/* Notes a data disk of the full machine. The other host gives the replica an id. */
static void
replPushRequestMember(ReplJobRecord *record, const char *volume, const ReplImage *image)
{
    g_autofree char *replicaId = g_uuid_string_random();

    g_ptr_array_add(record->members, replJobMemberNew(volume, image->id, volume, replicaId));
}

static ReplJobRecord *
replPushRequestRecord(const ReplPushRequest *r, const ReplSourceFacts *facts)
{
    g_autofree char *id = g_uuid_string_random();
    g_autofree char *region = NULL;
    ReplJobRecord *record = replJobRecordNew(id);

    replPeerPoolSeen(r->entry->pool, &region, NULL, NULL);
    record->token = g_strdup(r->request->token);
    record->requester = replIdentityName();
    record->sourcePool = g_strdup(facts->pool);
    record->sourcePoolUuid = g_strdup(r->sourceUuid);
    record->sourceRegion = g_strdup(facts->label->name);
    record->sourceVolume = g_strdup(r->volume);
    record->sourceId = g_strdup(facts->image->id);
    record->targetRegion = g_strdup(region ? region : r->entry->pool->def->name);
    record->targetPool = g_strdup(r->entry->pool->def->name);
    record->targetPoolUuid = g_strdup(r->entry->pool->def->uuid);
    record->volume = g_strdup(r->request->name ? r->request->name : r->volume);
    record->imageId = g_uuid_string_random();
    record->request = replRequestCopy(r->request);
    record->request->sourceIs = REPL_SOURCE_IS_IMAGE;
    record->requestXml = g_strdup(r->xml);
    record->created_s = g_get_real_time() / G_USEC_PER_SEC;
    record->sequence = g_get_real_time();
    /* Note the layers that the requester may read as of now: a later attempt must find the same chain, since
     * he is not there to be asked about another one. */
    for (guint i = 0; i < facts->layerCount; i++) {
        const ReplPlanLayer *layer = &facts->layers[i];

        ReplJobLayer *noted = replJobLayerNew(layer->volume, layer->poolUuid, layer->volume, REPL_STEP_COPY);

        noted->source = layer->identity;
        g_ptr_array_add(record->layers, noted);
        if (i > 0 && replSourceIsTop(facts, i))
            replPushRequestMember(record, layer->volume, facts->members[layer->disk - 1]);
    }
    return record;
}

void
replDistantRefuseBundle(const char *volume)
{
    replReportError(VIR_ERR_NO_SUPPORT,
                    _("'%s' is a bundle, and both pools are on other hosts: make the image in a pool of this "
                      "host, and replicate it from there"),
                    volume);
}

/* A bundle is made an image of in a pool of this host, or by its own. (One of this host is refused before.) Returns 0, or -1
 * with the error reported. */
static int
replPushCheckBundle(const ReplPushRequest *r, ReplSource *source, const ReplSourceFacts *facts)
{
    g_autoptr(GError) err = NULL;
    int begins = 0;

    if (r->relay && r->request->sourceIs != REPL_SOURCE_IS_IMAGE)
        begins = replBundleSourceBegins(source, facts, &err);
    if (begins == 0 && r->request->sourceIs != REPL_SOURCE_IS_BUNDLE)
        return 0;
    if (begins < 0)
        replReport(g_steal_pointer(&err));
    else if (begins)
        replDistantRefuseBundle(r->volume);
    else
        replReportError(VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is no bundle"), r->volume,
                        facts->pool);
    return -1;
}

/* Describes the source, so that what is wrong with it is said at once. NULL with the error reported. */
static ReplJobRecord *
replPushRequestLook(const ReplPushRequest *r)
{
    g_autoptr(ReplSource) source = replEndpointSource(r->sourceUuid, r->volume, REPL_SOURCE_IS_IMAGE);
    const ReplSourceFacts *facts = NULL;
    g_autoptr(GError) err = NULL;

    if (replSourceHold(source, &err) < 0 || replSourceDescribe(source, r->request, &facts, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replPushCheckLayers(r, facts) < 0 || replPushCheckBundle(r, source, facts) < 0)
        return NULL;
    return replPushRequestRecord(r, facts);
}

static virStorageVolPtr
replPushRequestVol(const ReplPushRequest *r, ReplJob *job)
{
    g_autofree char *volume = replPushVolume(job);

    return replBelowPool(r->pool)->storageVolLookupByName(r->pool, volume);
}

/* Waits for the end of the job. Returns the replica, or NULL with the error reported; a failed job is
 * forgotten. */
static virStorageVolPtr
replPushRequestWait(const ReplPushRequest *r, ReplJob *job)
{
    g_autoptr(GError) err = NULL;

    if (replJobWait(job, &err) == 0)
        return replPushRequestVol(r, job);
    if (replJobState(job) == REPL_JOB_FAILED) {
        replPushForget(job);
        replQueueForget(replServiceQueue(), replJobId(job));
    }
    replReport(g_steal_pointer(&err));
    return NULL;
}

/* An asynchronous request returns when the other host lists the replica. */
static virStorageVolPtr
replPushRequestStarted(const ReplPushRequest *r, ReplJob *job)
{
    g_autoptr(GError) err = NULL;

    while (!replPushIsListed(job)) {
        if (!replJobWaitFor(job, 100))
            continue;
        if (replJobState(job) == REPL_JOB_COMPLETED)
            break;
        return replPushRequestWait(r, job);
    }
    return replPushRequestVol(r, job);
}

static virStorageVolPtr
replPushRequestRun(const ReplPushRequest *r)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol = NULL;
    ReplJobRecord *record;

    if (replQueueEnterWait(replServiceQueue(), config->maxWaiting, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if ((record = replPushRequestLook(r))) {
        job = replPushJobNew(record, FALSE);
        if (replPushSave(job, &err) < 0 || (!r->request->start && replPushPlan(job, &err) < 0) ||
            replQueueSubmit(replServiceQueue(), job, r->request->start, &err) < 0) {
            replPushForget(job);
            replJobRecordDrop(r->home, replJobId(job), NULL);
            replReport(g_steal_pointer(&err));
        } else {
            vol = !r->request->start  ? replPushRequestVol(r, job)
                  : r->request->async ? replPushRequestStarted(r, job)
                                      : replPushRequestWait(r, job);
        }
    }
    replQueueLeaveWait(replServiceQueue());
    return vol;
}

/* Returns 1 with *vol set (NULL: the error is reported) when the token names an earlier request. */
static int
replPushRequestByToken(const ReplPushRequest *r, virStorageVolPtr *vol)
{
    g_autoptr(ReplJobRecord) record = NULL;
    g_autoptr(ReplJob) job = NULL;

    if (!r->request->token || !(record = replJobRecordFindToken(r->home, r->request->token, NULL)) ||
        record->info->state == REPL_JOB_CANCELLED)
        return 0;
    if (g_strcmp0(record->sourcePoolUuid, r->sourceUuid) != 0 ||
        g_strcmp0(record->sourceVolume, r->volume) != 0 ||
        g_strcmp0(record->targetPoolUuid, r->entry->pool->def->uuid) != 0 ||
        !replRequestIsSame(r->request, record->request)) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The token of this request was used for another one, that of job %s"), record->id);
        return 1;
    }
    job = replQueueFind(replServiceQueue(), record->id);
    if (job && !r->request->async && replJobState(job) != REPL_JOB_COMPLETED) {
        *vol = replPushRequestWait(r, job);
        return 1;
    }
    if ((*vol = replBelowPool(r->pool)->storageVolLookupByName(r->pool, record->volume)))
        return 1;
    /* The replica of the earlier request was deleted since: the token counts as unused. */
    virResetLastError();
    return 0;
}

/* What the bundle leaves out, as the host that writes it calls the pools. Returns 0, or -1 with the error reported: it
 * cannot read a pool of another host. */
static int
replPushRequestHaves(ReplPushRequest *r, const char *desc)
{
    g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) err = NULL;

    for (guint i = 0; i < r->request->have->len; i++) {
        const ReplHave *have = g_ptr_array_index(r->request->have, i);
        g_autoptr(ReplPeerPoolEntry) entry = replPeerPoolsFindName(have->pool);

        if (!entry || entry->pool->peer != r->entry->pool->peer) {
            replReportError(
                VIR_ERR_OPERATION_INVALID,
                _("Pool '%s' of <replication:have> is not on the host of pool '%s', which writes the "
                  "bundle: name an inventory there"),
                have->pool, r->entry->pool->def->name);
            return -1;
        }
        if (replRemoteMayVol(virStoragePoolGetConnect(r->pool), entry, have->volume,
                             replVirt.StorageVolDownloadEnsureACL) < 0)
            return -1;
        g_ptr_array_add(pools, g_strdup(entry->pool->def->source));
    }
    if ((r->xml = pools->len > 0 ? replVolXmlRenameHaves(desc, pools, &err) : g_strdup(desc)))
        return 0;
    replReport(g_steal_pointer(&err));
    return -1;
}

virStorageVolPtr
replDistantPush(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml, virStorageVolPtr source)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replVirt.StoragePoolGetInfoEnsureACL);
    ReplPushRequest r = {.pool = pool, .request = xml->request, .entry = entry};
    const char *name = xml->request->name ? xml->request->name : virStorageVolGetName(source);
    g_autoptr(GError) err = NULL;
    virStorageVolPtr vol = NULL;

    if (!entry || replRemoteMayVol(virStoragePoolGetConnect(pool), entry, name,
                                   replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
        return NULL;
    if (!entry->active) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                        entry->pool->def->name);
        return NULL;
    }
    if (!(r.home = replHomeOwn(TRUE, &err)))
        replReport(g_steal_pointer(&err));
    else if (replPushCheckSource(&r, source) == 0 && replPushRequestHaves(&r, desc) == 0 &&
             !replPushRequestByToken(&r, &vol))
        vol = replPushRequestRun(&r);
    if (r.home)
        replStagingUnref(r.home);
    g_free(r.sourceUuid);
    g_free(r.xml);
    g_free(r.volume);
    return vol;
}
